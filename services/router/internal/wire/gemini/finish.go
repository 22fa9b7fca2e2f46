package gemini

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// malformedCall ends an answer whose call makes no sense.
const malformedCall = "MALFORMED_FUNCTION_CALL"

// finishReason reads why an answer ended. broken is true if what there is of it
// is no answer. Reasons that are not known stopped it before its end: it must
// not look complete.
func finishReason(name []byte) (reason llmv1.FinishReason, broken bool) {
	switch string(name) {
	case "", "FINISH_REASON_UNSPECIFIED":
		return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED, false
	case "STOP":
		return llmv1.FinishReason_FINISH_REASON_STOP, false
	case "MAX_TOKENS":
		return llmv1.FinishReason_FINISH_REASON_LENGTH, false
	case "CONTINUATION":
		return llmv1.FinishReason_FINISH_REASON_PAUSE, false
	case malformedCall, "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE":
		return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED, true
	default: // SAFETY, RECITATION, LANGUAGE, BLOCKLIST, PROHIBITED_CONTENT, SPII, OTHER, …
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, false
	}
}

// finishName writes why an answer ended. Calls are a plain stop: the format
// says them by the parts.
func finishName(reason llmv1.FinishReason) string {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_STOP, llmv1.FinishReason_FINISH_REASON_TOOL_CALLS:
		return "STOP"
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		return "MAX_TOKENS"
	case llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, llmv1.FinishReason_FINISH_REASON_REFUSAL:
		return "SAFETY"
	default:
		return "OTHER"
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
