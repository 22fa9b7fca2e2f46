package drill

import (
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// change is a circuit that has changed.
type change struct {
	target, model string
	state         health.State
}

// circuits looks at the circuits of targets again and again. It is not told of
// changes, so that nothing of a drill is left behind in what watches targets.
type circuits struct {
	targets []*target.Target
	states  map[[2]string]health.State
}

// lookEvery is how often; what a report says of circuits is no finer.
const lookEvery = 5 * time.Millisecond

func newCircuits(targets []*target.Target, now time.Time) *circuits {
	c := &circuits{targets: targets, states: make(map[[2]string]health.State)}
	c.look(now)
	return c
}

// look lists what has changed since the last time.
func (c *circuits) look(now time.Time) []change {
	var changes []change
	for _, t := range c.targets {
		for _, model := range t.Monitors.Models() {
			key, state := [2]string{t.Name, model}, t.Monitors.Of(model).State(now)
			before, known := c.states[key]
			if !known {
				before = health.Closed
			}
			if c.states[key] = state; state != before {
				changes = append(changes, change{t.Name, model, state})
			}
		}
	}
	return changes
}

// shut says whether no requests go through.
func (c change) shut() bool {
	return c.state == health.Open || c.state == health.Ejected || c.state == health.Cooling
}
