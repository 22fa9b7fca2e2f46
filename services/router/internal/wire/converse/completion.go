package converse

import (
	"strconv"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// DecodeCompletion reads a provider's whole answer. The completion shares
// memory with raw, which must not change afterwards. The format names neither
// the answer nor the model.
func DecodeCompletion(raw []byte) (*llmv1.Completion, error) {
	a, err := scanAnswer(raw)
	if err != nil {
		return nil, err
	}
	return &llmv1.Completion{
		Usage: a.usage,
		Candidates: []*llmv1.Candidate{{
			Message:      &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: a.said.parts},
			FinishReason: a.reason, StopSequence: a.OptionalValue(a.stopText),
		}},
	}, nil
}

// EncodeCompletion writes a canonical answer: its first candidate, for the
// format has one only. sources and took are as for EncodeAnswer.
func EncodeCompletion(c *llmv1.Completion, sources []*llmv1.Citation, took time.Duration) []byte {
	var first *llmv1.Candidate
	if all := c.GetCandidates(); len(all) > 0 {
		first = all[0]
	}
	e := &encoder{buf: make([]byte, 0, 1024)}
	e.raw(`{"output":{"message":{"role":"assistant","content":[`)
	var text strings.Builder
	var have []*llmv1.Citation
	for _, p := range first.GetMessage().GetParts() {
		e.answerBlock(p)
		have = append(have, p.GetText().GetCitations()...)
		text.WriteString(p.GetText().GetText())
	}
	if have = cited(have, sources, text.String()); len(have) > 0 {
		e.comma()
		e.buf = appendCitations(e.buf, have)
	}
	e.raw(`]}},"stopReason":`)
	e.text(finishName(first.GetFinishReason(), first.GetStopSequence()))
	if first.GetStopSequence() != "" {
		e.raw(`,"additionalModelResponseFields":{"stop_sequence":`)
		e.text(first.GetStopSequence())
		e.raw(`}`)
	}
	if c.GetUsage() != nil {
		e.raw(`,"usage":`)
		e.buf = appendUsage(e.buf, c.GetUsage())
	}
	e.buf = appendMetrics(e.buf, took)
	e.raw(`}`)
	return e.buf
}

// answerBlock writes a part of an answer. Signed thinking stays whole, so that
// it can come back; parts that an answer cannot have are passed over.
func (e *encoder) answerBlock(p *llmv1.Part) {
	switch {
	case p.GetText() != nil, p.GetThinking() != nil, p.GetToolCall() != nil, p.GetImage() != nil:
		mark := len(e.buf)
		e.comma()
		e.block(p)
		if e.err != nil {
			e.buf, e.err = e.buf[:mark], nil
		}
	}
}

// appendMetrics writes how long the answer took.
func appendMetrics(dst []byte, took time.Duration) []byte {
	dst = append(dst, `,"metrics":{"latencyMs":`...)
	dst = strconv.AppendInt(dst, took.Milliseconds(), 10)
	return append(dst, '}')
}
