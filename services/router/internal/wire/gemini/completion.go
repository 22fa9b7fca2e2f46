package gemini

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// maxCandidates is the most candidates of an answer.
const maxCandidates = 128

// DecodeCompletion reads a provider's whole answer. The completion shares
// memory with raw, which must not change afterwards. An error object in place
// of an answer becomes the error it says, and so does a prompt that was blocked.
func DecodeCompletion(raw []byte) (*llmv1.Completion, error) {
	a, err := scanAnswer(raw)
	if err != nil {
		return nil, err
	}
	out := &llmv1.Completion{Id: a.OptionalValue(a.id), Model: a.OptionalValue(a.model), Usage: a.usage}
	for i := range a.choices {
		c := &a.choices[i]
		m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
		citations := c.citations
		for n := range c.parts {
			part := a.canonical(&c.parts[n], c.index, int32(n)) // bounded by the body
			if text := part.GetText(); text != nil {
				text.Citations, citations = citations, nil
			}
			m.Parts = append(m.Parts, part)
		}
		out.Candidates = append(out.Candidates, &llmv1.Candidate{Index: c.index, Message: m, FinishReason: c.reason})
	}
	return out, nil
}

// canonical makes the part; index is where it stands among its candidate's.
func (s *scanner) canonical(p *answerPart, candidate, index int32) *llmv1.Part {
	switch p.kind {
	case partThought:
		t := &llmv1.Thinking{Text: s.OptionalValue(p.text)}
		t.Signature, t.Redacted = readSignature(s.OptionalValue(p.signature))
		return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: t}}
	case partCall:
		call := newCall(s.callID(p, candidate, index), s.OptionalValue(p.name), s.arguments(p))
		call.GetToolCall().Signature = s.OptionalValue(p.signature)
		return call
	case partMedia:
		return s.mediaPart(p)
	case partOpaque:
		return newText(plainJSON(s.Data[p.raw.Start:p.raw.End]))
	default:
		return newText(s.Value(p.text))
	}
}

// callID is the id of a call: the provider's, or one that is made up.
func (s *scanner) callID(p *answerPart, candidate, index int32) string {
	if p.id.End > p.id.Start {
		return s.Value(p.id)
	}
	return newID(s.Data, candidate, index)
}

// arguments are those of a call as they were written.
func (s *scanner) arguments(p *answerPart) string {
	if p.raw.End == 0 {
		return "{}"
	}
	return jsonscan.Alias(s.Data[p.raw.Start:p.raw.End])
}

func (s *scanner) mediaPart(p *answerPart) *llmv1.Part {
	b := &llmv1.Blob{MediaType: s.OptionalValue(p.media)}
	if p.uri.Start != 0 {
		b.Source = &llmv1.Blob_Uri{Uri: s.Value(p.uri)}
	} else {
		data, _ := decodeBase64(s.OptionalValue(p.data))
		b.Source = &llmv1.Blob_Data{Data: data}
	}
	switch kind, _, _ := strings.Cut(b.GetMediaType(), "/"); kind {
	case "image":
		return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: b}}}
	case "audio":
		return &llmv1.Part{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{Blob: b}}}
	default:
		return &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: b}}}
	}
}

// EncodeCompletion writes a canonical answer; sources are as for EncodeAnswer.
func EncodeCompletion(c *llmv1.Completion, sources []*llmv1.Citation) []byte {
	e := &encoder{buf: make([]byte, 0, 1024)}
	e.raw(`{"candidates":[`)
	for _, candidate := range c.GetCandidates() {
		e.comma()
		e.candidate(candidate, sources)
	}
	e.raw(`]`)
	if c.GetUsage() != nil {
		e.member("usageMetadata")
		e.buf = appendUsage(e.buf, c.GetUsage())
	}
	e.textMember("modelVersion", c.GetModel())
	e.textMember("responseId", c.GetId())
	e.raw(`}`)
	return e.buf
}

func (e *encoder) candidate(c *llmv1.Candidate, sources []*llmv1.Citation) {
	e.raw(`{"content":{"parts":[`)
	broken := ""
	for _, p := range c.GetMessage().GetParts() {
		if !e.answerPart(p) {
			broken = p.GetToolCall().GetName()
		}
	}
	e.raw(`],"role":"model"}`)
	e.finish(c.GetFinishReason(), broken)
	e.member("index")
	e.raw(itoa(int64(c.GetIndex())))
	e.grounding(cited(c.GetMessage(), sources))
	e.raw(`}`)
}

// finish writes why an answer ended. A call whose arguments are no object
// cannot be written; the format has a reason for such an end.
func (e *encoder) finish(reason llmv1.FinishReason, broken string) {
	if broken != "" {
		e.textMember("finishReason", malformedCall)
		e.textMember("finishMessage", "Malformed function call: "+broken)
		return
	}
	e.textMember("finishReason", finishName(reason))
}

// answerPart writes a part of an answer; ok is false if it cannot be.
func (e *encoder) answerPart(p *llmv1.Part) (ok bool) {
	switch content := p.GetContent().(type) {
	case *llmv1.Part_ToolCall:
		if args := content.ToolCall.GetArguments(); strings.TrimSpace(args) != "" && !isObject(args) {
			return false
		}
		e.comma()
		signed := content.ToolCall
		if signed.GetSignature() != "" {
			signed = newCall(signed.GetId(), signed.GetName(), signed.GetArguments()).GetToolCall()
			signed.Signature = signatureText(content.ToolCall.GetSignature(), nil)
		}
		e.call(signed)
	case *llmv1.Part_Thinking:
		e.comma()
		e.thought(content.Thinking.GetText(), content.Thinking.GetSignature(), content.Thinking.GetRedacted())
	case *llmv1.Part_ToolResult, *llmv1.Part_CachePoint: // never in an answer
	default:
		e.part(p)
	}
	return true
}

// thought writes a piece of thinking, or its signature.
func (e *encoder) thought(text, signature string, redacted []byte) {
	e.raw(`{"text":`)
	e.text(text)
	e.raw(`,"thought":true`)
	if signature != "" || len(redacted) > 0 {
		e.textMember("thoughtSignature", signatureText(signature, redacted))
	}
	e.raw(`}`)
}
