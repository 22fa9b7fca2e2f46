package titan

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// finishReasons are what the service writes, which is not in every case what
// its documentation lists.
var finishReasons = map[llmv1.FinishReason]string{
	llmv1.FinishReason_FINISH_REASON_STOP:           "FINISH",
	llmv1.FinishReason_FINISH_REASON_TOOL_CALLS:     "FINISH",
	llmv1.FinishReason_FINISH_REASON_LENGTH:         "LENGTH",
	llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER: "CONTENT_FILTERED",
	llmv1.FinishReason_FINISH_REASON_REFUSAL:        "CONTENT_FILTERED",
	llmv1.FinishReason_FINISH_REASON_PAUSE:          "LENGTH",
}

// finish is the reason as a JSON value; null while there is none.
func finish(reason llmv1.FinishReason, stop string) string {
	text, ok := finishReasons[reason]
	switch {
	case !ok:
		return "null"
	case stop != "":
		return `"STOP_CRITERIA_MET"`
	}
	return strconv.Quote(text)
}

// InputTokens are all tokens that were read.
func InputTokens(u *llmv1.Usage) int64 {
	return u.GetInputTokens() + u.GetCacheReadTokens() + u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens() +
		u.GetInputAudioTokens() + u.GetInputImageTokens()
}

// OutputTokens are all tokens that were written.
func OutputTokens(u *llmv1.Usage) int64 {
	return u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
}

// EncodeAnswer writes a whole answer. The format knows nothing but text.
func EncodeAnswer(c *llmv1.Completion) []byte {
	b := append(make([]byte, 0, 1024), `{"inputTextTokenCount":`...)
	b = strconv.AppendInt(b, InputTokens(c.GetUsage()), 10)
	b = append(b, `,"results":[`...)
	for i, candidate := range c.GetCandidates() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"tokenCount":`...)
		b = strconv.AppendInt(b, OutputTokens(c.GetUsage()), 10)
		b = append(b, `,"outputText":"`...)
		for _, part := range candidate.GetMessage().GetParts() {
			b = jsonscan.AppendEscaped(b, part.GetText().GetText())
		}
		b = append(b, `","completionReason":`...)
		b = append(b, finish(candidate.GetFinishReason(), candidate.GetStopSequence())...)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

// ChunkEncoder writes the events of one stream, each as one line of JSON.
type ChunkEncoder struct {
	usage  *llmv1.Usage
	reason llmv1.FinishReason
	stop   string
}

// Append writes a chunk: a line for each piece of text.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	for i := range c.Events {
		switch ev := &c.Events[i]; {
		case ev.Kind == stream.Usage:
			e.usage = ev.Tokens
		case ev.Candidate != 0: // the format has one answer
		case ev.Kind == stream.Text && len(ev.Delta) > 0:
			dst = append(dst, `{"outputText":"`...)
			dst = jsonscan.AppendEscaped(dst, ev.Delta)
			dst = append(dst, `","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":null}`...)
			dst = append(dst, '\n')
		case ev.Kind == stream.Finish:
			e.reason, e.stop = ev.Reason, ev.Stop
		}
	}
	return dst
}

// End writes the last line: the reason and the counts.
func (e *ChunkEncoder) End(dst []byte) []byte {
	dst = append(dst, `{"outputText":"","index":0,"totalOutputTextTokenCount":`...)
	dst = strconv.AppendInt(dst, OutputTokens(e.usage), 10)
	dst = append(dst, `,"completionReason":`...)
	dst = append(dst, finish(e.reason, e.stop)...)
	dst = append(dst, `,"inputTextTokenCount":`...)
	dst = strconv.AppendInt(dst, InputTokens(e.usage), 10)
	return append(dst, '}', '\n')
}
