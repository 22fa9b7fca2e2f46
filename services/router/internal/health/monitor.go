// Package health watches the models of a target: how they answer, how fast,
// and whether they should be asked at all.
package health

import (
	"sync"
	"sync/atomic"
	"time"
)

// Verdict is what an attempt says about its target.
type Verdict uint8

// The verdicts.
const (
	// Neutral: the caller went away, or the request was at fault.
	Neutral Verdict = iota
	// Good: the target answered.
	Good
	// Bad: the target failed.
	Bad
	// Throttled: the target asks us to come back later, at End.Until. Without
	// that time it is Bad.
	Throttled
	// Denied: the target refuses our credential.
	Denied
)

// End is how an attempt ended.
type End struct {
	Verdict Verdict
	// Time is when it ended, and Duration how long it took.
	Time     time.Time
	Duration time.Duration
	// FirstContent is how long the first content took; 0 if none came.
	FirstContent time.Duration
	// Streamed is true if the answer was streamed.
	Streamed bool
	// Until is when the target wants to be asked again, if it is Throttled.
	Until time.Time
	// Ticket is what Admit gave.
	Ticket Ticket
	// Begun says that Begun was called: the answer has begun and was counted.
	Begun bool
}

// waited is how long the caller waited for something to come.
func (e *End) waited() time.Duration {
	if e.Streamed && e.FirstContent > 0 {
		return e.FirstContent
	}
	return e.Duration
}

// answered says whether waited is the time of an answer, not only the least
// that one would have taken.
func (e *End) answered() bool { return e.Verdict == Good || e.Streamed && e.FirstContent > 0 }

// Ticket is what Admit gives and End brings back: it says under which phase of
// the circuit the attempt was let in, so that what began before a change of
// state is not counted after it. The zero Ticket is that of an attempt that
// nobody let in; it counts while the circuit is closed.
type Ticket uint64

// Probe says whether the attempt tries a half-open circuit.
func (t Ticket) Probe() bool { return phase(t).circuit() == HalfOpen }

// Monitor watches one model on one target. It is safe for concurrent use. All
// that is asked on the way of a request is read without a lock.
type Monitor struct {
	group *Group
	model string
	kept  bool // the group's lock guards it

	attempts, failures, inFlight atomic.Int64
	lastSuccess, lastFailure     atomic.Int64 // UnixNano; 0 for never
	meanFirst                    atomic.Int64 // nanoseconds; 0 for not known

	phase   atomic.Uint64 // a phase
	until   atomic.Int64  // when an open circuit turns half-open, UnixNano
	cooling atomic.Int64  // until when the target wants to be left alone; 0 for not
	ejected atomic.Int64  // until when the model is ejected; 0 for not
	back    atomic.Int64  // when it came back; 0 for never away
	streak  atomic.Int64  // failures in a row
	recent  atomic.Uint64 // calls and failures of the window, for readers

	peaks [2]peak         // of whole answers, and of first contents
	p95s  [2]atomic.Int64 // likewise

	mu        sync.Mutex // guards what follows, and every change of the circuit
	window    window
	spreads   [2]spread
	circuit   circuit
	ejections ejections
}

// NewMonitor makes a monitor of its own that has seen nothing.
func NewMonitor() *Monitor { return NewGroup().Of("") }

func newMonitor(g *Group, model string) *Monitor {
	m := &Monitor{group: g, model: model}
	m.phase.Store(uint64(newPhase(1, Closed)))
	return m
}

// Begin counts an attempt that starts.
func (m *Monitor) Begin(now time.Time) {
	m.attempts.Add(1)
	m.inFlight.Add(1)
	m.group.budget.call(now.UnixNano())
}

// End counts its end. If that changed the model's state, the event is returned.
func (m *Monitor) End(e End) (Event, bool) {
	m.inFlight.Add(-1)
	if e.Time.IsZero() {
		e.Time = m.group.now()
	}
	switch e.Verdict {
	case Good:
		m.lastSuccess.Store(e.Time.UnixNano())
	case Bad, Throttled, Denied:
		m.failures.Add(1)
		m.lastFailure.Store(e.Time.UnixNano())
	}
	if e.FirstContent > 0 {
		m.observe(int64(e.FirstContent))
	}
	cfg := m.group.config.Load()
	m.mu.Lock()
	m.measure(&e)
	change := m.judge(&e, &cfg.Breaker)
	return m.unlock(change)
}

// observe moves the mean by an eighth of the difference, as TCP does for round trips.
func (m *Monitor) observe(sample int64) {
	for {
		mean := m.meanFirst.Load()
		next := sample
		if mean != 0 {
			next = mean + (sample-mean)/8
		}
		if m.meanFirst.CompareAndSwap(mean, next) {
			return
		}
	}
}

// InFlight is how many attempts run now.
func (m *Monitor) InFlight() int64 { return m.inFlight.Load() }

// Seen is what a monitor has seen so far.
type Seen struct {
	Attempts, Failures, InFlight int64
	LastSuccess, LastFailure     time.Time // zero for never
	MeanFirstContent             time.Duration
}

// Seen says what was seen.
func (m *Monitor) Seen() Seen {
	return Seen{
		Attempts: m.attempts.Load(), Failures: m.failures.Load(), InFlight: m.inFlight.Load(),
		LastSuccess: unix(m.lastSuccess.Load()), LastFailure: unix(m.lastFailure.Load()),
		MeanFirstContent: time.Duration(m.meanFirst.Load()),
	}
}

func unix(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}
