// Package attempt asks the targets of a request, one after the other, until
// one answers: retries with backoff, timeouts, fallback.
package attempt

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Attempt is one call of one target. It belongs to one goroutine at a time.
type Attempt struct {
	// Number counts the attempts of the request, from 1.
	Number int
	// Role is what it is besides a plain attempt; empty if nothing.
	Role string
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
	turn      turn
	source    *source         // of a stream
	judged    int             // bytes of it that are held back until it is judged
	outer     context.Context // the request's, with the attempt's span
	ctx       context.Context // the target's: cancelled when the attempt ends
	cancel    context.CancelCauseFunc
	watch     watchdog
	spans     [2]trace.Span // router.attempt and, below it, the client's
	usage     llmv1.Usage   // what Reported points at for streams
	answer    observe.Answer
	release   func() // frees the reader
	free      func() // frees the context of an attempt beside others
	pass      target.Pass
	ended     bool
}

// begin starts the clock, the spans and the ledger's entry of an attempt that
// was let in.
func (h *hunt) begin(ctx context.Context, in *entrant, pass target.Pass) (*Attempt, error) {
	c := h.job.Order[in.turn.place]
	a := &Attempt{
		Number: int(h.made.Add(1)), Role: in.role, Candidate: *c, StartTime: time.Now(),
		Written: tokens.NewWritten(c.Tokenizer(), c.Model), Streamed: h.op.name == opStream, Asked: in.asked, Embedded: in.embed,
		runner: h.runner, ledger: h.job.Ledger, operation: h.op.name, turn: in.turn, judged: in.held, pass: pass, free: in.free,
	}
	if err := h.job.Ledger.Begin(ctx, a); err != nil {
		pass.Leave(health.End{Time: time.Now()}, 0)
		return nil, err
	}
	a.outer, a.spans[0] = observe.StartAttempt(ctx, a.Number, c.Target.Name, a.Role)
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
	for _, free := range []func(){a.release, a.free} {
		if free != nil {
			free()
		}
	}
	var first time.Duration
	if !a.FirstContent.IsZero() {
		first = a.FirstContent.Sub(a.StartTime)
	}
	a.ledger.End(a.outer, a, end)
	verdict, until := verdict(end, a.EndTime)
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
