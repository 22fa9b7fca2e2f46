package settle

import (
	"errors"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// usageOf says what an attempt used, how we know, and, where it is estimated,
// what counted it.
func usageOf(a *attempt.Attempt, end attempt.End) (u *llmv1.Usage, tokenizer string) {
	switch {
	case a.Reported != nil && a.Complete():
		u = proto.Clone(a.Reported).(*llmv1.Usage)
		u.Source = llmv1.UsageSource_USAGE_SOURCE_PROVIDER
		return u, ""
	case a.Reported != nil:
		return partial(a)
	case a.Complete() || spends(end):
		in, out := read(a), written(a)
		return &llmv1.Usage{
			InputTokens: in.Tokens, OutputTokens: out.Tokens,
			Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED,
		}, in.Tokenizer
	default:
		return &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_NONE}, ""
	}
}

// partial is for a stream that was cut after the provider had reported
// something, as some do at the beginning: its input is right, its output is
// what had been counted by then, or what we read if that is more.
func partial(a *attempt.Attempt) (*llmv1.Usage, string) {
	u := proto.Clone(a.Reported).(*llmv1.Usage)
	u.Source = llmv1.UsageSource_USAGE_SOURCE_ESTIMATED
	out := written(a)
	if known := u.OutputTokens + u.ReasoningTokens + u.OutputAudioTokens; known < out.Tokens {
		u.OutputTokens += out.Tokens - known
	}
	return u, out.Tokenizer
}

// read counts what the target was asked, by its own model's tokenizer.
func read(a *attempt.Attempt) tokens.Counted {
	tokenizer, model := a.Candidate.Tokenizer(), a.Candidate.Model
	switch {
	case a.Asked != nil:
		return tokens.Count(tokenizer, model, tokens.Brief, a.Asked.Conversation, a.Asked.Context)
	case a.Embedded != nil:
		return tokens.CountTexts(tokenizer, model, tokens.Brief, a.Embedded.Inputs...)
	default: // it broke before it was asked
		return tokens.Counted{Tokenizer: tokenizer}
	}
}

// written counts what the target wrote, delivered or not.
func written(a *attempt.Attempt) tokens.Counted {
	if a.Answer == nil {
		return a.Written.Count()
	}
	messages := make([]*llmv1.Message, 0, 1)
	for _, c := range a.Answer.Completion.GetCandidates() {
		messages = append(messages, c.GetMessage())
	}
	return tokens.CountMessages(a.Candidate.Tokenizer(), a.Candidate.Model, tokens.Brief, messages)
}

// spends says whether an attempt that ended without an answer, and without a
// report, may have been charged for. A refusal is free with every provider; one
// who answers too late, or whom we leave, has read the prompt.
func spends(end attempt.End) bool {
	if end.Outcome != billingv1.Outcome_OUTCOME_FAILED {
		return true
	}
	if errors.Is(end.Err, provider.ErrUnreached) {
		return false
	}
	switch errs.From(end.Err).Reason {
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_INTERNAL:
		return true
	default:
		return false
	}
}
