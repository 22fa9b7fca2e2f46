package attempt

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Operations of a target.
const (
	opGenerate = "generate"
	opStream   = "stream"
	opEmbed    = "embed"
)

// Runner runs attempts. It is safe for concurrent use.
type Runner struct {
	policy  Policy
	log     *slog.Logger
	metrics *observe.Metrics
}

// NewRunner makes a runner.
func NewRunner(p Policy, log *slog.Logger, m *observe.Metrics) *Runner {
	return &Runner{policy: p, log: log, metrics: m}
}

// Generate asks for a whole answer. The attempt that answered is still open:
// whoever called ends it, once it is clear what became of the answer.
func (r *Runner) Generate(ctx context.Context, job *Job) (*Attempt, error) {
	return r.run(ctx, job, opGenerate, func(a *Attempt) error {
		a.Asked = job.request(&a.Candidate)
		answer, err := a.Candidate.Target.Adapter.Generate(a.ctx, a.Asked)
		if err != nil {
			return err
		}
		a.Answer, a.Reported = answer, answer.Completion.GetUsage()
		a.answer.ID, a.answer.Model = answer.Completion.GetId(), answer.Completion.GetModel()
		for _, c := range answer.Completion.GetCandidates() {
			a.answer.Finish = append(a.answer.Finish, c.GetFinishReason())
		}
		return nil
	})
}

// Embed asks for vectors. The attempt that answered is still open.
func (r *Runner) Embed(ctx context.Context, job *Job) (*Attempt, error) {
	return r.run(ctx, job, opEmbed, func(a *Attempt) error {
		request := *job.Embed
		request.Model = a.Candidate.Model
		a.Embedded = &request
		vectors, err := a.Candidate.Target.Adapter.Embed(a.ctx, &request)
		if err != nil {
			return err
		}
		if len(vectors.Vectors) != len(request.Inputs) {
			return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
				"the provider answered %d vectors for %d texts", len(vectors.Vectors), len(request.Inputs))
		}
		a.Vectors, a.Reported, a.answer.Model = vectors, vectors.Usage, vectors.Model
		return nil
	})
}

// Open asks for a stream and reads it up to its first content, so that until
// then another target can take over unseen. The attempt is still open.
func (r *Runner) Open(ctx context.Context, job *Job) (*Stream, error) {
	var s *Stream
	_, err := r.run(ctx, job, opStream, func(a *Attempt) error {
		s = &Stream{Attempt: a}
		return s.open(job.request(&a.Candidate))
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// run tries the candidates in their order until try succeeds.
func (r *Runner) run(ctx context.Context, job *Job, operation string, try func(*Attempt) error) (*Attempt, error) {
	var failure *errs.Error
	number := 0
	for i := range job.Order {
		left := job.Order[i].Target.MaxAttempts()
		for n := 0; n < left && number < r.policy.MaxAttempts; n++ {
			c := &job.Order[i]
			pass, err := c.Target.Admit(ctx, r.visit(job, i))
			if err != nil {
				failure = refused(failure, errs.From(err))
				break
			}
			number++
			a, err := r.begin(ctx, job, operation, *c, pass, number)
			if err != nil {
				return nil, err
			}
			if err = a.safely(try); err == nil {
				return a, nil
			}
			failure = a.fault(err)
			next, wait := r.next(failure, n, left)
			exhausted := number >= r.policy.MaxAttempts || next == advance && i == len(job.Order)-1
			if exhausted {
				next = stop
			}
			a.log(failure, next)
			a.End(End{Outcome: outcomeOf(failure), Err: failure, Last: next == stop})
			if next == stop {
				return nil, failure
			}
			if next == advance {
				break
			}
			if !sleep(ctx, wait) {
				return nil, errs.From(ctx.Err()).WithCause(failure)
			}
		}
	}
	if failure == nil {
		failure = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "no target is left to try")
	}
	return nil, failure
}

// visit is what the i-th candidate's target is told. Only the last one is worth
// waiting for while it wants to be left alone.
func (r *Runner) visit(job *Job, i int) target.Visit {
	c := &job.Order[i]
	v := target.Visit{Model: c.Model, Tenant: job.Tenant, Tokens: job.Tokens, Degraded: c.Degraded}
	if i == len(job.Order)-1 {
		v.Patience = r.policy.MaxRetryAfter
	}
	return v
}

// refused keeps what says most about why no target answered: what one of them
// said, rather than that another was not asked.
func refused(said, now *errs.Error) *errs.Error {
	if said != nil {
		return said
	}
	return now
}

// next decides what follows a failure; n retries of the target were made.
func (r *Runner) next(e *errs.Error, n, left int) (step, time.Duration) {
	s := stepAfter(e)
	if s != retry {
		return s, 0
	}
	wait, ok := r.policy.wait(e, n)
	if !ok || n+1 >= left {
		return advance, 0
	}
	return retry, wait
}

func outcomeOf(e *errs.Error) billingv1.Outcome {
	if e.Reason == llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		return billingv1.Outcome_OUTCOME_CANCELLED
	}
	return billingv1.Outcome_OUTCOME_FAILED
}

// safely turns a panic of an adapter into an error, so that the attempt is
// settled and another target may answer.
func (a *Attempt) safely(try func(*Attempt) error) (err error) {
	defer a.recover(&err)
	return try(a)
}

func (a *Attempt) recover(err *error) {
	if p := recover(); p != nil {
		a.runner.log.ErrorContext(a.outer, "adapter panicked", slog.String("target", a.Candidate.Target.Name),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		*err = errs.Internal(fmt.Errorf("adapter panicked: %v", p))
	}
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

// request is what a candidate is asked.
func (j *Job) request(c *route.Candidate) *provider.Request {
	request := *j.Source.RequestFor(c)
	request.Model = c.Model
	return &request
}

// openReader calls the adapter's Stream.
func (a *Attempt) openReader(r *provider.Request) (stream.Reader, error) {
	a.Asked = r
	return a.Candidate.Target.Adapter.Stream(a.ctx, r)
}
