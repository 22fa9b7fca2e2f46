package settle

import (
	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// usageOf says what an attempt used, and how we know.
func usageOf(a *attempt.Attempt, end attempt.End, input int64) *llmv1.Usage {
	switch {
	case a.Reported != nil && a.Complete():
		u := proto.Clone(a.Reported).(*llmv1.Usage)
		u.Source = llmv1.UsageSource_USAGE_SOURCE_PROVIDER
		return u
	case a.Reported != nil:
		return partial(a)
	case a.Complete() || spends(end):
		return &llmv1.Usage{
			InputTokens: input, OutputTokens: written(a),
			Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED,
		}
	default:
		return &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_NONE}
	}
}

// partial is for a stream that was cut after the provider had reported
// something, as some do at the beginning: its input is right, its output is
// what had been counted by then, or what we read if that is more.
func partial(a *attempt.Attempt) *llmv1.Usage {
	u := proto.Clone(a.Reported).(*llmv1.Usage)
	u.Source = llmv1.UsageSource_USAGE_SOURCE_ESTIMATED
	if known := u.OutputTokens + u.ReasoningTokens + u.OutputAudioTokens; known < written(a) {
		u.OutputTokens += written(a) - known
	}
	return u
}

// written estimates what the target wrote, delivered or not.
func written(a *attempt.Attempt) int64 {
	if a.Answer == nil {
		return a.Written.Tokens()
	}
	total := int64(0)
	for _, c := range a.Answer.Completion.GetCandidates() {
		total += tokens.Message(a.Candidate.Model, c.GetMessage())
	}
	return total
}

// spends says whether an attempt that ended without an answer, and without a
// report, may have been charged for. A refusal is free with every provider; one
// who answers too late, or whom we leave, has read the prompt.
func spends(end attempt.End) bool {
	if end.Outcome != billingv1.Outcome_OUTCOME_FAILED {
		return true
	}
	switch errs.From(end.Err).Reason {
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_INTERNAL:
		return true
	default:
		return false
	}
}
