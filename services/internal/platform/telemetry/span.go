package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Start begins a span below the one in ctx, in the same service. Without one
// in ctx, or below one that records nothing, the span records nothing. Always
// End it.
func Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, silent
	}
	tracer := parent.TracerProvider().Tracer(scope)
	if len(attrs) == 0 {
		return tracer.Start(ctx, name)
	}
	return tracer.Start(ctx, name, trace.WithAttributes(attrs...))
}

// silent takes whatever is told to a span that nobody keeps.
var silent = trace.SpanFromContext(context.Background())

// End finishes a span. An error marks it failed with the reason and the
// public text; cancellation by the caller is not a failure.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_CANCELLED {
			span.SetStatus(codes.Error, e.Message)
			span.SetAttributes(attribute.String("error.type", e.ReasonName()))
		} else {
			span.SetAttributes(attribute.Bool("tollgate.cancelled", true))
		}
	}
	span.End()
}
