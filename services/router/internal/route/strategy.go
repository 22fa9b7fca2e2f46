package route

import (
	"maps"
	"slices"
)

// strategy orders candidates. It is made once for a route and used by many
// requests at once.
type strategy interface {
	// order sorts candidates of the same rank in the order in which they are
	// tried, sets their scores and returns how clear the choice of the first was,
	// from 0 to 1. Without commit it leaves no trace.
	order(candidates []*Candidate, d *Decision, commit bool) float64
	// reason says why a candidate of d.Order stands at its place.
	reason(d *Decision, place int) string
}

// tiered is a strategy that holds some candidates for better than others, so
// that a conversation may be kept only on one of the best.
type tiered interface {
	// tier is how many of the ordered candidates are as good as the first.
	tier(candidates []*Candidate, d *Decision) int
}

// kind is a strategy as a route names it.
type kind struct {
	make func(*Entry) strategy
	// weighs says that weights count, so that one of 0 stands behind the others;
	// scales that the strategy itself gives a target that comes back its share.
	weighs, scales bool
	// priced says that it looks at costs.
	priced bool
}

// strategies holds each strategy by its name in the configuration.
var strategies = map[string]kind{
	priority:     {make: newPriority},
	weighted:     {make: newWeighted, weighs: true, scales: true},
	roundRobin:   {make: newRoundRobin, weighs: true, scales: true},
	random:       {make: newRandom, weighs: true, scales: true},
	leastLatency: {make: newLeastLatency, weighs: true},
	leastBusy:    {make: newLeastBusy, weighs: true},
	lowestCost:   {make: newLowestCost, priced: true},
	cascade:      {make: newCascade, priced: true},
	score:        {make: newScore, priced: true},
	latestModel:  {make: newLatestModel},
	byTask:       {make: newByTask},
}

// Strategies lists the names of strategies.
func Strategies() []string { return slices.Sorted(maps.Keys(strategies)) }
