package health

import "time"

// Fail tells that an active check failed: the circuits of the models open, or
// stay open, until a check succeeds, but no longer than a time in which the next
// one ought to have ended. An empty model stands for all models of the target. A
// check that failed once says little; who calls this has seen enough failures.
func (g *Group) Fail(now time.Time, model, reason string, next time.Duration) {
	if g.config.Load().Breaker.Disabled {
		return
	}
	if model != "" {
		g.Of(model).fail(now, reason, next)
		return
	}
	g.mu.Lock()
	g.failing, g.failingUntil = reason, now.Add(next)
	g.mu.Unlock()
	for _, m := range *g.models.Load() {
		m.fail(now, reason, next)
	}
}

// Recover tells that an active check succeeded: circuits that are open may be
// tried at once. One whose probes have failed since it opened must wait, for it
// is not what the check sees that is broken.
func (g *Group) Recover(now time.Time, model string) {
	if model != "" {
		g.Of(model).recover(now)
		return
	}
	g.mu.Lock()
	g.failing = ""
	g.mu.Unlock()
	for _, m := range *g.models.Load() {
		m.recover(now)
	}
}

// fail opens the circuit. One that is open already because of calls that failed
// keeps its own time.
func (m *Monitor) fail(now time.Time, reason string, next time.Duration) {
	m.mu.Lock()
	n, c := now.UnixNano(), change{}
	if m.current().circuit() != Open {
		c = m.open(n, "the health check fails: "+reason)
		m.circuit.checked = true
	}
	if m.circuit.checked {
		m.until.Store(max(m.until.Load(), n+int64(next)))
		c.until = m.until.Load()
	}
	m.unlock(c)
}

func (m *Monitor) recover(now time.Time) {
	m.mu.Lock()
	var c change
	if m.current().circuit() == Open && (m.circuit.checked || m.circuit.failed == 0) {
		c = m.halfOpen(now.UnixNano(), "the health check succeeds")
	}
	m.unlock(c)
}

// Reconsider lets circuits that are open be tried at once: the target's address
// or credential has changed.
func (g *Group) Reconsider(now time.Time) {
	for _, m := range *g.models.Load() {
		m.mu.Lock()
		c := m.warm(now.UnixNano(), "the target's configuration has changed")
		if m.current().circuit() == Open {
			m.circuit.failed = 0
			c = m.halfOpen(now.UnixNano(), "the target's configuration has changed")
		}
		m.unlock(c)
	}
}

// release closes a circuit and ends what else holds a model back.
func (m *Monitor) release(reason string) {
	m.mu.Lock()
	now := m.group.now().UnixNano()
	c := m.warm(now, reason)
	if m.current().circuit() != Closed {
		c = m.close(now, reason)
	}
	m.unlock(c)
}

// warm ends a cooling.
func (m *Monitor) warm(now int64, reason string) change {
	if s := m.current().circuit(); m.cooling.Swap(0) != 0 && s != Open {
		return change{from: Cooling, to: s, now: now, reason: reason}
	}
	return change{}
}
