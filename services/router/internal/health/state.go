package health

import (
	"sync/atomic"
	"time"
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
	// Ejected: none does as long as others do better. It is a matter of routing:
	// whoever asks nevertheless is let in.
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

// phase is a time during which the circuit stays as it is: its number, and in
// the two lowest bits what the circuit is.
type phase uint64

func newPhase(number uint64, s State) phase { return phase(number<<2 | uint64(s)) }

func (p phase) circuit() State { return State(p & 3) }

func (p phase) next(s State) phase { return newPhase(uint64(p>>2)+1, s) }

func (m *Monitor) current() phase { return phase(m.phase.Load()) }

// lasts says whether a time that may not be set is still to come.
func lasts(until *atomic.Int64, now int64) bool {
	u := until.Load()
	return u != 0 && now < u
}

// State says whether the model is asked.
func (m *Monitor) State(now time.Time) State {
	n, circuit := now.UnixNano(), m.current().circuit()
	switch {
	case circuit == Open && lasts(&m.until, n):
		return Open
	case lasts(&m.cooling, n):
		return Cooling
	case circuit != Closed:
		return HalfOpen
	case lasts(&m.ejected, n):
		return Ejected
	default:
		return Closed
	}
}

// Calm says that nothing is the matter: the model is asked, gets its whole load,
// and has not failed of late. Among models that are all calm there is nothing to
// judge.
func (m *Monitor) Calm(now time.Time) bool {
	_, failed := m.latest()
	_, share := m.Standing(now)
	return failed == 0 && share == 1 && m.ejected.Load() == 0
}

// RetryTime is when a model that is not asked will be asked again; zero if it is.
func (m *Monitor) RetryTime(now time.Time) time.Time {
	switch m.State(now) {
	case Open:
		return unix(max(m.until.Load(), m.cooling.Load()))
	case Cooling:
		return unix(m.cooling.Load())
	case Ejected:
		return unix(m.ejected.Load())
	default:
		return time.Time{}
	}
}

// leastShare is what a model gets at first when it comes back: enough to be
// seen, too little to hurt.
const leastShare = 0.1

// Share is how much of its usual load the model gets, up to 1: less while it
// comes back, and a tenth, so that nothing divides by zero, while it is away.
func (m *Monitor) Share(now time.Time) float64 {
	_, share := m.Standing(now)
	return share
}

// Standing is State and Share at once.
func (m *Monitor) Standing(now time.Time) (State, float64) {
	state := m.State(now)
	if state != Closed {
		return state, leastShare
	}
	// An ejection ends by itself; nobody may have looked since.
	back := max(m.back.Load(), m.ejected.Load())
	if back == 0 {
		return state, 1
	}
	took := m.group.config.Load().SlowStart
	passed := now.UnixNano() - back
	if passed >= int64(took) {
		return state, 1
	}
	return state, leastShare + (1-leastShare)*float64(max(passed, 0))/float64(took)
}

// Rates are the shares of failures and of slow calls in the breaker's window,
// from 0 to 1.
func (m *Monitor) Rates(now time.Time) (failures, slow float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window.roll(now.UnixNano(), m.group.config.Load().Breaker.Window.Std())
	return share(m.window.sum.failed, m.window.sum.calls), share(m.window.sum.slow, m.window.sum.calls)
}

func share(part, whole uint32) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
