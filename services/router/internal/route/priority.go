package route

import "fmt"

// priority tries targets in the order of the configuration.
const priority = "priority"

type priorityStrategy struct{}

func newPriority(*Entry) strategy { return priorityStrategy{} }

func (priorityStrategy) order(candidates []*Candidate, _ *Decision, _ bool) float64 {
	for i := range candidates {
		candidates[i].Score = 1 / float64(i+1)
	}
	return 1
}

func (priorityStrategy) reason(d *Decision, place int) string {
	return fmt.Sprintf("number %d in the route's list: %s", d.Order[place].ref+1, ordinal(place))
}
