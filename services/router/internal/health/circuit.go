package health

import (
	"fmt"
	"time"
)

// circuit is what the breaker remembers besides its phase. The monitor's lock
// guards it.
type circuit struct {
	failed    int   // probes that failed in a row: how often the time has doubled
	slow      bool  // it opened because calls were slow
	checked   bool  // it was opened by an active check
	probing   int   // probes under way in this phase
	succeeded int   // probes that succeeded in this phase
	probed    int64 // when the last one was let in, UnixNano
	announced int64 // the end of the cooling that was last announced
}

// lostAfter is how long a probe may take before another is let in beside it. An
// answer may well take longer, and counts then; but a probe of which nothing is
// heard any more must not block the circuit for ever.
const lostAfter = int64(10 * time.Second)

// spreadOut is the share by which times are lengthened at random, so that
// replicas do not probe at the same moment.
const spreadOut = 0.2

// change is a change of state that is not announced yet.
type change struct {
	from, to State
	now      int64
	until    int64
	reason   string
}

// Admit says whether an attempt may be made now. If so, Begin and End follow,
// or Forgo if it is not made after all.
func (m *Monitor) Admit(now time.Time) (Ticket, bool) {
	if p := m.current(); p.circuit() == Closed && m.cooling.Load() == 0 {
		return Ticket(p), true
	}
	m.mu.Lock()
	ticket, ok, c := m.admit(now.UnixNano())
	m.unlock(c)
	return ticket, ok
}

// admit is for a circuit that is not closed, or a target that has limited us.
func (m *Monitor) admit(now int64) (Ticket, bool, change) {
	if lasts(&m.cooling, now) {
		return 0, false, change{}
	}
	c := m.warm(now, "the time that the target asked for is over")
	switch m.current().circuit() {
	case Closed:
		return Ticket(m.current()), true, c
	case Open:
		if lasts(&m.until, now) {
			return 0, false, c
		}
		c = m.halfOpen(now, "its time is over")
	}
	if m.circuit.probing >= m.group.config.Load().Breaker.Probes && now-m.circuit.probed < lostAfter {
		return 0, false, c
	}
	m.circuit.probing++
	m.circuit.probed = now
	return Ticket(m.current()), true, c
}

// Insist gives a ticket whatever the circuit is: for a few attempts of requests
// that nobody else can answer. One that succeeds makes an open circuit half-open.
func (m *Monitor) Insist() Ticket { return Ticket(m.current()) }

// Forgo gives back what Admit gave: the attempt is not made.
func (m *Monitor) Forgo(t Ticket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(t)
}

// Still says whether a ticket holds although time has passed since Admit, as in
// a queue.
func (m *Monitor) Still(t Ticket) bool {
	p := m.current()
	return p == phase(t) || p.circuit() != Open
}

// Begun tells that the first content of a stream has come after a time. A probe
// has then shown what it should, for an answer may be long: it counts, and frees
// its place. Other attempts say nothing by it.
func (m *Monitor) Begun(t Ticket, now time.Time, took time.Duration) (Event, bool) {
	if !t.Probe() {
		return Event{}, false
	}
	m.mu.Lock()
	if m.current() != phase(t) {
		return m.unlock(change{})
	}
	m.giveBack(t)
	e := End{Verdict: Good, Time: now, Streamed: true, FirstContent: took}
	return m.unlock(m.probe(&e, Good, &m.group.config.Load().Breaker))
}

// giveBack frees the place of a probe.
func (m *Monitor) giveBack(t Ticket) {
	if t.Probe() && m.current() == phase(t) && m.circuit.probing > 0 {
		m.circuit.probing--
	}
}

// judge lets the end of an attempt speak.
func (m *Monitor) judge(e *End, b *Breaker) change {
	now, p := e.Time.UnixNano(), m.current()
	if !e.Begun {
		m.giveBack(e.Ticket)
	}
	verdict := e.Verdict
	if verdict == Throttled && !e.Until.After(e.Time) {
		verdict = Bad
	}
	if verdict == Throttled {
		if b.Disabled {
			return change{}
		}
		return m.cool(now, e.Until.UnixNano(), b)
	}
	if phase(e.Ticket) != p && (e.Ticket != 0 || p.circuit() != Closed) {
		return change{} // it began under another phase
	}
	m.count(verdict)
	switch {
	case p.circuit() == HalfOpen:
		return m.probe(e, verdict, b)
	case p.circuit() == Open:
		return m.insisted(now, verdict)
	case verdict == Denied && !b.Disabled:
		return m.open(now, denied)
	default:
		return m.record(e, verdict, b)
	}
}

const denied = "the target refuses our credential"

// count counts failures in a row.
func (m *Monitor) count(v Verdict) {
	switch v {
	case Good:
		if m.streak.Load() != 0 {
			m.streak.Store(0)
		}
	case Bad, Denied:
		m.streak.Add(1)
	}
}

// record counts a call under a closed circuit, and opens it if too many fail or
// are slow. A caller who left before anything came, later than what counts as
// slow, has seen a slow call; one who left earlier has seen nothing.
func (m *Monitor) record(e *End, v Verdict, b *Breaker) change {
	slow := b.slow(e)
	if v == Neutral && !slow {
		return change{}
	}
	now := e.Time.UnixNano()
	m.window.add(now, b.Window.Std(), v == Bad || v == Denied, slow)
	sum := &m.window.sum
	m.recent.Store(uint64(sum.calls)<<32 | uint64(sum.failed))
	if b.Disabled || int(sum.calls) < b.MinCalls {
		return change{}
	}
	if int(sum.failed)*100 >= b.FailureRate*int(sum.calls) {
		return m.open(now, fmt.Sprintf("%d of %d calls failed", sum.failed, sum.calls))
	}
	if int(sum.slow)*100 >= b.SlowRate*int(sum.calls) {
		c := m.open(now, fmt.Sprintf("%d of %d calls were slow", sum.slow, sum.calls))
		m.circuit.slow = true
		return c
	}
	return change{}
}

// slow says whether a call was.
func (b *Breaker) slow(e *End) bool {
	bound := b.SlowAnswerAfter
	if e.Streamed {
		bound = b.SlowAfter
	}
	return bound > 0 && e.waited() >= bound.Std()
}

// insisted is the end of an attempt that was made although the circuit is open.
func (m *Monitor) insisted(now int64, v Verdict) change {
	if v != Good {
		return change{}
	}
	return m.halfOpen(now, "an attempt succeeded although it was open")
}

// probe is the end of an attempt under a half-open circuit.
func (m *Monitor) probe(e *End, v Verdict, b *Breaker) change {
	now := e.Time.UnixNano()
	switch {
	case v == Denied:
		return m.again(now, denied)
	case v == Bad:
		return m.again(now, "a probe failed")
	case v == Good && e.Begun:
		// It was counted when it began.
	case v == Good && m.circuit.slow && b.slow(e):
		c := m.again(now, "a probe was slow")
		m.circuit.slow = true
		return c
	case v == Good:
		m.circuit.succeeded++
		if m.circuit.succeeded >= b.Probes {
			return m.close(now, fmt.Sprintf("%d probes succeeded", m.circuit.succeeded))
		}
	}
	return change{}
}
