package pipeline

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
)

// guardOutput checks a whole answer, and masks what must not reach the client.
func guardOutput(ctx context.Context, r *request) (err error) {
	on, err := r.guards(ctx, guardrailv1.Direction_DIRECTION_OUTPUT)
	if err != nil || !on {
		return err
	}
	var texts []conversation.Text
	for _, c := range r.attempt.Answer.Completion.GetCandidates() {
		texts = append(texts, conversation.AnswerTexts(c.GetMessage())...)
	}
	if len(texts) == 0 {
		return nil
	}
	ctx, span := telemetry.Start(ctx, "router.guard_output")
	defer func() { telemetry.End(span, err) }()
	contents := make([]*guardrailv1.Content, len(texts))
	for i, t := range texts {
		contents[i] = &guardrailv1.Content{Kind: t.Kind, Text: *t.Value}
	}
	revisions, blocked, err := r.check(ctx, guardrailv1.Direction_DIRECTION_OUTPUT, contents)
	span.SetAttributes(attribute.Int("tollgate.guardrail.texts", len(texts)),
		attribute.Int("tollgate.guardrail.revised", len(revisions)))
	switch {
	case err != nil && unavailable(ctx, err) && r.pipeline.options.GuardrailOpen:
		r.note(ctx, span, "answer passed unchecked: guardrail is unavailable", err)
		return nil
	case err != nil:
		return guardrailError(ctx, err)
	case blocked != nil:
		return outputBlocked(blocked)
	}
	for i, text := range revisions {
		*texts[i].Value = text
	}
	if len(revisions) > 0 {
		// The provider's own bytes still hold what was masked.
		r.attempt.Answer.Native, r.attempt.Answer.Dialect = nil, ""
	}
	return nil
}

func outputBlocked(checks []string) error {
	return blockedError(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, "a guardrail policy stopped the answer", checks)
}
