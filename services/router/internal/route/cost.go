package route

import (
	"fmt"
	"math"
)

const (
	// lowestCost prefers the target where the request is expected to cost least.
	lowestCost = "lowest-cost"
	// cascade begins with the cheapest, whose answer may be checked before a
	// dearer one is asked.
	cascade = "cascade"
)

// costStrategy sorts by expected cost. Targets whose price is not known stand
// behind the others; with whole, the list's own order stands as long as any is
// not known, for then nobody knows more than who wrote it.
type costStrategy struct{ whole bool }

func newLowestCost(*Entry) strategy { return costStrategy{} }

func newCascade(*Entry) strategy { return costStrategy{whole: true} }

func (s costStrategy) order(candidates []*Candidate, _ *Decision, _ bool) float64 {
	best, next := int64(math.MaxInt64), int64(math.MaxInt64)
	unknown := false
	for i := range candidates {
		switch cost := candidates[i].Cost; {
		case cost < 0:
			unknown = true
		case cost < best:
			best, next = cost, best
		default:
			next = min(next, cost)
		}
	}
	for _, c := range candidates {
		c.Score, c.key = 0, math.Inf(-1)
		if c.Cost >= 0 {
			c.Score, c.key = relative(float64(best), float64(c.Cost)), -float64(c.Cost)
		}
	}
	if unknown && s.whole {
		return 0
	}
	sortByKey(candidates)
	if best == math.MaxInt64 {
		return 0
	}
	return clarity(float64(best), float64(next))
}

// relative is how good a value is of which less is better: 1 for the best.
func relative(best, value float64) float64 {
	if value <= best {
		return 1
	}
	return best / value
}

// tier implements tiered: those that cost the same.
func (s costStrategy) tier(candidates []*Candidate, _ *Decision) int {
	n := 1
	for n < len(candidates) && candidates[n].Cost == candidates[0].Cost {
		n++
	}
	return n
}

func (s costStrategy) reason(d *Decision, place int) string {
	if c := d.Order[place]; c.Cost >= 0 {
		return fmt.Sprintf("expected to cost %s: %s", dollars(c.Cost), ordinal(place))
	}
	return "its price is not known: " + ordinal(place)
}

// dollars writes nano-USD for people.
func dollars(nano int64) string {
	switch {
	case nano == 0:
		return "$0"
	case nano < 1_000_000:
		return fmt.Sprintf("$%.9f", float64(nano)/1e9)
	default:
		return fmt.Sprintf("$%.4f", float64(nano)/1e9)
	}
}
