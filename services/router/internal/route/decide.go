package route

import (
	"fmt"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
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

// Candidate is a deployment that may answer.
type Candidate struct {
	*Deployment
	// Lacks is what the conversation must be stripped of before the target is
	// asked.
	Lacks capability.Set
	// Cost is what the request is expected to cost there, nano-USD; -1 if that is
	// not known.
	Cost int64
	// Score is the strategy's; comparable within a decision only.
	Score float64
	// Native says that the request goes through as the client wrote it.
	Native bool
	// Degraded says that it is a candidate although it is not healthy, for no
	// other is.
	Degraded bool

	rank rank // candidates of a lower rank come first, whatever the strategy
	// pickedBy and barredBy are the rules that prefer it and rule it out, from 1.
	pickedBy, barredBy uint8
	tier               uint16  // its place among those that a rule prefers, from 1; 0 for none
	share              float64 // of its usual load; less than 1 while it comes back
	key                float64 // by which the strategy sorts: the greatest first
	broken             *rule   // what rules it out; nil if it may be asked
}

// Decision is what was decided. It can be used again for the next request.
type Decision struct {
	// Entry is the route.
	Entry *Entry
	// Dialect is the client's.
	Dialect string
	// Order holds the candidates in the order in which they are tried.
	Order []*Candidate
	// Confidence says how clear the choice of the first was: 1 for a fixed
	// order or a single candidate, else its share.
	Confidence float64
	// Degraded says that no target is healthy, and the route wants an answer
	// nevertheless.
	Degraded bool

	all      []Candidate  // in the order of the configuration
	found    []Deployment // what some of these point to
	calm     bool         // nothing is the matter with any of Order
	question Question
	outcome  outcome
	ruling   ruling
}

// Fields lists what a candidate is not told, by the names of the client's
// dialect; nil if it is told everything.
func (d *Decision) Fields(c *Candidate) []string {
	unexpressed := d.unexpressed(c)
	dropped := d.dropped(c)
	if dropped == capability.None && len(unexpressed) == 0 {
		return nil
	}
	fields := append(make([]string, 0, len(unexpressed)+dropped.Len()), unexpressed...)
	return capability.AppendFields(fields, d.Dialect, dropped)
}

// dropped is what a request loses by what a candidate lacks.
func (d *Decision) dropped(c *Candidate) capability.Set { return c.loses(d.wants()) }

// Rejected are the deployments that may not be asked.
func (d *Decision) Rejected() []*Candidate {
	var list []*Candidate
	for i := range d.all {
		if c := &d.all[i]; c.broken != nil {
			list = append(list, c)
		}
	}
	return list
}

// unexpressed is what of the client's request does not reach a candidate
// because the canonical form cannot carry it.
func (d *Decision) unexpressed(c *Candidate) []string {
	if c.Native {
		return nil
	}
	return d.question.Unexpressed
}

// Candidates fills d with the deployments that the rules admit, in the order of
// the configuration, and with those that they do not.
func (e *Entry) Candidates(q Question, d *Decision) {
	d.Entry, d.Dialect, d.Confidence, d.question, d.outcome, d.ruling = e, q.Dialect, 0, q, outcome{}, ruling{}
	n := len(e.deployments)
	d.all, d.Order, d.found = zeros(d.all, n), zeros(d.Order, n)[:0], d.found[:0]
	e.list(d)
	d.price()
	e.consult(d)
	d.fit()
	d.weed()
}

// zeros makes a list of n zero values, in the memory of another if that is
// enough.
func zeros[T any](memory []T, n int) []T {
	if cap(memory) < n {
		return make([]T, n)
	}
	memory = memory[:n]
	clear(memory)
	return memory
}

// list finds the deployments that may be asked, whatever the request needs.
func (e *Entry) list(d *Decision) {
	demanded := d.demands()
	for i := range d.all {
		c := &d.all[i]
		c.Deployment, c.Cost = e.deployment(i, d), -1
		if c.broken = barred(c, &demanded); c.broken == nil {
			d.Order = append(d.Order, c)
		}
	}
}

// fit keeps those of the candidates that can do what the request needs.
func (d *Decision) fit() {
	w, kept := d.wants(), d.Order[:0]
	for _, c := range d.Order {
		if c.barredBy > 0 {
			c.broken = forbidden
			continue
		}
		d.compare(c, &w)
		if c.broken = objection(c, c.loses(w), d); c.broken == nil {
			kept = append(kept, c)
		}
	}
	d.Order = kept
}

// wants is what a request asks of a model, with what the route's defaults add.
type wants struct {
	asked, all capability.Set // by the client; with the defaults
	output     int64          // the most tokens of the answer; 0 if nobody says
}

func (d *Decision) wants() wants {
	asked, own := d.question.Needs, d.Own(d.question.Conversation.GetSampling())
	w := wants{asked: asked, all: asked, output: d.Defaults().outputLimit(own)}
	if asked.Has(capability.Chat) {
		w.all |= d.Defaults().needs(own)
	}
	return w
}

// compare looks at what a candidate lacks, and whether it reads what the client
// wrote.
func (d *Decision) compare(c *Candidate, w *wants) {
	c.Lacks = c.Target.Lacks
	if c.Known != nil {
		c.Lacks |= c.Known.Lacks
	}
	c.Native = !d.ruling.replaces && c.Target.Passes(d.Dialect)
	if c.Native {
		return
	}
	c.Lacks |= c.Target.Wire
	if c.Known != nil && c.Known.Output > 0 && w.output > c.Known.Output {
		c.Lacks |= capability.OutputLimit
	}
}

// loses is what a request that wants something loses by what the candidate
// lacks. One that reads what the client wrote says itself what it does not like:
// only what would make it misread the whole counts, and what the route adds.
func (c *Candidate) loses(w wants) capability.Set {
	if c.instructed && w.all.Has(capability.Chat) {
		w.all |= capability.System
	}
	lost := w.all.Lost(c.Lacks)
	if c.Native {
		return lost.Content() | lost&^w.asked
	}
	return lost
}

// Err says why nobody may answer; nil if somebody may.
func (d *Decision) Err() error {
	if len(d.Order) > 0 {
		return nil
	}
	// The rule that came furthest says most: a target that lists the model but
	// cannot read images explains more than one that does not list it.
	var last *Candidate
	for _, c := range d.Rejected() {
		if last == nil || c.broken.weight > last.broken.weight {
			last = c
		}
	}
	if last == nil {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "")
	}
	return errs.New(last.broken.failure, "no target can answer: %s", last.broken.reason(last, d)).
		WithField(last.broken.field(last, d)).WithRetryAfter(d.comesBack())
}

// Decide puts d's candidates into the order in which they are tried.
func (d *Decision) Decide() { d.arrange(true) }

// Foresee is Decide without a trace: the next Decide comes to the same.
func (d *Decision) Foresee() { d.arrange(false) }

// Explain writes the decision for people.
func (d *Decision) Explain() *routerv1.RouteDecision {
	if !d.Entry.priced {
		d.estimate(d.expected())
	}
	out := &routerv1.RouteDecision{
		Route: d.Entry.Model, Strategy: d.Entry.Strategy, Confidence: d.Confidence,
		Degraded: d.Degraded, Task: d.outcome.task.name, Advice: append(d.unanswered(), d.advice()...), Rules: d.Rules(),
	}
	for i, c := range d.Order {
		admitted := c.explain()
		admitted.Reason, admitted.Dropped = d.reason(i), d.Fields(c)
		out.Candidates = append(out.Candidates, admitted)
	}
	for _, c := range d.Rejected() {
		rejected := c.explain()
		rejected.Rejected, rejected.Reason = true, c.broken.reason(c, d)
		out.Candidates = append(out.Candidates, rejected)
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
