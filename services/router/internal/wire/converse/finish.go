package converse

import llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"

// finishReason reads why an answer ended. A reason that is not known ended it
// all the same. What the model wrote malformed is not a whole answer.
func finishReason(name []byte) llmv1.FinishReason {
	switch string(name) {
	case "max_tokens", "model_context_window_exceeded", "malformed_model_output", "malformed_tool_use":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_use":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	case "guardrail_intervened", "content_filtered":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	case "refusal":
		return llmv1.FinishReason_FINISH_REASON_REFUSAL
	case "pause_turn":
		return llmv1.FinishReason_FINISH_REASON_PAUSE
	default:
		return llmv1.FinishReason_FINISH_REASON_STOP
	}
}

// finishName writes why an answer ended; stop is the stop text that ended it.
func finishName(reason llmv1.FinishReason, stop string) string {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		return "max_tokens"
	case llmv1.FinishReason_FINISH_REASON_TOOL_CALLS:
		return "tool_use"
	case llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, llmv1.FinishReason_FINISH_REASON_REFUSAL:
		return "content_filtered" // a refusal has no name of its own
	case llmv1.FinishReason_FINISH_REASON_PAUSE:
		return "pause_turn"
	}
	if stop != "" {
		return "stop_sequence"
	}
	return "end_turn"
}
