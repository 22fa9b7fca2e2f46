package route

import (
	"fmt"
	"math"
)

// leastLatency prefers targets that answer soon: for streams, whose first
// content comes soon.
const leastLatency = "least-latency"

// band is how much slower than the fastest a target may be and still get
// requests beside it.
const band = 1.5

// latencyStrategy takes the power of two choices (Mitzenmacher, 2001) among
// those that are not clearly slower than the fastest: two are drawn, and the
// one gets the request whose latency times the requests that it has is less.
// So targets of a kind share the load without a herd, and slower ones get
// nothing but trials, for which the latency that the monitors expect, a
// peak-sensitive average, fades while nothing is seen.
type latencyStrategy struct {
	weights []float64
	trials  trials
}

func newLeastLatency(e *Entry) strategy { return &latencyStrategy{weightsOf(e), newTrials(e)} }

func (s *latencyStrategy) order(candidates []*Candidate, d *Decision, commit bool) float64 {
	at := d.question.Time.UnixMilli()
	best, next, unknown := s.look(candidates, d, at)
	if math.IsInf(best, 1) {
		best = 1 // nothing is known of any
	}
	first := unknown
	if unknown < 0 {
		first = s.choose(candidates, d, best*band, at)
	} else if d.leads(candidates) {
		d.outcome.first = byTrial
	}
	known := candidates[first].key != 0
	for _, c := range candidates {
		c.Score = 0
		if c.key > 0 {
			c.Score = min(1, best/c.key)
		}
		c.key = c.Score
	}
	candidates[first].key = 2
	sortByKey(candidates)
	if commit {
		s.trials.took(candidates[0], at, known)
	}
	return clarity(best, next)
}

// look puts the latency of each candidate into its key, 0 if it is not known,
// and finds the least two and an unknown one that may be tried.
func (s *latencyStrategy) look(candidates []*Candidate, d *Decision, at int64) (best, next float64, unknown int) {
	best, next, unknown = math.Inf(1), math.Inf(1), -1
	for i, c := range candidates {
		c.key = expectedLatency(c, &d.question)
		switch {
		case c.key == 0:
			if unknown < 0 && s.trials.due(c, at) {
				unknown = i
			}
		case c.key < best:
			best, next = c.key, best
		case c.key < next:
			next = c.key
		}
	}
	return best, next, unknown
}

// choose draws two of those within a limit and returns the better one. One that
// is on trial is drawn only if there is no other.
func (s *latencyStrategy) choose(candidates []*Candidate, d *Decision, limit float64, at int64) int {
	var space [few]int
	drawn := space[:0]
	for i := range candidates {
		if c := candidates[i]; c.key > 0 && c.key <= limit && !s.trials.pending(c, at) {
			drawn = append(drawn, i)
		}
	}
	if len(drawn) == 0 {
		for i := range candidates {
			drawn = append(drawn, i)
		}
	}
	n := len(drawn)
	if n == 1 {
		return drawn[0]
	}
	place := below(d.outcome.roll, n)
	one, other := drawn[place], drawn[(place+1+below(mix(d.outcome.roll), n-1))%n]
	if s.load(candidates[other]) < s.load(candidates[one]) {
		return other
	}
	return one
}

func (s *latencyStrategy) load(c *Candidate) float64 {
	latency := c.key
	if latency == 0 {
		latency = 1
	}
	return latency * (1 + inFlight(c)) / s.weights[c.ref]
}

// tier implements tiered: those that are not clearly slower.
func (s *latencyStrategy) tier(candidates []*Candidate, d *Decision) int {
	n := 1
	for n < len(candidates) && candidates[n].Score*band >= 1 {
		n++
	}
	return n
}

func (s *latencyStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
	latency := expectedLatency(c, &d.question)
	switch {
	case latency == 0 && place == 0:
		return "its latency is not known: this request shows it"
	case latency == 0:
		return "its latency is not known yet: " + ordinal(place)
	default:
		return fmt.Sprintf("expected to take %.3g ms, %.0f under way: %s", latency/1e6, inFlight(c), ordinal(place))
	}
}
