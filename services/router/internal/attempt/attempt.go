// Package attempt asks the targets of a request, one after the other, until
// one answers: retries with backoff, timeouts, fallback.
package attempt

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Ledger is told of the attempts of one request.
type Ledger interface {
	// Begin is called before the target is. An error ends the request.
	Begin(ctx context.Context, a *Attempt) error
	// End is called exactly once for each attempt that Begin took.
	End(ctx context.Context, a *Attempt, end End)
}

// Source says what a candidate is asked: targets differ in what they can be told.
type Source interface {
	// RequestFor is called once for each attempt. What it returns is not changed.
	RequestFor(*route.Candidate) *provider.Request
}

// End says how an attempt ended.
type End struct {
	Outcome billingv1.Outcome
	// Err is why it failed; nil for a success.
	Err error
	// Last is true if the request makes no further attempt.
	Last bool
}

// Job is what a request wants of its targets.
type Job struct {
	// Order holds the candidates in the order in which they are tried.
	Order []route.Candidate
	// Source says what to ask; the request's Model is set for each attempt.
	Source Source
	// Embed is what to ask for vectors; likewise.
	Embed *provider.EmbedRequest
	// Ledger is told of every attempt.
	Ledger Ledger
	// Tenant is the organisation that asks, and Tokens the most that an attempt
	// may use.
	Tenant string
	Tokens int64
}

// Attempt is one call of one target. It belongs to one goroutine.
type Attempt struct {
	// Number counts the attempts of the request, from 1.
	Number int
	// Candidate is what is called.
	Candidate route.Candidate
	// Streamed is true if the answer is streamed.
	Streamed bool
	// StartTime is when it began; FirstContent when the first content came, zero
	// before; EndTime when it ended.
	StartTime, FirstContent, EndTime time.Time
	// Reported is the usage as the provider reported it; nil before.
	Reported *llmv1.Usage
	// Asked is what the target was asked; nil for vectors, and before.
	Asked *provider.Request
	// Embedded is what it was asked for vectors of.
	Embedded *provider.EmbedRequest
	// Written counts what the target wrote, as far as a stream was read.
	Written tokens.Written
	// Answer is the whole answer, if it was not streamed.
	Answer *provider.Answer
	// Vectors are the vectors, if those were asked for.
	Vectors *provider.Embeddings

	runner    *Runner
	ledger    Ledger
	operation string
	outer     context.Context // the request's, with the attempt's span
	ctx       context.Context // the target's: cancelled when the attempt ends
	cancel    context.CancelCauseFunc
	watch     watchdog
	spans     [2]trace.Span // router.attempt and, below it, the client's
	usage     llmv1.Usage   // what Reported points at for streams
	answer    observe.Answer
	failure   *errs.Error
	release   func()
	pass      target.Pass
	ended     bool
}

// begin starts the clock, the spans and the ledger's entry.
func (r *Runner) begin(ctx context.Context, job *Job, operation string, c route.Candidate, pass target.Pass, number int) (*Attempt, error) {
	a := &Attempt{
		Number: number, Candidate: c, StartTime: time.Now(), Written: tokens.NewWritten(c.Tokenizer(), c.Model),
		Streamed: operation == opStream, runner: r, ledger: job.Ledger, operation: operation, pass: pass,
	}
	if err := job.Ledger.Begin(ctx, a); err != nil {
		pass.Leave(health.End{Time: time.Now()}, 0)
		return nil, err
	}
	a.outer, a.spans[0] = observe.StartAttempt(ctx, number, c.Target.Name)
	if pass.Probe() {
		observe.MarkProbe(a.spans[0])
	}
	client, span := observe.StartCall(a.outer, a.call())
	a.spans[1] = span
	a.ctx, a.cancel = context.WithCancelCause(c.Target.Faults.Context(client))
	a.watch.start(a.StartTime, c.Target.Timeouts, a.Streamed, a.cancel)
	return a, nil
}

func (a *Attempt) call() observe.Call {
	operation := "chat"
	if a.operation == opEmbed {
		operation = "embeddings"
	}
	return observe.Call{
		Operation: operation, Provider: a.Candidate.Target.Provider,
		Model: a.Candidate.Model, Target: a.Candidate.Target.Name,
	}
}

// End ends the attempt; only the first call counts. It frees the connection.
func (a *Attempt) End(end End) {
	if a.Ended() {
		return
	}
	a.ended = true
	a.EndTime = time.Now()
	a.watch.stop()
	a.cancel(nil)
	if a.release != nil {
		a.release()
	}
	var first time.Duration
	if !a.FirstContent.IsZero() {
		first = a.FirstContent.Sub(a.StartTime)
	}
	a.ledger.End(a.outer, a, end)
	verdict, until := judge(end, a.EndTime)
	event, changed := a.pass.Leave(health.End{
		Verdict: verdict, Until: until,
		Time: a.EndTime, Duration: a.EndTime.Sub(a.StartTime), FirstContent: first, Streamed: a.Streamed,
	}, tokens.Total(a.answer.Usage))
	if changed {
		observe.MarkCircuit(a.spans[0], event)
	}
	a.Written.Release()
	a.answer.Outcome, a.answer.Err = end.Outcome, end.Err
	a.answer.FirstContent, a.answer.Duration = first, a.EndTime.Sub(a.StartTime)
	a.runner.metrics.Record(a.outer, a.call(), &a.answer)
	observe.EndCall(a.spans[1], &a.answer)
	observe.EndAttempt(a.spans[0], &a.answer)
}

// Ended says whether End was called, or there is nothing to end.
func (a *Attempt) Ended() bool { return a == nil || a.ended }

// SetUsage tells telemetry what the ledger wrote down.
func (a *Attempt) SetUsage(u *llmv1.Usage) { a.answer.Usage = u }

// judge says what an end says about the target, and when one that limits us
// wants to be asked again.
func judge(end End, now time.Time) (v health.Verdict, until time.Time) {
	switch {
	case end.Outcome == billingv1.Outcome_OUTCOME_SUCCEEDED, end.Outcome == billingv1.Outcome_OUTCOME_BLOCKED:
		return health.Good, until
	case end.Outcome != billingv1.Outcome_OUTCOME_FAILED || !blames(end.Err):
		return health.Neutral, until
	}
	switch e := errs.From(end.Err); e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:
		return health.Denied, until
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:
		if e.RetryAfter > 0 {
			until = now.Add(e.RetryAfter)
		}
		return health.Throttled, until
	default:
		return health.Bad, until
	}
}

// fault sees an adapter's error as what it means for the request.
func (a *Attempt) fault(err error) *errs.Error {
	if cause := a.outer.Err(); cause != nil {
		return errs.From(cause).WithCause(err)
	}
	if timeout, ok := context.Cause(a.ctx).(*errs.Error); ok {
		return timeout.WithCause(err)
	}
	e := errs.From(err)
	switch e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_CANCELLED:
		// Nobody here cancelled: the connection was.
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "").WithCause(err)
	case llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "").WithCause(err)
	}
	return e
}

// log writes down a failed attempt. The cause may hold addresses, never keys.
func (a *Attempt) log(err *errs.Error, next step) {
	if err.Reason == llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		return
	}
	a.runner.log.WarnContext(a.outer, "attempt failed", slog.String("target", a.Candidate.Target.Name),
		slog.Int("attempt", a.Number), slog.String("next", next.String()), slog.Any("error", err))
}

// Complete says whether the target wrote its answer to the end.
func (a *Attempt) Complete() bool {
	return a.Answer != nil || a.Vectors != nil || len(a.answer.Finish) > 0
}
