package route

import (
	"fmt"
	"math"
)

// leastBusy prefers the target with the fewest requests under way for its
// weight; of equals one is drawn by weight. An idle one is always among the
// least, so that none waits for ever.
const leastBusy = "least-busy"

type busyStrategy struct{ weights []float64 }

func newLeastBusy(e *Entry) strategy { return busyStrategy{weightsOf(e)} }

func (s busyStrategy) order(candidates []*Candidate, d *Decision, _ bool) float64 {
	best, next, even := math.Inf(1), math.Inf(1), true
	for _, c := range candidates {
		weight := s.weights[c.ref]
		load := inFlight(c) / weight
		if load < best {
			best, next = load, best
		} else {
			next = min(next, load)
		}
		c.Score, c.key = weight/(1+inFlight(c)), load
		even = even && weight == s.weights[candidates[0].ref]
	}
	for _, c := range candidates {
		draw := drawing(mix(d.outcome.roll+uint64(c.ref)*golden), s.weights[c.ref], even)
		c.key = -c.key + draw*tiny
	}
	sortByKey(candidates)
	return clarity(best, next)
}

// tiny makes a draw too small to outweigh anything but equality.
const tiny = 1e-9

func (s busyStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
	return fmt.Sprintf("%.0f under way at weight %g: %s", inFlight(c), s.weights[c.ref], ordinal(place))
}
