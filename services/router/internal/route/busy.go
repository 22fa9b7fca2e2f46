package route

import (
	"fmt"
	"math"
)

// leastBusy prefers the target with the fewest requests under way for its
// weight; of equals one is drawn.
const leastBusy = "least-busy"

type busyStrategy struct{ weights []float64 }

func newLeastBusy(e *Entry) strategy { return busyStrategy{weightsOf(e)} }

func (s busyStrategy) order(candidates []Candidate, d *Decision, _ bool) float64 {
	best, next := math.Inf(1), math.Inf(1)
	for i := range candidates {
		c := &candidates[i]
		load := (1 + inFlight(c)) / s.weights[c.ref]
		if load < best {
			best, next = load, best
		} else {
			next = min(next, load)
		}
		c.Score = 1 / load
		// The draw only tells equals apart.
		c.key = -load * (1 + unit(mix(d.outcome.roll+uint64(c.ref)*golden))*1e-9)
	}
	sortByKey(candidates)
	return clarity(best, next)
}

func (s busyStrategy) reason(d *Decision, place int) string {
	c := &d.Order[place]
	return fmt.Sprintf("%.0f under way at weight %g: %s", inFlight(c), s.weights[c.ref], ordinal(place))
}
