package route

import (
	"sync"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/route/expr"
)

// forbidden is the rule that speaks for the operator's own.
var forbidden = &rule{
	reason: func(c *Candidate, d *Decision) string {
		return "forbidden by rule " + d.Entry.custom.rules[c.barredBy-1].Name
	},
	field:   modelField,
	failure: llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
	weight:  4,
}

// ruling is what the operator's rules made of a decision.
type ruling struct {
	applied    uint64 // the rules that held, as bits
	reweighing uint64 // those of them that reweigh
	faults     []RuleFault
	preferred  uint16    // how many places rules have given away
	defaults   *Defaults // nil for the route's own
	forced     *Defaults // what replaces the client's own; nil for nothing
	replaces   bool      // the client has set some of that otherwise
}

// RuleFault is a rule whose condition had no answer for a request.
type RuleFault struct {
	Rule string
	Err  error
}

// consult asks the operator's rules about the targets in d.Order. They are
// asked once for a request, and only about targets that may be asked: so they
// can rule out more, and never bring back what residency, compliance or the
// key's own limits have ruled out.
func (e *Entry) consult(d *Decision) {
	if e.custom == nil || d.question.Time.IsZero() {
		return // no rules, or a question about what there is, not about a request
	}
	facts := factsPool.Get().(*expr.Facts)
	defer factsPool.Put(facts)
	d.state(facts)
	for i := range e.custom.rules {
		r := &e.custom.rules[i]
		if r.when != nil {
			holds, err := r.when.Holds(facts)
			if err != nil {
				d.ruling.faults = append(d.ruling.faults, RuleFault{r.Name, err})
			}
			if !holds {
				continue
			}
		}
		d.ruling.applied |= 1 << i
		r.act(d, i)
		if r.Stop {
			break
		}
	}
	if d.ruling.defaults != nil && d.ruling.defaults.MaxOutputTokens != e.Defaults.MaxOutputTokens {
		d.price() // the answer is shorter or longer than was thought
	}
	if d.ruling.forced != nil {
		d.ruling.replaces = d.ruling.forced.differ(d.question.Conversation.GetSampling())
	}
}

// act does to the decision what the i-th rule says; what it multiplies is
// looked up when that is needed.
func (r *customRule) act(d *Decision, i int) {
	if r.set != nil {
		r.give(&d.ruling)
	}
	if r.factors != nil {
		d.ruling.reweighing |= 1 << i
	}
	for _, ref := range r.barred {
		if c := &d.all[ref]; c.barredBy == 0 {
			c.barredBy = uint8(i + 1)
		}
	}
	for _, p := range r.preferred {
		if c := &d.all[p.ref]; c.pickedBy == 0 {
			c.pickedBy, c.tier = uint8(i+1), d.ruling.preferred+p.tier
		}
	}
	d.ruling.preferred += uint16(len(r.Prefer))
}

// give sets the rule's parameters, over those of the rules before it.
func (r *customRule) give(to *ruling) {
	if to.defaults == nil {
		to.defaults = r.alone
	} else {
		to.defaults = r.set.over(to.defaults)
	}
	switch {
	case !r.Set.Override:
	case to.forced == nil:
		to.forced = r.set
	default:
		to.forced = r.set.over(to.forced)
	}
}

// factsPool keeps facts from one request for the next: they are of no use after the
// rules, and each would cost an allocation.
var factsPool = sync.Pool{New: func() any { return new(expr.Facts) }}

// state fills in what the rules may know of the request.
func (d *Decision) state(f *expr.Facts) {
	q, e, demanded := &d.question, d.Entry, d.demands()
	*f = expr.Facts{
		Model: q.Model, Dialect: q.Dialect, Task: q.Task, Session: q.Session, Tokens: q.Input, OutputTokens: q.Output,
		Stream: q.Streamed, Embeddings: q.Needs.Has(capability.Embeddings), Tools: q.Needs.Has(capability.Tools),
		Images: q.Needs.Has(capability.Images), Document: q.Needs.Has(capability.Documents),
		Structured: q.Needs&(capability.JSONObject|capability.JSONSchema) != 0,
		Labels:     q.Labels, Organization: q.Caller.Organization, Team: q.Caller.Team, User: q.Caller.User, Key: q.Caller.Key,
		Roles: q.Caller.Roles, Country: q.UserLocation, Residency: demanded.places.first(),
		Compliance: demanded.classes.first(), Time: q.Time, Cost: -1,
	}
	if f.OutputTokens == 0 {
		if f.OutputTokens = e.Defaults.outputLimit(q.Conversation.GetSampling()); f.OutputTokens == 0 {
			f.OutputTokens = e.MaxOutputTokens
		}
	}
	for i := range d.Order {
		if cost := d.Order[i].Cost; cost >= 0 && (f.Cost < 0 || cost < f.Cost) {
			f.Cost = cost
		}
	}
}

// Rules lists the operator's rules that applied, by name.
func (d *Decision) Rules() []string {
	if d.ruling.applied == 0 {
		return nil
	}
	var names []string
	for i := range d.Entry.custom.rules {
		if d.ruling.applied&(1<<i) != 0 {
			names = append(names, d.Entry.custom.rules[i].Name)
		}
	}
	return names
}

// RuleFaults lists the rules that had no answer for the request, and so did not apply.
func (d *Decision) RuleFaults() []RuleFault { return d.ruling.faults }

// unanswered says of those rules why they did not apply.
func (d *Decision) unanswered() []string {
	var all []string
	for _, f := range d.ruling.faults {
		all = append(all, "rule "+f.Rule+" did not apply: its condition has no answer here: "+f.Err.Error())
	}
	return all
}

// Defaults are what applies where the client has set nothing: the route's, and
// over them what rules set.
func (d *Decision) Defaults() *Defaults {
	if d.ruling.defaults != nil {
		return d.ruling.defaults
	}
	return &d.Entry.Defaults
}

// Own is what of a request's parameters counts as the client's: its own, but
// for those that a rule overrides. It is own itself if there are none.
func (d *Decision) Own(own *llmv1.Sampling) *llmv1.Sampling {
	if !d.ruling.replaces {
		return own
	}
	return Merge(d.ruling.forced.For(nil), own)
}

// Parameters are all that a request with its own parameters goes out with; nil
// for none.
func (d *Decision) Parameters(own *llmv1.Sampling) *llmv1.Sampling {
	own = d.Own(own)
	return Merge(own, d.Defaults().For(own))
}

// Replaces says whether a rule overrides what the client wrote, so that its
// request cannot go through as it is.
func (d *Decision) Replaces() bool { return d.ruling.replaces }

// differ says whether a client has set some of the parameters to other values.
func (d *Defaults) differ(own *llmv1.Sampling) bool {
	if own == nil {
		return false
	}
	return differs(d.Temperature, own.Temperature) || differs(d.TopP, own.TopP) || differs(d.TopK, own.TopK) ||
		differs(d.MaxOutputTokens, own.MaxOutputTokens) || differs(d.Seed, own.Seed) ||
		differs(d.PresencePenalty, own.PresencePenalty) || differs(d.FrequencyPenalty, own.FrequencyPenalty) ||
		len(d.Stop) > 0 && len(own.GetStop()) > 0
}

func differs[T comparable](forced, own *T) bool {
	return forced != nil && own != nil && *forced != *own
}
