package route

import "fmt"

// priority tries targets in the order of the configuration.
const priority = "priority"

type priorityStrategy struct{}

func newPriority(*Entry) strategy { return priorityStrategy{} }

func (priorityStrategy) order(candidates []Candidate, _ *Question, _ bool) float64 {
	for i := range candidates {
		candidates[i].Score = 1 / float64(i+1)
	}
	return 1
}

func (priorityStrategy) reason(c *Candidate, place int) string {
	return fmt.Sprintf("number %d in the route's list: %s", c.ref+1, ordinal(place))
}
