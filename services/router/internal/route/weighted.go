package route

import (
	"fmt"
	"sync"
)

// weighted shares requests by weight: first comes the one whose turn it is,
// then the others by falling weight. roundRobin is the same with equal weights.
const (
	weighted   = "weighted"
	roundRobin = "round-robin"
)

// weightedStrategy is smooth weighted round robin, as in nginx
// (ngx_http_upstream_round_robin.c): every candidate gains its weight, the
// richest is chosen and pays the sum of all. Over each cycle of that many
// requests every candidate gets exactly its weight, well spread.
type weightedStrategy struct {
	even    bool
	weights []int // times fine

	mu     sync.Mutex
	credit []int // by the index of Route.Targets
}

// fine is how many parts a weight has, so that a target that comes back can
// get a part of it.
const fine = 1000

func newWeighted(e *Entry) strategy { return newTurns(e, false) }

func newRoundRobin(e *Entry) strategy { return newTurns(e, true) }

func newTurns(e *Entry, even bool) *weightedStrategy {
	s := &weightedStrategy{even: even, weights: make([]int, len(e.Targets)), credit: make([]int, len(e.Targets))}
	for i, r := range e.Targets {
		s.weights[i] = r.Weight * fine
		if even {
			s.weights[i] = min(1, r.Weight) * fine
		}
	}
	return s
}

// weight is what a candidate's turns are counted by. Weights of 0 stand in a
// rank of their own, in which they take turns as equals.
func (s *weightedStrategy) weight(c *Candidate) int {
	w := s.weights[c.ref]
	if c.share < 1 {
		w = int(float64(w) * c.share)
	}
	return max(1, w)
}

func (s *weightedStrategy) order(candidates []Candidate, _ *Decision, commit bool) float64 {
	total := 0
	for i := range candidates {
		total += s.weight(&candidates[i])
	}
	first := s.turn(candidates, total, commit)
	for i := range candidates {
		c := &candidates[i]
		c.Score = 0
		if s.weights[c.ref] > 0 {
			c.Score = float64(s.weight(c)) / float64(total)
		}
		c.key = c.Score
	}
	candidates[first].key = 2
	sortByKey(candidates)
	return candidates[0].Score
}

// turn finds the index of the candidate whose turn it is.
func (s *weightedStrategy) turn(candidates []Candidate, total int, commit bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, most := -1, 0
	for i := range candidates {
		ref := candidates[i].ref
		credit := s.credit[ref] + s.weight(&candidates[i])
		if commit {
			s.credit[ref] = credit
		}
		if best < 0 || credit > most {
			best, most = i, credit
		}
	}
	if commit {
		s.credit[candidates[best].ref] -= total
	}
	return best
}

func (s *weightedStrategy) reason(d *Decision, place int) string {
	c := &d.Order[place]
	switch {
	case s.even && place == 0:
		return fmt.Sprintf("its turn, a share of %.1f %%", 100*c.Score)
	case s.even:
		return ordinal(place)
	case place == 0:
		return fmt.Sprintf("its turn at weight %d, a share of %.1f %%", s.weights[c.ref]/fine, 100*c.Score)
	default:
		return fmt.Sprintf("weight %d: %s", s.weights[c.ref]/fine, ordinal(place))
	}
}
