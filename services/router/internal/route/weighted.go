package route

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// weighted shares requests by weight: first comes the one whose turn it is,
// then the others by falling weight.
const weighted = "weighted"

// weightedStrategy is smooth weighted round robin, as in nginx
// (ngx_http_upstream_round_robin.c): every candidate gains its weight, the
// richest is chosen and pays the sum of all. Over each cycle of that many
// requests every candidate gets exactly its weight, well spread.
type weightedStrategy struct {
	weights []int

	mu     sync.Mutex
	credit []int // by the index of Route.Targets
}

func newWeighted(e *Entry) strategy {
	s := &weightedStrategy{weights: make([]int, len(e.Targets)), credit: make([]int, len(e.Targets))}
	for i, r := range e.Targets {
		s.weights[i] = r.Weight
	}
	return s
}

func (s *weightedStrategy) order(candidates []Candidate, _ *Question, commit bool) float64 {
	if len(candidates) == 0 {
		return 0
	}
	total := 0
	for i := range candidates {
		total += s.weights[candidates[i].ref]
	}
	first := s.turn(candidates, total, commit)
	for i := range candidates {
		candidates[i].Score = share(s.weights[candidates[i].ref], total)
	}
	chosen := candidates[first]
	copy(candidates[1:first+1], candidates[:first])
	candidates[0] = chosen
	slices.SortStableFunc(candidates[1:], func(a, b Candidate) int {
		return cmp.Compare(b.Score, a.Score)
	})
	if len(candidates) == 1 {
		return 1
	}
	return chosen.Score
}

// turn finds the index of the candidate whose turn it is.
func (s *weightedStrategy) turn(candidates []Candidate, total int, commit bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, most := -1, 0
	for i := range candidates {
		ref := candidates[i].ref
		if s.weights[ref] == 0 && total > 0 {
			continue // only after the others
		}
		credit := s.credit[ref] + s.weights[ref]
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

func (s *weightedStrategy) reason(c *Candidate, place int) string {
	if place == 0 {
		return fmt.Sprintf("its turn at weight %d, a share of %.1f %%", s.weights[c.ref], 100*c.Score)
	}
	return fmt.Sprintf("weight %d: %s", s.weights[c.ref], ordinal(place))
}

func share(weight, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(weight) / float64(total)
}
