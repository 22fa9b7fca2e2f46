package attempt

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// hunt is a request's search for a target that answers. It belongs to the
// request's goroutine, but for what attempts side by side share.
type hunt struct {
	ctx    context.Context // the request's, which a stream outlives no more than this
	runner *Runner
	job    *Job
	op     operation
	role   string // of the attempts from now on

	made   atomic.Int32 // attempts
	hedged int          // how many of them beside another
	queue  []turn       // whose turn it is, in order
	tries  []int        // of each candidate, by place
	silent []*target.Target
	// reads is what a candidate must be known to exceed, once a conversation was
	// too long for another; -1 before.
	reads int64
	// exceeded are the models for which it was.
	exceeded []string
	// said is what a target said last, refused why one was not asked.
	said, refused *errs.Error
	// spare has an answer that was not good enough, and is better than none.
	spare *Attempt
}

// turn is a candidate, by its place in the job's order, and the beginning of the
// answer that it is given, if it shall go on with one.
type turn struct {
	place int
	begun string
}

func (r *Runner) hunt(ctx context.Context, job *Job, op operation) *hunt {
	h := &hunt{ctx: ctx, runner: r, job: job, op: op, tries: make([]int, len(job.Order)), reads: -1}
	h.queue = make([]turn, len(job.Order))
	for i := range h.queue {
		h.queue[i].place = i
	}
	return h
}

// run asks those in the queue until one answers.
func (h *hunt) run() (*Attempt, error) {
	for {
		t, ok := h.next()
		if !ok && h.spared() {
			return h.spare, nil
		}
		if !ok {
			return nil, h.exhausted()
		}
		a, refused, err := h.enter(h.ctx, h.entrant(t, h.role))
		switch {
		case err != nil:
			return nil, err
		case refused != nil && h.ctx.Err() != nil:
			return nil, errs.From(h.ctx.Err()).WithCause(refused)
		case refused != nil:
			h.refuse(refused)
			h.drop(t)
			continue
		}
		winner, s, wait := h.compete(a)
		switch {
		case winner != nil:
			if h.passes(winner) {
				return winner, nil
			}
		case s == stop && h.spared():
			return h.spare, nil
		case s == stop:
			return nil, h.said
		case s == retry && !sleep(h.ctx, wait):
			return nil, errs.From(h.ctx.Err()).WithCause(h.said)
		}
	}
}

// compete asks a target, and others beside it if that is wanted and it lets us
// wait, until one answers or none is left.
func (h *hunt) compete(a *Attempt) (winner *Attempt, next step, wait time.Duration) {
	if h.hedged < h.job.Hedge.Most() && h.role == "" && len(h.queue) > 1 {
		return h.contest(a)
	}
	err := a.safely(h.op.try)
	if err == nil {
		return a, 0, 0
	}
	next, wait = h.fail(a, err, false)
	return nil, next, wait
}

// entrant is what is needed to begin an attempt.
type entrant struct {
	turn  turn
	role  string
	visit target.Visit
	asked *provider.Request
	embed *provider.EmbedRequest
	held  int // bytes of a stream that are held back until it is judged
	free  func()
}

// entrant says what a candidate is asked.
func (h *hunt) entrant(t turn, role string) *entrant {
	c := h.job.Order[t.place]
	in := &entrant{turn: t, role: role, visit: h.visit(t)}
	if h.op.name == opStream && h.judges(t) {
		in.held = h.job.JudgeBytes
	}
	switch {
	case h.op.name == opEmbed:
		request := *h.job.Embed
		request.Model = c.Model
		in.embed = &request
		return in
	case t.begun != "":
		in.asked = h.job.Source.ContinuationFor(c, t.begun)
	default:
		in.asked = h.job.Source.RequestFor(c)
	}
	request := *in.asked
	request.Model = c.Model
	in.asked = &request
	return in
}

// visit is what a target is told. Only the last one is worth waiting for while
// it wants to be left alone.
func (h *hunt) visit(t turn) target.Visit {
	c := h.job.Order[t.place]
	v := target.Visit{Model: c.Model, Tenant: h.job.Tenant, Tokens: h.job.Tokens, Degraded: c.Degraded}
	if !h.others(t) {
		v.Patience = h.runner.policy.MaxRetryAfter
	}
	return v
}

// enter begins an attempt, if the target lets it in; refused says why not. An
// error ends the request.
func (h *hunt) enter(ctx context.Context, in *entrant) (a *Attempt, refused *errs.Error, err error) {
	door := h.job.Order[in.turn.place].Target
	pass, err := door.Admit(ctx, in.visit)
	if err != nil {
		refused = errs.From(err)
		h.runner.metrics.Limited(ctx, door.Name, refused)
		return nil, refused, nil
	}
	a, err = h.begin(ctx, in, pass)
	return a, nil, err
}

// refuse keeps of the targets that were not asked the one that may be soonest.
func (h *hunt) refuse(e *errs.Error) {
	if h.refused == nil || e.RetryAfter > 0 && (h.refused.RetryAfter == 0 || e.RetryAfter < h.refused.RetryAfter) {
		h.refused = e
	}
}

// next is whose turn it is. Those who cannot do better leave the queue.
func (h *hunt) next() (turn, bool) {
	for len(h.queue) > 0 {
		if h.eligible(h.queue[0]) {
			return h.queue[0], true
		}
		h.queue = h.queue[1:]
	}
	return turn{}, false
}

// eligible says whether a candidate may be asked.
func (h *hunt) eligible(t turn) bool {
	c := h.job.Order[t.place]
	switch {
	case int(h.made.Load()) >= h.runner.policy.MaxAttempts, slices.Contains(h.silent, c.Target):
		return false
	case h.reads >= 0:
		return h.readsMore(c)
	}
	return true
}

// readsMore says whether a candidate may read a conversation that was too long
// for others. One of which nobody knows how much it reads may, if it is another
// model, and none is left that is known to.
func (h *hunt) readsMore(c *route.Candidate) bool {
	more := func(c *route.Candidate) bool { return c.Known != nil && c.Known.Context > h.reads }
	if c.Known != nil && c.Known.Context > 0 {
		return more(c)
	}
	return !slices.Contains(h.exceeded, c.Model) &&
		!slices.ContainsFunc(h.queue, func(t turn) bool { return more(h.job.Order[t.place]) })
}

// more says whether somebody is left to ask.
func (h *hunt) more() bool { return slices.ContainsFunc(h.queue, h.eligible) }

// others says whether somebody besides is left to ask.
func (h *hunt) others(t turn) bool {
	return slices.ContainsFunc(h.queue, func(other turn) bool { return other != t && h.eligible(other) })
}

func (h *hunt) drop(t turn) {
	h.queue = slices.DeleteFunc(h.queue, func(other turn) bool { return other == t })
}

// fail ends a failed attempt and says what follows; beside says that others run.
func (h *hunt) fail(a *Attempt, err error, beside bool) (step, time.Duration) {
	h.said = a.fault(err)
	h.tries[a.turn.place]++
	s, wait := h.judge(h.said, a.turn, beside)
	if h.drop(a.turn); s == retry {
		h.queue = slices.Insert(h.queue, 0, a.turn)
	}
	if s != stop && !beside && !h.more() {
		s = stop
	}
	a.log(h.said, s)
	a.End(End{Outcome: outcomeOf(h.said), Err: h.said, Last: s == stop})
	return s, wait
}

// judge decides what follows a failure: to stop, to go on, or to try again
// after a while.
func (h *hunt) judge(e *errs.Error, t turn, beside bool) (step, time.Duration) {
	c := h.job.Order[t.place]
	switch s := classOf(e).step; s {
	case stop:
		return stop, 0
	case reject:
		if h.role == RoleRecovery { // another target has taken the request already
			return advance, 0
		}
		return stop, 0
	case filter:
		if h.job.FailoverOn.Has(route.FailoverContentFilter) {
			return advance, 0
		}
		return stop, 0
	case larger:
		h.reads, h.exceeded = max(h.reads, 0), append(h.exceeded, c.Model)
		if c.Known != nil {
			h.reads = max(h.reads, c.Known.Context)
		}
	case silence:
		h.silent = append(h.silent, c.Target)
	case retry:
		if !beside {
			return h.again(e, t)
		}
	}
	return advance, 0
}

// again says whether a target is tried again, and when. While a client waits in
// the middle of its answer another target is the better choice.
func (h *hunt) again(e *errs.Error, t turn) (step, time.Duration) {
	target := h.job.Order[t.place].Target
	wait, ok := h.runner.policy.wait(e, h.tries[t.place]-1)
	deadline, bounded := h.ctx.Deadline()
	switch {
	case !ok, h.tries[t.place] >= target.MaxAttempts(), int(h.made.Load()) >= h.runner.policy.MaxAttempts,
		bounded && time.Until(deadline) <= wait, h.role == RoleRecovery && len(h.queue) > 1,
		!target.Monitors.AllowRetry(time.Now()):
		return advance, 0
	}
	return retry, wait
}

// exhausted is what the caller is told when nobody answered: what a target
// said, rather than why another was not asked.
func (h *hunt) exhausted() *errs.Error {
	switch {
	case h.said != nil:
		return h.said
	case h.refused == nil:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "no target is left to try")
	case h.refused.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:
		// Nobody was asked, so nothing is wrong with the request: it may come again.
		return errs.New(llmv1.ErrorReason_ERROR_REASON_OVERLOADED, "no target takes requests now").
			WithRetryAfter(h.refused.RetryAfter).WithCause(h.refused)
	default:
		return h.refused
	}
}

func outcomeOf(e *errs.Error) billingv1.Outcome {
	if e.Reason == llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		return billingv1.Outcome_OUTCOME_CANCELLED
	}
	return billingv1.Outcome_OUTCOME_FAILED
}

// sleep waits, unless the request ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
