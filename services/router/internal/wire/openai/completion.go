package openai

import (
	"errors"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// maxCandidates is the most candidates of an answer; the format allows 128.
const maxCandidates = 128

var errNoChoices = errors.New("has no choices")

// DecodeCompletion reads a provider's whole answer. The completion shares
// memory with raw, which must not change afterwards. An error object in place
// of an answer becomes the error it says.
func DecodeCompletion(raw []byte) (*llmv1.Completion, error) {
	a, err := scanAnswer(raw)
	if err != nil {
		return nil, err
	}
	out := &llmv1.Completion{Id: a.OptionalValue(a.id), Model: a.OptionalValue(a.model), Usage: a.usage}
	if a.created > 0 {
		out.CreateTime = timestamppb.New(time.Unix(a.created, 0))
	}
	sources := a.sources.read(raw)
	for i := range a.choices {
		if c := &a.choices[i]; len(c.citations) == 0 {
			c.sources = sources
		}
		out.Candidates = append(out.Candidates, a.candidate(&a.choices[i]))
	}
	return out, nil
}

func (a *answer) candidate(c *choice) *llmv1.Candidate {
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	m.Parts = append(m.Parts, c.thinking.parts...)
	for i, t := range c.content {
		part := newText(a.Value(t))
		if i == 0 {
			part.GetText().Citations = append(c.citations, c.sources...)
		}
		m.Parts = append(m.Parts, part)
	}
	if c.refusal.Start != 0 {
		m.Parts = append(m.Parts, newText(a.Value(c.refusal)))
	}
	for _, one := range c.calls {
		part := newToolCall(a.OptionalValue(one.id), a.OptionalValue(one.name), a.OptionalValue(one.arguments))
		part.GetToolCall().Signature = a.OptionalValue(one.signature)
		m.Parts = append(m.Parts, part)
	}
	return &llmv1.Candidate{
		Index: c.index, Message: m, FinishReason: refused(c.reason, c.refusal.Start != 0), StopSequence: a.OptionalValue(c.stop),
	}
}

// EncodeCompletion writes a canonical answer; sources are as for EncodeAnswer.
func EncodeCompletion(c *llmv1.Completion, sources []*llmv1.Citation) []byte {
	e := &encoder{buf: make([]byte, 0, 1024)}
	e.raw(`{"id":`)
	e.text(c.GetId())
	e.raw(`,"object":"chat.completion","created":`)
	e.buf = strconv.AppendInt(e.buf, c.GetCreateTime().GetSeconds(), 10)
	e.raw(`,"model":`)
	e.text(c.GetModel())
	e.raw(`,"choices":[`)
	for _, candidate := range c.GetCandidates() {
		e.comma()
		e.candidate(candidate, sources)
	}
	e.raw(`]`)
	if c.GetUsage() != nil {
		e.raw(`,"usage":`)
		e.buf = appendUsage(e.buf, c.GetUsage())
	}
	e.raw(`}`)
	return e.buf
}

func (e *encoder) candidate(c *llmv1.Candidate, sources []*llmv1.Citation) {
	e.raw(`{"index":`)
	e.buf = strconv.AppendInt(e.buf, int64(c.GetIndex()), 10)
	e.raw(`,"message":{"role":"assistant","content":`)
	var text, thinking string
	var haveText bool
	var calls []*llmv1.Part
	var citations []*llmv1.Citation
	for _, p := range c.GetMessage().GetParts() {
		switch content := p.GetContent().(type) {
		case *llmv1.Part_Text:
			haveText = true
			text += content.Text.GetText()
			citations = append(citations, content.Text.GetCitations()...)
		case *llmv1.Part_Thinking:
			thinking += content.Thinking.GetText()
		case *llmv1.Part_ToolCall:
			calls = append(calls, p)
		}
	}
	if c.GetFinishReason() == llmv1.FinishReason_FINISH_REASON_REFUSAL {
		e.raw(`null,"refusal":`)
		e.text(text)
	} else {
		e.textOrNull(text, haveText)
		e.raw(`,"refusal":null`)
	}
	if thinking != "" {
		e.raw(`,"reasoning_content":`)
		e.text(thinking)
	}
	if parts := c.GetMessage().GetParts(); keepsThinking(parts) {
		e.reasoningDetails(parts)
	}
	if citations = cited(citations, sources, text); len(citations) > 0 {
		e.raw(`,"annotations":`)
		e.buf = appendCitations(e.buf, citations, text)
	}
	e.toolCalls(calls)
	e.raw(`},"logprobs":null,"finish_reason":`)
	e.text(finishName(c.GetFinishReason()))
	e.buf = appendEnd(e.buf, c.GetFinishReason(), c.GetStopSequence())
	e.raw(`}`)
}

func (e *encoder) textOrNull(text string, have bool) {
	if have {
		e.text(text)
		return
	}
	e.raw(`null`)
}
