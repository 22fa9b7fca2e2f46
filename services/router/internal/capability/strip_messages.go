package capability

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// inMessages are the features whose removal changes messages.
const inMessages = ParticipantNames | LateSystem | ThinkingHistory | UnsignedThinking | CallSignatures | CachePoints | CacheTTL |
	ToolErrors | ImageDetail | DocumentTitles | Citations

// messages returns what is left of messages, and notes whether that is less. A
// message of which nothing is left goes as a whole.
func (s *stripper) messages(in []*llmv1.Message) []*llmv1.Message {
	if !s.drops(inMessages) {
		return in
	}
	var out []*llmv1.Message
	late, begun := false, false
	for i, m := range in {
		if m.GetRole() != llmv1.Role_ROLE_SYSTEM {
			begun = true
		} else if begun {
			late = true
		}
		kept := s.message(m)
		if kept == m && out == nil {
			continue
		}
		if out == nil {
			out = append(make([]*llmv1.Message, 0, len(in)), in[:i]...)
		}
		if len(kept.GetParts()) > 0 || len(m.GetParts()) == 0 {
			out = append(out, kept)
		}
	}
	late = late && s.drops(LateSystem)
	if out == nil && !late {
		return in
	}
	s.changed = true
	if out == nil {
		out = in
	}
	if late {
		out = systemFirst(out)
	}
	return out
}

// systemFirst moves instructions to the front; each group keeps its order.
func systemFirst(in []*llmv1.Message) []*llmv1.Message {
	out := make([]*llmv1.Message, 0, len(in))
	for _, front := range []bool{true, false} {
		for _, m := range in {
			if (m.GetRole() == llmv1.Role_ROLE_SYSTEM) == front {
				out = append(out, m)
			}
		}
	}
	return out
}

func (s *stripper) message(m *llmv1.Message) *llmv1.Message {
	parts := s.parts(m.GetParts())
	unnamed := m.GetName() != "" && s.drops(ParticipantNames)
	if !unnamed && same(parts, m.GetParts()) {
		return m
	}
	out := shallow(m)
	out.Parts = parts
	if unnamed {
		out.Name = ""
	}
	return out
}

// same says whether two lists are one: strip makes a new list of another
// length, or with another element.
func same(a, b []*llmv1.Part) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (s *stripper) parts(in []*llmv1.Part) []*llmv1.Part {
	var out []*llmv1.Part
	for i, p := range in {
		kept := s.part(p)
		if kept == p && out == nil {
			continue
		}
		if out == nil {
			out = append(make([]*llmv1.Part, 0, len(in)), in[:i]...)
		}
		if kept != nil {
			out = append(out, kept)
		}
	}
	if out == nil {
		return in
	}
	return out
}

// part returns p, a changed copy, or nil if nothing is left.
func (s *stripper) part(p *llmv1.Part) *llmv1.Part {
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		if len(content.Text.GetCitations()) > 0 && s.drops(Citations) {
			return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: content.Text.GetText()}}}
		}
	case *llmv1.Part_Image:
		if content.Image.GetDetail() != "" && s.drops(ImageDetail) {
			image := shallow(content.Image)
			image.Detail = ""
			return &llmv1.Part{Content: &llmv1.Part_Image{Image: image}}
		}
	case *llmv1.Part_Document:
		if content.Document.GetTitle() != "" && s.drops(DocumentTitles) {
			document := shallow(content.Document)
			document.Title = ""
			return &llmv1.Part{Content: &llmv1.Part_Document{Document: document}}
		}
	case *llmv1.Part_ToolCall:
		if content.ToolCall.GetSignature() != "" && s.drops(CallSignatures) {
			call := shallow(content.ToolCall)
			call.Signature = ""
			return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}
		}
	case *llmv1.Part_ToolResult:
		return s.toolResult(p, content.ToolResult)
	case *llmv1.Part_Thinking:
		if s.drops(ofThinking(content.Thinking)) {
			return nil
		}
	case *llmv1.Part_CachePoint:
		return s.cachePoint(p, content.CachePoint)
	}
	return p
}

func (s *stripper) toolResult(p *llmv1.Part, r *llmv1.ToolResult) *llmv1.Part {
	parts := s.parts(r.GetParts())
	unmarked := r.GetIsError() && s.drops(ToolErrors)
	if !unmarked && same(parts, r.GetParts()) {
		return p
	}
	out := shallow(r)
	out.Parts = parts
	if unmarked {
		out.IsError = false
	}
	return &llmv1.Part{Content: &llmv1.Part_ToolResult{ToolResult: out}}
}

func (s *stripper) cachePoint(p *llmv1.Part, c *llmv1.CachePoint) *llmv1.Part {
	switch {
	case s.drops(CachePoints):
		return nil
	case c.GetTtl() != "" && s.drops(CacheTTL):
		return &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{}}}
	default:
		return p
	}
}
