package anthropic

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// DecodeCompletion reads a provider's whole answer. The completion shares
// memory with raw, which must not change afterwards. An error object in place
// of an answer becomes the error it says.
func DecodeCompletion(raw []byte) (*llmv1.Completion, error) {
	a, err := scanAnswer(raw)
	if err != nil {
		return nil, err
	}
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	for i := range a.blocks {
		if part := a.part(&a.blocks[i]); part != nil {
			m.Parts = append(m.Parts, part)
		}
	}
	return &llmv1.Completion{
		Id: a.OptionalValue(a.id), Model: a.OptionalValue(a.model), Usage: a.counts.canonical(),
		Candidates: []*llmv1.Candidate{{Message: m, FinishReason: a.reason(), StopSequence: a.stopText(a.stop)}},
	}, nil
}

func (a *answer) part(b *answerBlock) *llmv1.Part {
	switch b.kind {
	case textBlock:
		part := newText(a.Value(b.text))
		part.GetText().Citations = a.citedBy(b)
		return part
	case thinkingBlock:
		return newThinking(a.Value(b.thinking), a.OptionalValue(b.signature))
	case redactedBlock:
		return newRedacted(a.Value(b.data))
	case toolBlock:
		return newToolCall(a.Value(b.id), a.Value(b.name), jsonscan.Alias(a.Data[b.input.Start:b.input.End]))
	default:
		return nil
	}
}

func (a *answer) citedBy(b *answerBlock) []*llmv1.Citation {
	if b.citations.End == 0 {
		return nil
	}
	s := newScanner(a.Data[b.citations.Start:b.citations.End])
	return s.citations()
}

// EncodeAnswer writes an answer for a client: the provider's own body where it
// speaks this format, with unknown members, but with the texts, the stop reason
// and the citations of the canonical form. The canonical form always wins: it
// is what the guardrails released. sources are the passages that the prompt was
// given; those that a text refers to by their marker are cited.
func EncodeAnswer(a *provider.Answer, sources []*llmv1.Citation) []byte {
	if a.Dialect != Dialect || len(a.Native) == 0 || len(a.Completion.GetCandidates()) != 1 {
		return EncodeCompletion(a.Completion, sources)
	}
	native, err := scanAnswer(a.Native)
	if err != nil {
		return EncodeCompletion(a.Completion, sources)
	}
	edits, ok := native.revise(a.Completion.GetCandidates()[0], sources)
	switch {
	case !ok:
		return EncodeCompletion(a.Completion, sources)
	case len(edits) == 0:
		return a.Native
	}
	return jsonscan.Splice(a.Native, edits)
}

// revise makes the edits that bring the native answer up to the canonical one;
// ok is false if they differ in shape.
func (a *answer) revise(to *llmv1.Candidate, sources []*llmv1.Citation) (edits []jsonscan.Edit, ok bool) {
	want := conversation.AnswerTexts(to.GetMessage())
	n := 0
	for i := range a.blocks {
		b := &a.blocks[i]
		if b.kind == otherBlock {
			continue
		}
		if n == len(want) {
			return nil, false
		}
		place, have := a.place(b)
		revised := *want[n].Value
		n++
		if revised != have {
			if place.End == 0 {
				return nil, false
			}
			e := jsonscan.Edit{Span: place.Span, Text: revised}
			if place.object {
				e.Before, e.Text = object(revised), ""
			}
			edits = append(edits, e)
		}
		if b.kind == textBlock {
			edits = a.addCitations(edits, b, revised, sources)
		}
	}
	if n != len(want) {
		return nil, false
	}
	if a.reason() != to.GetFinishReason() {
		if a.finish.End == 0 {
			return nil, false
		}
		name := finishName(to.GetFinishReason(), to.GetStopSequence())
		edits = append(edits, jsonscan.Edit{Span: a.finish, Before: `"` + name + `"`})
	}
	return edits, true
}

// addCitations adds those that the gateway found to those of the provider.
func (a *answer) addCitations(edits []jsonscan.Edit, b *answerBlock, text string, sources []*llmv1.Citation) []jsonscan.Edit {
	found := cited(nil, sources, text)
	if len(found) == 0 {
		return edits
	}
	written := string(appendCitations(nil, found))
	at := b.citations
	switch {
	case at.End == 0:
		return append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: b.inner, End: b.inner}, Before: `"citations":` + written + `,`})
	case strings.TrimSpace(string(a.Data[at.Start+1:at.End-1])) == "" || a.Data[at.Start] != '[':
		return append(edits, jsonscan.Edit{Span: at, Before: written})
	default:
		end := jsonscan.Span{Start: at.End - 1, End: at.End - 1}
		return append(edits, jsonscan.Edit{Span: end, Before: "," + written[1:len(written)-1]})
	}
}

// EncodeCompletion writes a canonical answer; sources are as for EncodeAnswer.
// The format has one answer.
func EncodeCompletion(c *llmv1.Completion, sources []*llmv1.Citation) []byte {
	e := &encoder{buf: make([]byte, 0, 1024)}
	var candidate *llmv1.Candidate
	if len(c.GetCandidates()) > 0 {
		candidate = c.GetCandidates()[0]
	}
	e.head(c.GetId(), c.GetModel())
	for _, p := range candidate.GetMessage().GetParts() {
		e.answered(p, sources)
	}
	e.raw(`],"stop_reason":`)
	e.text(finishName(candidate.GetFinishReason(), candidate.GetStopSequence()))
	e.raw(`,"stop_sequence":`)
	e.stopText(candidate.GetStopSequence())
	e.raw(`,"usage":`)
	e.buf = appendUsage(e.buf, c.GetUsage())
	e.raw(`}`)
	return e.buf
}

// head writes a message up to its first block.
func (e *encoder) head(id, model string) {
	e.raw(`{"id":`)
	e.text(id)
	e.raw(`,"type":"message","role":"assistant","model":`)
	e.text(model)
	e.raw(`,"content":[`)
}

func (e *encoder) stopText(stop string) {
	if stop == "" {
		e.raw(`null`)
		return
	}
	e.text(stop)
}

// answered writes a part of an answer as a block.
func (e *encoder) answered(p *llmv1.Part, sources []*llmv1.Citation) {
	e.comma()
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		text := content.Text.GetText()
		e.raw(`{"type":"text","text":`)
		e.text(text)
		if citations := cited(content.Text.GetCitations(), sources, text); len(citations) > 0 {
			e.raw(`,"citations":`)
			e.buf = appendCitations(e.buf, citations)
		}
	case *llmv1.Part_Thinking:
		if redacted := content.Thinking.GetRedacted(); len(redacted) > 0 {
			e.raw(`{"type":"redacted_thinking","data":`)
			e.text(string(redacted))
			break
		}
		e.raw(`{"type":"thinking","thinking":`)
		e.text(content.Thinking.GetText())
		e.raw(`,"signature":`)
		e.text(content.Thinking.GetSignature())
	case *llmv1.Part_ToolCall:
		e.raw(`{"type":"tool_use","id":`)
		e.text(content.ToolCall.GetId())
		e.raw(`,"name":`)
		e.text(content.ToolCall.GetName())
		e.raw(`,"input":`)
		e.raw(object(content.ToolCall.GetArguments()))
	default: // models answer with nothing else
		if e.last() == ',' {
			e.buf = e.buf[:len(e.buf)-1]
		}
		return
	}
	e.raw(`}`)
}
