package route

import (
	"sync/atomic"
	"time"
)

// trialEvery is how long a target that is hardly known is left alone after a
// request has tried it, unless that has been answered before.
const trialEvery = 10 * time.Second

// trials sees to it that a target of which little is known is tried by one
// request at a time. What is known of it is old if it was passed by for some
// time: measured latencies fade while nothing is seen, so that a target that
// was slow comes into question again, and whoever is first in the queue there
// finds out for all others.
type trials struct {
	turns []atomic.Int64 // when it was last the first, Unix milliseconds; 0 for never
	began []atomic.Int64 // when it was last tried, likewise
}

func newTrials(e *Entry) trials {
	return trials{make([]atomic.Int64, len(e.Targets)), make([]atomic.Int64, len(e.Targets))}
}

// due says whether an unknown target may be tried, at a time in Unix milliseconds.
func (t trials) due(c *Candidate, at int64) bool {
	began := t.began[c.ref].Load()
	return began == 0 || at-began >= trialEvery.Milliseconds()
}

// pending says whether a request that tries the target is still under way.
func (t trials) pending(c *Candidate, at int64) bool { return !t.due(c, at) && inFlight(c) > 0 }

// took notes that a target is the first, which is a trial if it was not for long.
func (t trials) took(c *Candidate, at int64, known bool) {
	if last := t.turns[c.ref].Swap(at); !known || last != 0 && at-last >= trialEvery.Milliseconds() {
		t.began[c.ref].Store(at)
	}
}

// expectedLatency is what a candidate's monitor expects, in nanoseconds; 0 if
// that is not known.
func expectedLatency(c *Candidate, q *Question) float64 {
	if c.monitor == nil {
		return 0
	}
	return float64(c.monitor.Latency(q.Time, q.Streamed))
}

// inFlight is how many attempts run there now.
func inFlight(c *Candidate) float64 {
	if c.monitor == nil {
		return 0
	}
	return float64(c.monitor.InFlight())
}
