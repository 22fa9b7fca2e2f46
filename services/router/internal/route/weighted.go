package route

import (
	"fmt"
	"math"
	"sync"
)

// weighted shares requests by weight: first comes the one whose turn it is,
// then the others by falling weight. roundRobin is the same with equal weights.
const (
	weighted   = "weighted"
	roundRobin = "round-robin"
)

// weightedStrategy is smooth weighted round robin, as in nginx
// (ngx_http_upstream_round_robin.c): with every request each candidate gains its
// share, and the richest is chosen and pays 1. Over each cycle of requests
// every candidate gets exactly its weight, well spread. Shares, rather than
// weights as there, keep that true if the candidates are others each time.
type weightedStrategy struct {
	even    bool
	weights []float64

	mu     sync.Mutex
	credit []float64 // by the index of Route.Targets
}

func newWeighted(e *Entry) strategy {
	return &weightedStrategy{weights: weightsOf(e), credit: make([]float64, len(e.Targets))}
}

func newRoundRobin(e *Entry) strategy {
	s := &weightedStrategy{even: true, weights: make([]float64, len(e.Targets)), credit: make([]float64, len(e.Targets))}
	for i := range s.weights {
		s.weights[i] = 1
	}
	return s
}

func (s *weightedStrategy) order(candidates []*Candidate, _ *Decision, commit bool) float64 {
	total := 0.
	for _, c := range candidates {
		c.Score = s.weights[c.ref] * max(c.share, leastShare)
		total += c.Score
	}
	for i := range candidates {
		candidates[i].Score /= total
		candidates[i].key = candidates[i].Score
	}
	candidates[s.turn(candidates, commit)].key = 2
	sortByKey(candidates)
	return candidates[0].Score
}

// turn finds the index of the candidate whose turn it is.
func (s *weightedStrategy) turn(candidates []*Candidate, commit bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, most := 0, math.Inf(-1)
	for i, c := range candidates {
		credit := s.credit[c.ref] + c.Score
		if commit {
			s.credit[c.ref] = credit
		}
		if credit > most+alike {
			best, most = i, credit
		}
	}
	if commit {
		s.credit[candidates[best].ref]--
	}
	return best
}

// alike is how near credits are that differ only by how they were rounded: then
// the first in the list has its turn.
const alike = 1e-9

func (s *weightedStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
	switch {
	case s.even && place == 0:
		return fmt.Sprintf("its turn, a share of %.1f %%", 100*c.Score)
	case s.even:
		return ordinal(place)
	case place == 0:
		return fmt.Sprintf("its turn at weight %g, a share of %.1f %%", s.weights[c.ref], 100*c.Score)
	default:
		return fmt.Sprintf("weight %g: %s", s.weights[c.ref], ordinal(place))
	}
}
