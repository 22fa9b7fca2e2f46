package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// finishReason reads why an answer ended. A reason that is not known ended it
// all the same.
func finishReason(name []byte) llmv1.FinishReason {
	switch string(name) {
	case "length":
		return llmv1.FinishReason_FINISH_REASON_LENGTH
	case "tool_calls", "function_call":
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	case "content_filter":
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	default:
		return llmv1.FinishReason_FINISH_REASON_STOP
	}
}

// refused turns a plain stop behind a refusal into what it is.
func refused(reason llmv1.FinishReason, refusal bool) llmv1.FinishReason {
	if refusal && reason == llmv1.FinishReason_FINISH_REASON_STOP {
		return llmv1.FinishReason_FINISH_REASON_REFUSAL
	}
	return reason
}

// finishName writes why an answer ended. A refusal is a plain stop: the format
// says it by the member that the text stands in.
func finishName(reason llmv1.FinishReason) string {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_LENGTH, llmv1.FinishReason_FINISH_REASON_PAUSE:
		// A turn that was paused is not complete; native_finish_reason says which it is.
		return "length"
	case llmv1.FinishReason_FINISH_REASON_TOOL_CALLS:
		return "tool_calls"
	case llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER:
		return "content_filter"
	default:
		return "stop"
	}
}

const pause = "pause"

// paused says whether native_finish_reason, the provider's own word beside the
// format's, is that of a paused turn.
func paused(name []byte) bool { return string(name) == pause || string(name) == "pause_turn" }

// appendEnd writes what the finish reason itself cannot say: that the turn is
// paused, and which stop text ended it (as vLLM does).
func appendEnd(dst []byte, reason llmv1.FinishReason, stop string) []byte {
	if reason == llmv1.FinishReason_FINISH_REASON_PAUSE {
		dst = append(dst, `,"native_finish_reason":"`+pause+`"`...)
	}
	if stop != "" {
		dst = append(dst, `,"stop_reason":`...)
		dst = jsonscan.AppendString(dst, stop)
	}
	return dst
}
