package route

import (
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/jurisdiction"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// The demands on where a request is computed, and by whom, are three: the
// key's, the route's and the caller's. A target must meet each of them, so that
// each can narrow what the others leave and none can widen it.
//
// They are checked here and nowhere else. Whatever asks targets (retries,
// fallbacks, hedges, recoveries, shadows, escalations) takes them from
// Decision.Order, and what is ruled out here is never in it.

var (
	elsewhere = &rule{
		reason: func(c *Candidate, d *Decision) string {
			demanded := d.demands()
			place := demanded.unmetPlace(c)
			return "the target is not known to compute in " + place + ", which " + whose(place, d.question.Caller.Residency, d.Entry.Residency) + " demands"
		},
		field:   func(_ *Candidate, d *Decision) string { return optionField(d, d.question.Residency, "residency") },
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		weight:  1,
	}
	contradicted = &rule{
		reason: func(_ *Candidate, d *Decision) string {
			bound := d.bound()
			return "the request asks for " + d.question.Residency + ", but " + whose(bound, d.question.Caller.Residency, d.Entry.Residency) + " demands " + bound +
				": ask for " + bound + ", or for nothing"
		},
		field:   func(_ *Candidate, d *Decision) string { return optionField(d, d.question.Residency, "residency") },
		failure: llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
		weight:  2,
	}
	uncertified = &rule{
		reason: func(c *Candidate, d *Decision) string {
			demanded := d.demands()
			class := demanded.unmetClass(c)
			return "the target does not have the compliance class " + class + ", which " + whose(class, d.question.Caller.Compliance, d.Entry.Compliance) + " demands"
		},
		field:   func(_ *Candidate, d *Decision) string { return optionField(d, d.question.Compliance, "compliance") },
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		weight:  3,
	}
)

// demands are what a candidate must meet, each but once.
type demands struct {
	places, classes demand
	opposed         bool // the caller's place is not that of the key or the route
}

type demand struct {
	of    [3]string
	count int
}

func demanded(of ...string) (d demand) {
	for _, wanted := range of {
		if wanted != "" && !slices.Contains(d.all(), wanted) {
			d.of[d.count] = wanted
			d.count++
		}
	}
	return d
}

func (d *demand) all() []string { return d.of[:d.count] }

// first is the strongest; empty if there is none.
func (d *demand) first() string { return d.of[0] }

func (d *Decision) demands() demands {
	q, e := &d.question, d.Entry
	return demands{
		places:  demanded(q.Caller.Residency, e.Residency, q.Residency),
		classes: demanded(q.Caller.Compliance, e.Compliance, q.Compliance),
		opposed: opposed(q.Residency, q.Caller.Residency) || opposed(q.Residency, e.Residency),
	}
}

// misplaced is the rule by which the candidate is where the request must not
// go; nil if there is none.
func (d *demands) misplaced(c *Candidate) *rule {
	switch {
	case d.unmetPlace(c) != "":
		if d.opposed {
			return contradicted
		}
		return elsewhere
	case d.unmetClass(c) != "":
		return uncertified
	default:
		return nil
	}
}

// unmetPlace is the first jurisdiction demanded that the candidate is not in;
// empty for none.
func (d *demands) unmetPlace(c *Candidate) string {
	for _, place := range d.places.all() {
		if !c.Target.WithinFrom(c.home, place, c.Model) {
			return place
		}
	}
	return ""
}

// unmetClass is the first class demanded that the candidate does not have; empty
// for none.
func (d *demands) unmetClass(c *Candidate) string {
	for _, class := range d.classes.all() {
		if !c.Target.Certified(class) {
			return class
		}
	}
	return ""
}

func opposed(asked, bound string) bool { return asked != "" && bound != "" && asked != bound }

// bound is the jurisdiction that the caller's own wish contradicts.
func (d *Decision) bound() string {
	if opposed(d.question.Residency, d.question.Caller.Residency) {
		return d.question.Caller.Residency
	}
	return d.Entry.Residency
}

// whose says whose demand it is, of the key's, the route's and the request's.
func whose(demand, key, route string) string {
	switch demand {
	case key:
		return "the key"
	case route:
		return "the route"
	default:
		return "the request"
	}
}

// optionField is the client's parameter at fault: its option if it set one, as
// its dialect has it, else the model, for which there is no such target.
func optionField(d *Decision, asked, name string) string {
	switch {
	case asked == "":
		return "model"
	case d.Dialect == "":
		return "options." + name
	default:
		return "x-tollgate-" + name
	}
}

// validatePlace reports demands that no target of the route can meet.
func (r Route) validatePlace(v *config.Validator, targets []provider.Target) {
	const how = "use lower-case letters, digits and hyphens, for example %s"
	switch {
	case r.Residency == "":
	case !jurisdiction.Valid(r.Residency):
		v.Fail("residency", "%q is not a jurisdiction", r.Residency).WithHelp(how, "eu")
	case !r.any(targets, func(t *provider.Target, model string) bool { return t.Within(r.Residency, model) }):
		v.Fail("residency", "no target of the route is known to compute in %q", r.Residency).
			WithHelp("say so in the target's residency, or name a target in a region there")
	}
	switch {
	case r.Compliance == "":
	case !provider.ValidClass(r.Compliance):
		v.Fail("compliance", "%q is not a compliance class", r.Compliance).WithHelp(how, "regulated")
	case !r.any(targets, func(t *provider.Target, _ string) bool { return t.Certified(r.Compliance) }):
		v.Fail("compliance", "no target of the route has the class %q", r.Compliance).
			WithHelp("list it in the target's compliance")
	}
}

// any says whether something holds for a target of the route. Of a pattern it
// is not known which models come: the name of the reference stands for them.
func (r Route) any(targets []provider.Target, holds func(t *provider.Target, model string) bool) bool {
	for _, ref := range r.Targets {
		model := ref.Model
		if model == "" {
			model = strings.ReplaceAll(r.Model, "*", "")
		}
		for i := range targets {
			if t := &targets[i]; t.Name == ref.Name {
				if upstream, ok := t.Models.Upstream(model); ok {
					model = upstream
				}
				if holds(t, model) {
					return true
				}
			}
		}
	}
	return false
}
