package route

import (
	"maps"
	"slices"
)

// strategy orders candidates. It is made once for a route and used by many
// requests at once.
type strategy interface {
	// order sorts the candidates in the order in which they are tried, sets
	// their scores and returns how clear the choice of the first was. Without
	// commit it leaves no trace.
	order(candidates []Candidate, q *Question, commit bool) float64
	// reason says why a candidate stands at a place.
	reason(c *Candidate, place int) string
}

// strategies makes each strategy by its name in the configuration.
var strategies = map[string]func(*Entry) strategy{
	priority: newPriority,
	weighted: newWeighted,
}

// Strategies lists the names of strategies.
func Strategies() []string { return slices.Sorted(maps.Keys(strategies)) }
