package health

import "time"

// enter begins a phase. The lock is held.
func (m *Monitor) enter(s State) {
	m.phase.Store(uint64(m.current().next(s)))
	m.circuit.probing, m.circuit.succeeded = 0, 0
	m.window.clear()
	m.recent.Store(0)
	m.streak.Store(0)
}

// open opens the circuit for the first time.
func (m *Monitor) open(now int64, reason string) change {
	m.circuit.failed = 0
	return m.openFor(now, reason)
}

// again opens it after a probe that failed, for twice as long.
func (m *Monitor) again(now int64, reason string) change {
	m.circuit.failed++
	return m.openFor(now, reason)
}

func (m *Monitor) openFor(now int64, reason string) change {
	b := &m.group.config.Load().Breaker
	d := b.MaxOpen.Std()
	if n := m.circuit.failed; n < 32 && b.OpenFor.Std()<<n < d && b.OpenFor.Std()<<n > 0 {
		d = b.OpenFor.Std() << n
	}
	until := now + m.group.spreadOut(d)
	c := change{from: m.current().circuit(), to: Open, now: now, until: until, reason: reason}
	m.until.Store(until) // before the phase: who sees it open sees until when
	m.circuit.slow, m.circuit.checked = false, false
	m.enter(Open)
	return c
}

// spreadOut lengthens a time at random.
func (g *Group) spreadOut(d time.Duration) int64 {
	return int64(d) + int64(float64(d)*spreadOut*g.random())
}

func (m *Monitor) halfOpen(now int64, reason string) change {
	c := change{from: m.current().circuit(), to: HalfOpen, now: now, reason: reason}
	m.until.Store(now)
	m.enter(HalfOpen)
	return c
}

// close closes the circuit; the load comes back slowly.
func (m *Monitor) close(now int64, reason string) change {
	c := change{from: m.current().circuit(), to: Closed, now: now, reason: reason}
	m.circuit.failed = 0
	m.back.Store(now)
	m.enter(Closed)
	return c
}

// cool leaves the target alone until it wants to be asked again. Of the many
// attempts that a limit may hit at once, the first is announced, and after it
// only what is a second later.
func (m *Monitor) cool(now, until int64, b *Breaker) change {
	until = min(until, now+int64(b.MaxCooling))
	if until <= m.cooling.Load() {
		return change{}
	}
	from := m.current().circuit()
	if lasts(&m.cooling, now) {
		from = Cooling
	}
	m.cooling.Store(until)
	if from == Open || from == Cooling && until-m.circuit.announced < int64(time.Second) {
		return change{}
	}
	m.circuit.announced = until
	return change{from: from, to: Cooling, now: now, until: until, reason: "the target limits us"}
}

// Follow takes over the state that another replica has seen, without an Event.
func (m *Monitor) Follow(s State, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, mine := m.group.now().UnixNano(), m.current().circuit()
	switch s {
	case Open:
		m.until.Store(until.UnixNano())
		if mine != Open {
			m.enter(Open)
		}
	case HalfOpen:
		if mine == Open {
			m.halfOpen(now, "")
		}
	case Closed:
		if lasts(&m.ejected, now) {
			m.ejected.Store(0)
			m.back.Store(now)
		}
		if mine != Closed {
			m.close(now, "")
		}
	case Ejected:
		if !lasts(&m.ejected, now) {
			m.enter(mine)
		}
		m.ejected.Store(until.UnixNano())
	case Cooling:
		m.cooling.Store(max(m.cooling.Load(), until.UnixNano()))
	}
}

// unlock announces a change, if there is one, and releases the lock. The group's
// lock is taken before the monitor's is released: so changes are announced in
// the order in which they happen.
func (m *Monitor) unlock(c change) (Event, bool) {
	if c.to == 0 {
		m.mu.Unlock()
		return Event{}, false
	}
	g := m.group
	g.announcing.Lock()
	defer g.announcing.Unlock()
	m.mu.Unlock()
	e := Event{
		Target: g.target, Model: m.model, From: c.from, To: c.to,
		Until: unix(c.until), Time: unix(c.now), Reason: c.reason,
	}
	for _, f := range *g.observers.Load() {
		f(e)
	}
	return e, true
}
