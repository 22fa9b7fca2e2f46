package route

import (
	"fmt"
	"slices"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Question is what rules look at.
type Question struct {
	// Model is the name that the client uses.
	Model string
	// Dialect is the wire format of the client's own request; empty over gRPC and REST.
	Dialect string
	// Needs is what the request needs of a target.
	Needs capability.Set
	// Unexpressed lists what of the client's request the canonical form cannot
	// carry, by its path.
	Unexpressed []string
	// Conversation is what is asked, and Input the estimate of its tokens by
	// Model; 0 leaves its length out of account.
	Conversation *llmv1.Conversation
	Input        int64
	// Assumed says that Input is not an estimate of Conversation, but what
	// somebody wants to know about.
	Assumed bool
	// Output is the most tokens that the answer may have; 0 if not known.
	Output int64
	// Streamed is true if the answer is to be streamed.
	Streamed bool
	// Caller is who asks.
	Caller Caller
	// Residency is the jurisdiction that the request must not leave, and
	// Compliance the class that its targets must have; empty for none. They are
	// the caller's wish: what its key says holds as well.
	Residency, Compliance string
	// Task is what the request is for, and Session names its conversation, if the
	// caller says so; UserLocation is the end user's country.
	Task, Session, UserLocation string
	// Labels are the caller's own.
	Labels map[string]string
	// Time is when it is asked.
	Time time.Time
}

// Caller is who asks, as far as rules may look at it: names only.
type Caller struct {
	Organization, Team, User, Key string
	Roles                         []string
	// Residency and Compliance are what the key demands; empty for nothing.
	Residency, Compliance string
}

// Candidate is a target that may answer.
type Candidate struct {
	Target *target.Target
	// Model is the target's own name of the model.
	Model string
	// Known is what the catalogue knows of it; nil if nothing.
	Known *catalog.Model
	// Native says that the request goes through as the client wrote it.
	Native bool
	// Lacks is what the conversation must be stripped of before the target is asked.
	Lacks capability.Set
	// Dropped is what the request loses by that; Unexpressed what of it the
	// canonical form does not carry.
	Dropped     capability.Set
	Unexpressed []string
	// Cost is what the request is expected to cost there, nano-USD; -1 if that is
	// not known.
	Cost int64
	// Score is the strategy's; comparable within a decision only.
	Score float64
	// Degraded says that it is a candidate although it is not healthy, for no
	// other is.
	Degraded bool

	ref     int // index in Route.Targets
	monitor *health.Monitor
	share   float64 // of its usual load; less than 1 while it comes back
	factor  float64 // by which rules change its share or score
	tier    uint16  // its place among those that a rule prefers, from 1; 0 for none
	// pickedBy and barredBy are the rules that prefer it and rule it out, from 1.
	pickedBy, barredBy uint8
	rank               rank           // candidates of a lower rank come first, whatever the strategy
	key                float64        // by which the strategy sorts: the greatest first
	refused            capability.Set // what of Dropped the client asked for, and the route must allow to go
}

// Fields lists what the candidate is not told, by the names of the client's
// dialect; nil if it is told everything.
func (c *Candidate) Fields(dialect string) []string {
	if c.Dropped == capability.None && len(c.Unexpressed) == 0 {
		return nil
	}
	fields := append(make([]string, 0, len(c.Unexpressed)+c.Dropped.Len()), c.Unexpressed...)
	return capability.AppendFields(fields, dialect, c.Dropped)
}

// Tokenizer names what counts the tokens of the candidate's model.
func (c *Candidate) Tokenizer() string {
	if c.Known != nil && c.Known.Tokenizer != "" {
		return c.Known.Tokenizer
	}
	return tokens.Tokenizer(c.Model)
}

// Monitor watches the candidate's model on its target; nil if nobody does.
func (c *Candidate) Monitor() *health.Monitor { return c.monitor }

// Place is the candidate's place in the route's list.
func (c *Candidate) Place() int { return c.ref }

// Rejection is a target that a rule ruled out.
type Rejection struct {
	Candidate
	rule    *rule
	because string        // the demand that it does not meet, or the operator's rule
	wait    time.Duration // until it is asked again, if that is why
}

// Decision is what was decided. It can be used again for the next request.
type Decision struct {
	// Entry is the route.
	Entry *Entry
	// Dialect is the client's.
	Dialect string
	// Order holds the candidates in the order in which they are tried.
	Order []Candidate
	// Rejected holds the others.
	Rejected []Rejection
	// Confidence says how clear the choice of the first was: 1 for a fixed
	// order or a single candidate, else its share.
	Confidence float64
	// Degraded says that no target is healthy, and the route wants an answer
	// nevertheless.
	Degraded bool

	peers  []*health.Monitor // of Order, for weed
	states []health.State
	space  struct { // for both, if they are few: so they cost no allocation
		peers  [32]*health.Monitor
		states [32]health.State
	}
	question Question
	outcome  outcome
	ruling   ruling
}

// Candidates fills d with the targets that the rules admit, in the order of
// the configuration, and with those that they do not.
func (e *Entry) Candidates(q Question, d *Decision) {
	d.Entry, d.Dialect, d.Confidence, d.question, d.outcome, d.ruling = e, q.Dialect, 0, q, outcome{}, ruling{}
	d.Order, d.Rejected = slices.Grow(d.Order[:0], len(e.targets)), d.Rejected[:0]
	e.list(d)
	e.consult(d)
	e.fit(d)
	d.weed()
}

// list finds the targets that may be asked, whatever the request needs.
func (e *Entry) list(d *Decision) {
	for i := range e.targets {
		d.Order = append(d.Order, Candidate{Target: e.targets[i], ref: i, Cost: -1, factor: 1})
		c := &d.Order[len(d.Order)-1]
		e.identify(c, &d.question)
		if r, because := barred(c, e, &d.question); r != nil {
			d.reject(c, r, because)
			d.Order = d.Order[:len(d.Order)-1]
			continue
		}
		if e.priced {
			c.Cost = e.cost(c, &d.question)
		}
	}
}

// identify finds the target's own name of the model, and what is known of it;
// the name stays empty if the target does not list the model.
func (e *Entry) identify(c *Candidate, q *Question) {
	if fixed := e.upstream[c.ref]; fixed != "" {
		c.Model, c.Known, c.monitor = fixed, e.known[c.ref], e.monitor(c.ref, fixed)
		return
	}
	name := e.Targets[c.ref].Model
	if name == "" {
		name = q.Model
	}
	if upstream, ok := c.Target.Models.Upstream(name); ok {
		c.Model, c.Known, c.monitor = upstream, e.world.Models.Find(upstream), e.monitor(c.ref, upstream)
	}
}

// fit keeps those of the candidates that can do what the request needs.
func (e *Entry) fit(d *Decision) {
	q, added, kept := &d.question, capability.None, 0
	if q.Needs.Has(capability.Chat) {
		added = d.Defaults().needs(d.Own(q.Conversation.GetSampling()))
	}
	for i := range d.Order {
		c := &d.Order[i]
		if c.barredBy > 0 {
			d.reject(c, forbidden, e.custom.rules[c.barredBy-1].Name)
			continue
		}
		e.compare(c, d, added)
		if r := objection(c, e, q); r != nil {
			d.reject(c, r, "")
			continue
		}
		if kept != i {
			d.Order[kept] = *c
		}
		kept++
	}
	d.Order = d.Order[:kept]
}

func (d *Decision) reject(c *Candidate, r *rule, because string) {
	if cap(d.Rejected) == 0 {
		d.Rejected = make([]Rejection, 0, len(d.Entry.targets))
	}
	d.Rejected = append(d.Rejected, Rejection{Candidate: *c, rule: r, because: because})
}

// compare looks at what a target would make of the request, to which the
// defaults add needs.
func (e *Entry) compare(c *Candidate, d *Decision, added capability.Set) {
	q := &d.question
	c.Lacks = c.Target.Lacks
	if c.Known != nil {
		c.Lacks |= c.Known.Lacks
	}
	c.Native = !d.ruling.replaces && c.Target.Passes(q.Dialect)
	needs := q.Needs | added
	if needs.Has(capability.Chat) && e.Instructions.For(c.Target.Provider) != "" {
		needs |= capability.System
	}
	if c.Native {
		c.passOn(q, needs)
	} else {
		c.translate(q, needs, d.Defaults().outputLimit(d.Own(q.Conversation.GetSampling())))
	}
}

// passOn is for a target that reads what the client wrote, and says itself what
// it does not like: only what would make it misread the whole is checked, and
// what the route adds.
func (c *Candidate) passOn(q *Question, needs capability.Set) {
	lost := needs.Lost(c.Lacks)
	c.Dropped = lost.Content() | lost&^q.Needs
}

// translate is for a target that gets the canonical form.
func (c *Candidate) translate(q *Question, needs capability.Set, output int64) {
	c.Lacks |= c.Target.Wire
	if c.Known != nil && c.Known.Output > 0 && output > c.Known.Output {
		c.Lacks |= capability.OutputLimit
	}
	c.Dropped, c.Unexpressed = needs.Lost(c.Lacks), q.Unexpressed
	c.refused = c.Dropped.Parameters() & q.Needs
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
		if d.Rejected[i].rule.weight > last.rule.weight {
			last = &d.Rejected[i]
		}
	}
	return errs.New(last.rule.failure, "no target can answer: %s", last.rule.reason(last, d)).
		WithField(last.rule.field(last, d)).WithRetryAfter(d.comesBack())
}

// Decide puts d's candidates into the order in which they are tried.
func (d *Decision) Decide() { d.arrange(true) }

// Foresee is Decide without a trace: the next Decide comes to the same.
func (d *Decision) Foresee() { d.arrange(false) }

// Explain writes the decision for people.
func (d *Decision) Explain() *routerv1.RouteDecision {
	d.estimate()
	out := &routerv1.RouteDecision{
		Route: d.Entry.Model, Strategy: d.Entry.Strategy, Confidence: d.Confidence,
		Degraded: d.Degraded, Task: d.outcome.task.name, Advice: append(d.unanswered(), d.advice()...), Rules: d.Rules(),
	}
	for i := range d.Order {
		c := d.Order[i].explain()
		c.Reason = d.reason(i)
		c.Dropped = d.Order[i].Fields(d.Dialect)
		out.Candidates = append(out.Candidates, c)
	}
	for i := range d.Rejected {
		c := d.Rejected[i].explain()
		c.Rejected, c.Reason = true, d.Rejected[i].rule.reason(&d.Rejected[i], d)
		out.Candidates = append(out.Candidates, c)
	}
	return out
}

// Task is what the request was taken for, under a strategy that looks at it.
func (d *Decision) Task() string { return d.outcome.task.name }

// Reason says why the first candidate is the first.
func (d *Decision) Reason() string {
	if len(d.Order) == 0 {
		return ""
	}
	return d.reason(0)
}

func (c *Candidate) explain() *routerv1.RouteCandidate {
	return &routerv1.RouteCandidate{
		Target: c.Target.Name, Provider: c.Target.Provider, Region: c.Target.Region,
		Model: c.Model, Score: c.Score, LikelyCostNanousd: max(c.Cost, 0),
	}
}

func ordinal(i int) string {
	if i == 0 {
		return "tried first"
	}
	return fmt.Sprintf("tried if the %d before fail", i)
}
