package health

import "time"

// Fail tells that an active check failed: the circuits of the models open, or
// stay open. An empty model stands for all models of the target. A check that
// failed once says little; who calls this has seen enough failures.
func (g *Group) Fail(now time.Time, model, reason string) {
	if g.config.Load().Breaker.Disabled {
		return
	}
	if model != "" {
		g.Of(model).fail(now, reason, true)
		return
	}
	g.mu.Lock()
	g.failing = reason
	g.mu.Unlock()
	for _, m := range *g.models.Load() {
		m.fail(now, reason, true)
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

// fail opens the circuit; prolong is set if one that the check has opened stays
// open longer.
func (m *Monitor) fail(now time.Time, reason string, prolong bool) {
	m.mu.Lock()
	n, c := now.UnixNano(), change{}
	switch open := m.current().circuit() == Open; {
	case !open:
		c = m.open(n, "the health check fails: "+reason)
		m.circuit.checked = true
	case prolong && m.circuit.checked:
		m.until.Store(max(m.until.Load(), n+m.group.spreadOut(m.group.config.Load().Breaker.OpenFor.Std())))
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
		var c change
		m.cooling.Store(0)
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
	var c change
	m.cooling.Store(0)
	if m.current().circuit() != Closed {
		c = m.close(m.group.now().UnixNano(), reason)
	}
	m.unlock(c)
}
