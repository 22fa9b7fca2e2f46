package pipeline

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
)

// RuleCounter counts requests for which the condition of a route's rule had no answer.
type RuleCounter interface {
	RuleFault(ctx context.Context, route, rule string)
}

// decide puts the candidates in the order in which they are tried.
func decide(ctx context.Context, r *request) error {
	_, span := telemetry.Start(ctx, "router.route")
	r.decision.Decide()
	for _, f := range r.decision.RuleFaults() {
		span.AddEvent("rule had no answer", trace.WithAttributes(
			attribute.String("tollgate.rule", f.Rule), attribute.String("error.message", f.Err.Error())))
		if counter := r.pipeline.peers.Rules; counter != nil {
			counter.RuleFault(ctx, r.decision.Entry.Model, f.Rule)
		}
	}
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("tollgate.route", r.decision.Entry.Model),
			attribute.String("tollgate.route.strategy", r.decision.Entry.Strategy),
			attribute.Int("tollgate.route.candidates", len(r.decision.Order)),
			attribute.Int("tollgate.route.rejected", len(r.decision.Rejected())),
			attribute.String("tollgate.route.chosen", r.decision.Order[0].Target.Name),
			attribute.String("tollgate.route.reason", r.decision.Reason()),
			attribute.Float64("tollgate.route.confidence", r.decision.Confidence))
		if r.decision.Degraded {
			span.SetAttributes(attribute.Bool("tollgate.route.degraded", true))
		}
		if task := r.decision.Task(); task != "" {
			span.SetAttributes(attribute.String("tollgate.route.task", task))
		}
		if cost := r.decision.Order[0].Cost; cost >= 0 {
			span.SetAttributes(attribute.Int64("tollgate.route.likely_cost_nanousd", cost))
		}
		if rules := r.decision.Rules(); rules != nil {
			span.SetAttributes(attribute.StringSlice("tollgate.route.rules", rules))
		}
	}
	telemetry.End(span, nil)
	return nil
}

// job is what the request wants of its targets.
func (r *request) job() *attempt.Job {
	r.ledger = settling.NewLedger(r.accounts(), r.pipeline.peers.Recorder, r.pipeline.log)
	job := &attempt.Job{
		Order: r.decision.Order, Ledger: r.watch.over(r.ledger), Embed: r.texts,
		Tenant: r.principal.Organization, Tokens: r.estimate.Worst(),
		Hedge: r.decision.Entry.Hedge, Recovery: r.decision.Entry.Recovery, FailoverOn: r.decision.Entry.FailoverOn,
		Judge: r.decision.Entry.Judge(r.conversation), JudgeBytes: r.decision.Entry.Cascade.Bytes(),
	}
	if r.texts == nil {
		job.Source = r
	}
	return job
}

// accounts is what the records of the request have in common.
func (r *request) accounts() settling.Request {
	return settling.Request{
		ID: r.id, Scopes: r.scopes, Model: r.model, Metadata: r.conversation.GetMetadata(),
		Hold: r.hold, Estimate: r.estimate,
	}
}

// ask tries targets until one answers.
func ask(ctx context.Context, r *request) (err error) {
	if r.attempt, err = r.pipeline.runner.Generate(ctx, r.job()); err != nil {
		return err
	}
	r.answer = r.attempt.Answer
	if completion := r.answer.Completion; completion.GetId() == "" {
		completion.Id = r.id // not every provider names its answers, and clients look for it
	}
	return nil
}

// open tries targets until one sends content.
func open(ctx context.Context, r *request) (err error) {
	if r.stream, err = r.pipeline.runner.Open(ctx, r.job()); err != nil {
		return err
	}
	r.attempt = r.stream.Attempt
	return nil
}

// embed tries targets until one answers.
func embed(ctx context.Context, r *request) (err error) {
	r.attempt, err = r.pipeline.runner.Embed(ctx, r.job())
	return err
}
