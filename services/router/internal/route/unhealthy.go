package route

import (
	"fmt"
	"iter"
	"slices"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// What a route does when no target is healthy.
const (
	// whenDegraded asks those that are not, a few requests at a time.
	whenDegraded = "degraded"
	// whenRefuse refuses the request.
	whenRefuse = "refuse"
)

// healthWeight is above that of all other rules: they admitted the candidate.
const healthWeight = 100

// The rules about health, the last that are asked.
var (
	opened = &rule{
		reason:  func(c *Candidate, d *Decision) string { return "circuit open for another " + d.waits(c) },
		field:   func(*Candidate, *Decision) string { return "" },
		failure: llmv1.ErrorReason_ERROR_REASON_OVERLOADED, weight: healthWeight,
	}
	cooling = &rule{
		reason:  func(c *Candidate, d *Decision) string { return "the target limits us for another " + d.waits(c) },
		field:   func(*Candidate, *Decision) string { return "" },
		failure: llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, weight: healthWeight,
	}
	ejected = &rule{
		reason: func(c *Candidate, d *Decision) string {
			return "ejected for another " + d.waits(c) + ": it does worse than the others"
		},
		field:   func(*Candidate, *Decision) string { return "" },
		failure: llmv1.ErrorReason_ERROR_REASON_OVERLOADED, weight: healthWeight,
	}
)

// unhealthy is the rule that a state breaks; nil for none.
func unhealthy(s health.State) *rule {
	switch s {
	case health.Open:
		return opened
	case health.Cooling:
		return cooling
	case health.Ejected:
		return ejected
	default:
		return nil
	}
}

// waits is how long the candidate is not asked, in words.
func (d *Decision) waits(c *Candidate) string {
	wait := c.wait(d.question.Time)
	if wait < 10*time.Second {
		return fmt.Sprintf("%.1f s", wait.Seconds())
	}
	return fmt.Sprintf("%.0f s", wait.Seconds())
}

// weed takes out the candidates that are not healthy. If none is left, the
// route may want them nevertheless. A question without a time leaves health out
// of account.
func (d *Decision) weed() {
	d.Degraded, d.calm = false, false
	if d.question.Time.IsZero() {
		return
	}
	if d.calm = d.allCalm(); d.calm {
		return
	}
	var space struct { // so that few candidates cost no allocation
		peers  [few]*health.Monitor
		states [few]health.State
	}
	peers, states := space.peers[:0], space.states[:0]
	for _, c := range d.Order {
		if c.monitor != nil {
			peers = append(peers, c.monitor)
		}
	}
	states = slices.Grow(states, len(peers))[:len(peers)]
	health.Judge(peers, states, d.question.Time)
	kept := d.Order[:0]
	for _, c := range d.Order {
		if c.monitor != nil {
			c.broken, states = unhealthy(states[0]), states[1:]
		}
		if c.broken == nil {
			kept = append(kept, c)
		}
	}
	d.Order = kept
	if len(kept) == 0 && d.Entry.WhenUnhealthy != whenRefuse {
		d.takeBack()
	}
}

func (d *Decision) allCalm() bool {
	return !slices.ContainsFunc(d.Order, func(c *Candidate) bool { return c.monitor != nil && !c.monitor.Calm(d.question.Time) })
}

// wait is how long the candidate is not asked.
func (c *Candidate) wait(now time.Time) time.Duration {
	return max(0, c.monitor.RetryTime(now).Sub(now))
}

// takeBack makes candidates of what was rejected for its health: the targets
// let a few of the requests in.
func (d *Decision) takeBack() {
	for c := range d.Eligible() {
		c.Degraded, c.broken = true, nil
		d.Order = append(d.Order, c)
	}
	d.Degraded = len(d.Order) > 0
}

// Eligible lists the candidates whatever their health is, in the order of the
// configuration: what the request may be answered by, today or tomorrow.
func (d *Decision) Eligible() iter.Seq[*Candidate] {
	return func(yield func(*Candidate) bool) {
		for i := range d.all {
			if c := &d.all[i]; c.eligible() && !yield(c) {
				return
			}
		}
	}
}

func (c *Candidate) eligible() bool { return c.broken == nil || c.broken.weight == healthWeight }

// soonest orders the candidates of a degraded decision: who comes back first is
// tried first.
func (d *Decision) soonest() {
	for _, c := range d.Order {
		c.rank, c.share, c.Score = away, 1, 0
		c.key = -c.wait(d.question.Time).Seconds()
	}
	sortByKey(d.Order)
}

// degradedReason says why a candidate is asked although it is not healthy.
func (d *Decision) degradedReason(place int) string {
	c := d.Order[place]
	why := ordinal(place)
	if broken := unhealthy(c.monitor.State(d.question.Time)); broken != nil {
		why = broken.reason(c, d) + "; " + why
	}
	return "no target is healthy: " + why
}

// comesBack is when the first of those that are not healthy will be asked again.
func (d *Decision) comesBack() time.Duration {
	least := time.Duration(0)
	for _, c := range d.Rejected() {
		if c.broken.weight == healthWeight {
			if wait := max(c.wait(d.question.Time), time.Second); least == 0 || wait < least {
				least = wait
			}
		}
	}
	return least
}

func validateWhenUnhealthy(v *config.Validator, when string) {
	if when != "" && when != whenDegraded && when != whenRefuse {
		v.Fail("when_unhealthy", "%q is neither %s nor %s", when, whenDegraded, whenRefuse)
	}
}
