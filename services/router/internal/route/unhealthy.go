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
		reason:  func(r *Rejection, _ *Decision) string { return "circuit open for another " + r.waits() },
		field:   func(*Rejection, *Decision) string { return "" },
		failure: llmv1.ErrorReason_ERROR_REASON_OVERLOADED, weight: healthWeight,
	}
	cooling = &rule{
		reason:  func(r *Rejection, _ *Decision) string { return "the target limits us for another " + r.waits() },
		field:   func(*Rejection, *Decision) string { return "" },
		failure: llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, weight: healthWeight,
	}
	ejected = &rule{
		reason: func(r *Rejection, _ *Decision) string {
			return "ejected for another " + r.waits() + ": it does worse than the others"
		},
		field:   func(*Rejection, *Decision) string { return "" },
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
func (r *Rejection) waits() string {
	if r.wait < 10*time.Second {
		return fmt.Sprintf("%.1f s", r.wait.Seconds())
	}
	return fmt.Sprintf("%.0f s", r.wait.Seconds())
}

// weed takes out the candidates that are not healthy. If none is left, the
// route may want them nevertheless. A question without a time leaves health out
// of account.
func (d *Decision) weed() {
	d.Degraded = false
	if d.question.Time.IsZero() {
		return
	}
	d.peers, d.states = d.space.peers[:0], d.space.states[:0]
	for i := range d.Order {
		if m := d.Order[i].monitor; m != nil {
			d.peers = append(d.peers, m)
		}
	}
	d.states = slices.Grow(d.states, len(d.peers))[:len(d.peers)]
	health.Judge(d.peers, d.states, d.question.Time)
	kept, peer, others := 0, 0, len(d.Rejected)
	for i := range d.Order {
		var broken *rule
		if d.Order[i].monitor != nil {
			broken = unhealthy(d.states[peer])
			peer++
		}
		if broken == nil {
			if kept != i {
				d.Order[kept] = d.Order[i]
			}
			kept++
			continue
		}
		d.Rejected = append(d.Rejected, Rejection{Candidate: d.Order[i], rule: broken, wait: d.Order[i].wait(d.question.Time)})
	}
	d.Order = d.Order[:kept]
	if kept == 0 && len(d.Rejected) > others && d.Entry.WhenUnhealthy != whenRefuse {
		d.takeBack(others)
	}
}

// wait is how long the candidate is not asked.
func (c *Candidate) wait(now time.Time) time.Duration {
	return max(0, c.monitor.RetryTime(now).Sub(now))
}

// takeBack makes candidates of what was rejected for its health: the targets
// let a few of the requests in.
func (d *Decision) takeBack(others int) {
	d.Degraded = true
	for i := others; i < len(d.Rejected); i++ {
		c := d.Rejected[i].Candidate
		c.Degraded = true
		d.Order = append(d.Order, c)
	}
	d.Rejected = d.Rejected[:others]
}

// Eligible lists the candidates whatever their health is, in the order of the
// configuration: what the request may be answered by, today or tomorrow.
func (d *Decision) Eligible() iter.Seq[*Candidate] {
	return func(yield func(*Candidate) bool) {
		for ref := range d.Entry.targets {
			c := d.eligible(ref)
			if c != nil && !yield(c) {
				return
			}
		}
	}
}

func (d *Decision) eligible(ref int) *Candidate {
	for i := range d.Order {
		if d.Order[i].ref == ref {
			return &d.Order[i]
		}
	}
	for i := range d.Rejected {
		if d.Rejected[i].ref == ref && d.Rejected[i].rule.weight == healthWeight {
			return &d.Rejected[i].Candidate
		}
	}
	return nil
}

// soonest orders the candidates of a degraded decision: who comes back first is
// tried first.
func (d *Decision) soonest() {
	for i := range d.Order {
		c := &d.Order[i]
		c.rank, c.share, c.Score = away, 1, 0
		c.key = -c.wait(d.question.Time).Seconds()
	}
	sortByKey(d.Order)
}

// degradedReason says why a candidate is asked although it is not healthy.
func (d *Decision) degradedReason(place int) string {
	r := Rejection{Candidate: d.Order[place], wait: d.Order[place].wait(d.question.Time)}
	why := ordinal(place)
	if broken := unhealthy(r.monitor.State(d.question.Time)); broken != nil {
		why = broken.reason(&r, d) + "; " + why
	}
	return "no target is healthy: " + why
}

// comesBack is when the first of those that are not healthy will be asked again.
func (d *Decision) comesBack() time.Duration {
	least := time.Duration(0)
	for i := range d.Rejected {
		if r := &d.Rejected[i]; r.rule.weight == healthWeight && (least == 0 || r.wait < least) {
			least = max(r.wait, time.Second)
		}
	}
	return least
}

func validateWhenUnhealthy(v *config.Validator, when string) {
	if when != "" && when != whenDegraded && when != whenRefuse {
		v.Fail("when_unhealthy", "%q is neither %s nor %s", when, whenDegraded, whenRefuse)
	}
}
