package route

import (
	"fmt"
	"math"
)

// random draws the order by weight: with equal weights all orders are equally
// likely.
const random = "random"

type randomStrategy struct{ weights []float64 }

func newRandom(e *Entry) strategy { return randomStrategy{weightsOf(e)} }

// weightsOf are the weights of a route's targets; those without count as equals
// among themselves, in the rank that they have.
func weightsOf(e *Entry) []float64 {
	weights := make([]float64, len(e.Targets))
	for i, r := range e.Targets {
		weights[i] = max(1, float64(r.Weight))
	}
	return weights
}

// order draws without putting back: whoever has the greatest key of drawing
// comes first, and so on.
func (s randomStrategy) order(candidates []*Candidate, d *Decision, _ bool) float64 {
	total, even := 0., true
	for _, c := range candidates {
		c.Score = s.weights[c.ref] * max(c.share, leastShare)
		total += c.Score
		even = even && c.Score == candidates[0].Score
	}
	for _, c := range candidates {
		c.key = drawing(mix(d.outcome.roll+uint64(c.ref)*golden), c.Score, even)
		c.Score /= total
	}
	sortByKey(candidates)
	return candidates[0].Score
}

// drawing is the key of one that takes part in a draw: sorting by ln(u)/weight,
// the greatest first, is the same as drawing one after the other by weight
// (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
// If all weights are the same, u itself does.
func drawing(x uint64, weight float64, even bool) float64 {
	u := unit(x)
	if even {
		return u
	}
	return math.Log(u) / weight
}

// leastShare is the least that a target that comes back gets of its usual load,
// so that nothing divides by 0.
const leastShare = .001

func (s randomStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
	if place == 0 {
		return fmt.Sprintf("drawn with a probability of %.1f %%", 100*c.Score)
	}
	return fmt.Sprintf("weight %g: %s", s.weights[c.ref], ordinal(place))
}
