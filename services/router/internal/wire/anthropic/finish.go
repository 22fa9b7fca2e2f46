package anthropic

import llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"

// finishReason reads why an answer ended. A reason that is not known ended it
// all the same.
func finishReason(name []byte) llmv1.FinishReason {
	switch string(name) {
	case "max_tokens", "model_context_window_exceeded":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_use":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	case "refusal":
		return llmv1.FinishReason_FINISH_REASON_REFUSAL
	case "pause_turn":
		return llmv1.FinishReason_FINISH_REASON_PAUSE
	case "content_filtered", "guardrail_intervened": // Bedrock's
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	default:
		return llmv1.FinishReason_FINISH_REASON_STOP
	}
}

// finishName writes why an answer ended. What a filter stops is a refusal: the
// format has no other word for it.
func finishName(reason llmv1.FinishReason, stop string) string {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		return "max_tokens"
	case llmv1.FinishReason_FINISH_REASON_TOOL_CALLS:
		return "tool_use"
	case llmv1.FinishReason_FINISH_REASON_REFUSAL, llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER:
		return "refusal"
	case llmv1.FinishReason_FINISH_REASON_PAUSE:
		return "pause_turn"
	}
	if stop != "" {
		return "stop_sequence"
	}
	return "end_turn"
}
