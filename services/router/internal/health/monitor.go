// Package health watches the models of a target: how they answer, how fast,
// and whether they should be asked at all.
package health

import (
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
	// Throttled: the target asks us to come back later, at End.Until.
	Throttled
	// Denied: the target refuses our credential.
	Denied
)

// State says whether a model is asked.
type State uint8

// The states.
const (
	// Closed: requests go through.
	Closed State = iota + 1
	// Open: none does.
	Open
	// HalfOpen: a few do, to see whether it works again.
	HalfOpen
	// Ejected: none does, for it did so much worse than the others.
	Ejected
	// Cooling: none does until the time that the target itself has named.
	Cooling
)

func (s State) String() string {
	return [...]string{"", "closed", "open", "half_open", "ejected", "cooling"}[s]
}

// Event is a change of state.
type Event struct {
	Target, Model string
	From, To      State
	// Until is when the state ends by itself; zero if it does not.
	Until time.Time
	// Time is when it began, and Reason says why, for people.
	Time   time.Time
	Reason string
}

// Ticket is what Admit gives and End brings back: it says under which state the
// attempt was let in. The zero Ticket is that of an attempt that nobody let in.
type Ticket uint64

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
}

// Monitor watches one model on one target. It is safe for concurrent use.
type Monitor struct {
	attempts, failures, inFlight atomic.Int64
	lastSuccess, lastFailure     atomic.Int64 // UnixNano; 0 for never
	meanFirst                    atomic.Int64 // nanoseconds; 0 for not known
}

// NewMonitor makes a monitor that has seen nothing.
func NewMonitor() *Monitor { return &Monitor{} }

// Admit says whether an attempt may be made now. If so, Begin and End follow,
// or Forgo if it is not made after all.
func (m *Monitor) Admit(time.Time) (Ticket, bool) { return 1, true }

// Forgo gives back what Admit gave: the attempt is not made.
func (m *Monitor) Forgo(Ticket) {}

// Follow takes over the state that another replica has seen, without an Event.
func (m *Monitor) Follow(State, time.Time) {}

// State says whether the model is asked.
func (m *Monitor) State(time.Time) State { return Closed }

// RetryTime is when a model that is not asked will be asked again; zero if it is.
func (m *Monitor) RetryTime(time.Time) time.Time { return time.Time{} }

// Share is how much of its usual load the model gets, from 0 to 1: less than 1
// while it comes back.
func (m *Monitor) Share(time.Time) float64 { return 1 }

// Begin counts an attempt that starts.
func (m *Monitor) Begin(time.Time) {
	m.attempts.Add(1)
	m.inFlight.Add(1)
}

// End counts its end.
func (m *Monitor) End(e End) {
	m.inFlight.Add(-1)
	switch e.Verdict {
	case Good:
		m.lastSuccess.Store(e.Time.UnixNano())
	case Bad:
		m.failures.Add(1)
		m.lastFailure.Store(e.Time.UnixNano())
	}
	if e.FirstContent > 0 {
		m.observe(int64(e.FirstContent))
	}
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

// Latency is what an answer is expected to take, or, for a stream, its first
// content; 0 if not known.
func (m *Monitor) Latency(time.Time, bool) time.Duration { return time.Duration(m.meanFirst.Load()) }

// P95 is the time within which 95 of 100 answers, or first contents of
// streams, come; 0 if too few have been seen.
func (m *Monitor) P95(bool) time.Duration { return 0 }

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
