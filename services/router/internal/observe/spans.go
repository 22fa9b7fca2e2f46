// Package observe holds the names under which the router shows itself in
// traces and metrics: OpenTelemetry's GenAI semantic conventions, and our own
// under tollgate. No content of prompts or answers is among them.
package observe

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Call is a call of a target.
type Call struct {
	Operation string // chat or embeddings
	Provider  string
	Model     string
	Target    string
}

// StartAttempt begins the span of an attempt; role is what it is besides a
// plain one.
func StartAttempt(ctx context.Context, number int, target, role string) (context.Context, trace.Span) {
	ctx, span := telemetry.Start(ctx, "router.attempt")
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("tollgate.attempt", number), attribute.String("tollgate.target", target))
		if role != "" {
			span.SetAttributes(attribute.String("tollgate.role", role))
		}
	}
	return ctx, span
}

// EndAttempt ends it.
func EndAttempt(span trace.Span, a *Answer) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("tollgate.outcome", outcomeName(a.Outcome)))
	}
	telemetry.End(span, a.Err)
}

const scope = "github.com/tollgate/tollgate/services/router"

// StartCall begins the client span of a call.
func StartCall(ctx context.Context, c Call) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, parent // nothing would be recorded below either
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, c.Operation+" "+c.Model,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("gen_ai.operation.name", c.Operation),
			attribute.String("gen_ai.provider.name", providerName(c.Provider)),
			attribute.String("gen_ai.request.model", c.Model),
			attribute.String("tollgate.target", c.Target),
		))
}

// EndCall ends the span of a call with what came of it.
func EndCall(span trace.Span, a *Answer) {
	if !span.IsRecording() {
		return // StartCall began none
	}
	if a.Model != "" {
		span.SetAttributes(attribute.String("gen_ai.response.model", a.Model))
	}
	if a.ID != "" {
		span.SetAttributes(attribute.String("gen_ai.response.id", a.ID))
	}
	if a.Usage != nil {
		span.SetAttributes(
			attribute.Int64("gen_ai.usage.input_tokens", tokens.Input(a.Usage)),
			attribute.Int64("gen_ai.usage.output_tokens", tokens.Total(a.Usage)-tokens.Input(a.Usage)),
			attribute.String("tollgate.usage_source", sourceName(a.Usage.GetSource())))
	}
	if len(a.Finish) > 0 {
		reasons := make([]string, len(a.Finish))
		for i, r := range a.Finish {
			reasons[i] = finishName(r)
		}
		span.SetAttributes(attribute.StringSlice("gen_ai.response.finish_reasons", reasons))
	}
	telemetry.End(span, a.Err)
}

// providerName gives a provider its name in the semantic conventions.
func providerName(provider string) string {
	switch provider {
	case "openai", "anthropic":
		return provider
	case "azure":
		return "azure.ai.openai"
	case "bedrock":
		return "aws.bedrock"
	case "vertex":
		return "gcp.vertex_ai"
	case "gemini":
		return "gcp.gemini"
	default:
		return provider
	}
}

func finishName(r llmv1.FinishReason) string { return lower(r.String(), "FINISH_REASON_") }

func sourceName(s llmv1.UsageSource) string { return lower(s.String(), "USAGE_SOURCE_") }

func lower(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
