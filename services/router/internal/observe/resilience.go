package observe

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// How streams are recovered.
const (
	// Replayed: the request was put again, and what the client had was left out.
	Replayed = "replay"
	// Prefilled: what the client had was given as the beginning of the answer.
	Prefilled = "prefill"
)

// rescues count what routing does besides asking one target after the other.
type rescues struct{ hedges, recoveries metric.Int64Counter }

func (r *rescues) make(m metric.Meter) error {
	var errHedges, errRecoveries error
	r.hedges, errHedges = m.Int64Counter("tollgate.router.hedges", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts that were begun beside another, by target."))
	r.recoveries, errRecoveries = m.Int64Counter("tollgate.router.recoveries", metric.WithUnit("{recovery}"),
		metric.WithDescription("Streams that broke off and that another attempt went on with, by its target."))
	return errors.Join(errHedges, errRecoveries)
}

// Limited notes that a target's own limits did not let a request through to it:
// its quota, its places, or the queue for those. Other refusals (an open circuit,
// a caller that has left) are none of that, and name no limit.
func (m *Metrics) Limited(ctx context.Context, target string, refused *errs.Error) {
	limit, ok := refused.Metadata["limit"]
	if !ok {
		return
	}
	attributes := []attribute.KeyValue{attribute.String("tollgate.target", target), attribute.String("tollgate.reason", limit)}
	m.limited.Add(ctx, 1, metric.WithAttributes(attributes...))
	trace.SpanFromContext(ctx).AddEvent("target limited", trace.WithAttributes(attributes...))
}

// Hedged notes that a target is asked beside another.
func (m *Metrics) Hedged(ctx context.Context, target string) {
	at := attribute.String("tollgate.target", target)
	m.rescues.hedges.Add(ctx, 1, metric.WithAttributes(at))
	trace.SpanFromContext(ctx).AddEvent("hedge", trace.WithAttributes(at))
}

// Recovered notes that a target goes on with a stream that broke off.
func (m *Metrics) Recovered(ctx context.Context, target, how string) {
	attributes := []attribute.KeyValue{attribute.String("tollgate.target", target), attribute.String("tollgate.recovery", how)}
	m.rescues.recoveries.Add(ctx, 1, metric.WithAttributes(attributes...))
	trace.SpanFromContext(ctx).AddEvent("stream recovered", trace.WithAttributes(attributes...))
}
