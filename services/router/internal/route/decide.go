package route

import (
	"fmt"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Question is what rules look at.
type Question struct {
	// Model is the name that the client uses.
	Model string
	// Needs is what the request needs of a target.
	Needs capability.Set
}

// Candidate is a target that may answer.
type Candidate struct {
	Target *target.Target
	// Model is the target's own name of the model.
	Model string
	// Score is the strategy's; comparable within a decision only.
	Score float64

	ref int // index in Route.Targets
}

// Rejection is a target that a rule ruled out.
type Rejection struct {
	Candidate
	rule *rule
	need capability.Set
}

// Decision is what was decided. It can be used again for the next request.
type Decision struct {
	// Entry is the route.
	Entry *Entry
	// Order holds the candidates in the order in which they are tried.
	Order []Candidate
	// Rejected holds the others.
	Rejected []Rejection
	// Confidence says how clear the choice of the first was: 1 for a fixed
	// order or a single candidate, else its share.
	Confidence float64
}

// rule rules a candidate out.
type rule struct {
	admits func(Candidate, Question) bool // by value: a pointer would escape
	reason func(*Rejection) string
	// failure is the error if no candidate is left and this rule took the last.
	failure llmv1.ErrorReason
}

// rules are asked in this order; the first that does not admit is the reason.
var rules = []rule{
	{
		admits:  func(c Candidate, _ Question) bool { return c.Model != "" },
		reason:  func(*Rejection) string { return "the target does not list the model" },
		failure: llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
	},
	{
		admits:  func(c Candidate, q Question) bool { return c.Target.Lacks&q.Needs == 0 },
		reason:  func(r *Rejection) string { return "the target does not support " + r.need.String() },
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
	},
}

// Candidates fills d with the targets that the rules admit, in the order of
// the configuration, and with those that they do not.
func (e *Entry) Candidates(q Question, d *Decision) {
	d.Entry, d.Confidence = e, 0
	d.Order, d.Rejected = d.Order[:0], d.Rejected[:0]
	for i := range e.targets {
		c := Candidate{Target: e.targets[i], ref: i}
		name := e.Targets[i].Model
		if name == "" {
			name = q.Model
		}
		if upstream, ok := c.Target.Models.Upstream(name); ok {
			c.Model = upstream
		}
		if r := objection(c, q); r != nil {
			d.Rejected = append(d.Rejected, Rejection{c, r, c.Target.Lacks & q.Needs})
			continue
		}
		d.Order = append(d.Order, c)
	}
}

func objection(c Candidate, q Question) *rule {
	for i := range rules {
		if !rules[i].admits(c, q) {
			return &rules[i]
		}
	}
	return nil
}

// Err says why nobody may answer; nil if somebody may.
func (d *Decision) Err() error {
	if len(d.Order) > 0 {
		return nil
	}
	if len(d.Rejected) == 0 {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "")
	}
	// The rule that came furthest says most: a target that lists the model but
	// cannot read images explains more than one that does not list it.
	last := &d.Rejected[0]
	for i := range d.Rejected {
		if d.Rejected[i].rule.failure == llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED {
			last = &d.Rejected[i]
		}
	}
	return errs.New(last.rule.failure, "no target can answer: %s", last.rule.reason(last))
}

// Decide puts d's candidates into the order in which they are tried.
func (d *Decision) Decide() { d.Confidence = d.Entry.strategy.order(d.Order, true) }

// Foresee is Decide without a trace: the next Decide comes to the same.
func (d *Decision) Foresee() { d.Confidence = d.Entry.strategy.order(d.Order, false) }

// Explain writes the decision for people.
func (d *Decision) Explain() *routerv1.RouteDecision {
	out := &routerv1.RouteDecision{Route: d.Entry.Model, Strategy: d.Entry.Strategy, Confidence: d.Confidence}
	for i := range d.Order {
		c := d.Order[i].explain()
		c.Reason = d.Entry.strategy.reason(&d.Order[i], i)
		out.Candidates = append(out.Candidates, c)
	}
	for i := range d.Rejected {
		c := d.Rejected[i].explain()
		c.Rejected, c.Reason = true, d.Rejected[i].rule.reason(&d.Rejected[i])
		out.Candidates = append(out.Candidates, c)
	}
	return out
}

// Reason says why the first candidate is the first.
func (d *Decision) Reason() string {
	if len(d.Order) == 0 {
		return ""
	}
	return d.Entry.strategy.reason(&d.Order[0], 0)
}

func (c *Candidate) explain() *routerv1.RouteCandidate {
	return &routerv1.RouteCandidate{
		Target: c.Target.Name, Provider: c.Target.Provider, Region: c.Target.Region,
		Model: c.Model, Score: c.Score,
	}
}

func ordinal(i int) string {
	if i == 0 {
		return "tried first"
	}
	return fmt.Sprintf("tried if the %d before fail", i)
}
