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

// Framing appends one piece of a stream; the last ends the answer.
type Framing func(dst, data []byte, last bool) []byte

// ChunkEncoder writes the events of one stream to a client.
type ChunkEncoder struct {
	framing Framing
	usage   *llmv1.Usage
	reason  llmv1.FinishReason
	stop    string
	done    bool
	scratch []byte
}

// NewChunkEncoder begins a stream. The format has no frames of its own.
func NewChunkEncoder(framing Framing) *ChunkEncoder { return &ChunkEncoder{framing: framing} }

// Sources are the passages that the prompt was given; the format has no
// citations.
func (e *ChunkEncoder) Sources([]*llmv1.Citation) {}

// Append writes a chunk: a piece for each piece of text.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	for i := range c.Events {
		switch ev := &c.Events[i]; {
		case e.done:
		case ev.Kind == stream.Usage:
			e.usage = ev.Tokens
		case ev.Candidate != 0: // the format has one answer
		case ev.Kind == stream.Text && len(ev.Delta) > 0:
			b := append(e.scratch[:0], `{"outputText":"`...)
			b = jsonscan.AppendEscaped(b, ev.Delta)
			e.scratch = append(b, `","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":null}`...)
			dst = e.framing(dst, e.scratch, false)
		case ev.Kind == stream.Finish:
			e.reason, e.stop = ev.Reason, ev.Stop
		}
	}
	return dst
}

// Fail ends the stream as the format does when a filter stops an answer: it has
// no other way to say that one has failed.
func (e *ChunkEncoder) Fail(dst []byte, _ error) []byte {
	e.reason, e.stop = llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, ""
	return e.End(dst)
}

// End writes the last piece: the reason and the counts.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.done {
		return dst
	}
	e.done = true
	b := append(e.scratch[:0], `{"outputText":"","index":0,"totalOutputTextTokenCount":`...)
	b = strconv.AppendInt(b, OutputTokens(e.usage), 10)
	b = append(b, `,"completionReason":`...)
	b = append(b, finish(e.reason, e.stop)...)
	b = append(b, `,"inputTextTokenCount":`...)
	e.scratch = append(strconv.AppendInt(b, InputTokens(e.usage), 10), '}')
	return e.framing(dst, e.scratch, true)
}
