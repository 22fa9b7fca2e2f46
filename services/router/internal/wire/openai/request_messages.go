package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// contextPlace is where retrieved context goes: before the content of the last
// user message, or behind the last message if no user speaks.
type contextPlace struct {
	at   int
	kind placeKind
}

type placeKind uint8

const (
	placeNone      placeKind = iota
	placeString              // in front of a string's text
	placeParts               // in front of an array's first part
	placeEmptyPart           // in an empty array
	placeMessage             // behind the last message
)

// group is a list of parts with the texts in them, in the same order.
type group struct {
	parts []*llmv1.Part
	texts []jsonscan.Token
}

func (g *group) addText(s *scanner, t jsonscan.Token) {
	g.parts = append(g.parts, newText(s.Value(t)))
	g.texts = append(g.texts, t)
}

// message is one message's members, which may come in any order.
type message struct {
	role       string
	name       string
	toolCallID string
	content    group
	hasContent bool
	place      contextPlace
	thinking   []jsonscan.Token
	details    []detail
	citations  []*llmv1.Citation
	refusal    jsonscan.Token
	calls      group
}

var messageNames = jsonscan.Names{
	"role", "content", "name", "refusal", "tool_calls", "tool_call_id", "reasoning_content", "reasoning",
	"reasoning_details", "annotations", "function_call", "audio",
}

func (p *parser) messages(at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	p.Open('[')
	p.req.first = p.At
	for p.Next(']') {
		if len(p.conv.GetMessages()) == maxMessages {
			return at.Invalid("must not have more than %d messages", maxMessages)
		}
		in := &jsonscan.Path{Parent: at, Index: len(p.conv.GetMessages())}
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		var m message
		if err := p.message(&m, in); err != nil {
			return err
		}
		if p.Err != nil {
			return nil
		}
		if err := p.addMessage(&m, in); err != nil {
			return err
		}
	}
	if p.req.context.kind == placeNone {
		p.req.context = contextPlace{at: p.At - 1, kind: placeMessage}
	}
	return nil
}

func (p *parser) message(m *message, at *jsonscan.Path) error {
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		start := p.At
		key := p.Key()
		name, err := messageNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		if name == "" {
			p.unknown(key, at)
			continue
		}
		if err := p.messageMember(m, name, &jsonscan.Path{Parent: at, Name: name}); err != nil {
			return err
		}
		if name == "reasoning" || name == "reasoning_content" || name == "reasoning_details" {
			p.req.thoughts = append(p.req.thoughts, jsonscan.Span{Start: start, End: p.At})
		}
	}
	return nil
}

func (p *parser) messageMember(m *message, name string, at *jsonscan.Path) error {
	if name != "role" && p.Null() {
		return nil
	}
	switch name {
	case "role":
		return p.stringMember(&m.role, at)
	case "name":
		return p.stringMember(&m.name, at)
	case "tool_call_id":
		return p.stringMember(&m.toolCallID, at)
	case "content":
		return p.content(m, at)
	case "refusal":
		return p.textMember(&m.refusal, at)
	case "reasoning_content", "reasoning":
		var t jsonscan.Token
		err := p.textMember(&t, at)
		m.thinking = append(m.thinking, t)
		return err
	case "reasoning_details":
		if p.Peek() != '[' {
			return at.Invalid("must be an array")
		}
		m.details = p.reasoningDetails(nil)
		return nil
	case "annotations":
		if m.citations = p.scanner.citations(); len(m.citations) > maxCitations {
			return at.Invalid("must not have more than %d sources", maxCitations)
		}
		return nil
	case "tool_calls":
		return p.toolCalls(m, at)
	case "function_call":
		return at.Unsupported("is the old form of tool_calls")
	case "audio":
		return at.Unsupported("of an earlier answer cannot be sent back")
	}
	return nil
}

func (p *parser) textMember(dst *jsonscan.Token, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Text()
	return nil
}

func (p *parser) content(m *message, at *jsonscan.Path) error {
	m.hasContent = true
	switch p.Peek() {
	case '"':
		t := p.Text()
		m.content.addText(&p.scanner, t)
		m.place = contextPlace{at: t.Start, kind: placeString}
		return nil
	case '[':
		return p.contentParts(m, at)
	default:
		return at.Invalid("must be a string or an array of parts")
	}
}

var roles = map[string]llmv1.Role{
	"system": llmv1.Role_ROLE_SYSTEM, "developer": llmv1.Role_ROLE_SYSTEM, "user": llmv1.Role_ROLE_USER,
	"assistant": llmv1.Role_ROLE_ASSISTANT, "tool": llmv1.Role_ROLE_TOOL,
}

// addMessage checks a message as a whole and adds it: thinking, content,
// refusal and tool calls in this order, whatever the order of the members.
func (p *parser) addMessage(m *message, at *jsonscan.Path) error {
	role, ok := roles[m.role]
	if !ok {
		in := &jsonscan.Path{Parent: at, Name: "role"}
		switch m.role {
		case "function":
			return in.Unsupported(`"function" is the old form of "tool"`)
		case "":
			return in.Invalid("is required")
		}
		return in.Invalid("must be system, developer, user, assistant or tool")
	}
	if err := m.check(role, at); err != nil {
		return err
	}
	out := &llmv1.Message{Role: role, Name: m.name}
	thinking, copies := p.scanner.thinking(m.thinking, m.details)
	for _, t := range copies {
		p.req.copies = append(p.req.copies, textCopy{Token: t, first: len(p.req.texts), n: len(thinking.texts)})
	}
	out.Parts = append(out.Parts, thinking.parts...)
	p.req.texts = append(p.req.texts, thinking.texts...)
	m.cite()
	p.req.texts = append(p.req.texts, m.content.texts...)
	if role == llmv1.Role_ROLE_TOOL {
		out.Parts = append(out.Parts, newToolResult(m.toolCallID, m.content.parts))
	} else {
		out.Parts = append(out.Parts, m.content.parts...)
	}
	if m.refusal.Start != 0 {
		out.Parts = append(out.Parts, newText(p.Value(m.refusal)))
		p.req.texts = append(p.req.texts, m.refusal)
	}
	out.Parts = append(out.Parts, m.calls.parts...)
	p.req.texts = append(p.req.texts, m.calls.texts...)
	p.conv.Messages = append(p.conv.Messages, out)
	if role == llmv1.Role_ROLE_USER {
		p.req.context = m.place
	}
	return nil
}

// check refuses members that the role does not have: what they say would be lost.
func (m *message) check(role llmv1.Role, at *jsonscan.Path) error {
	assistant := role == llmv1.Role_ROLE_ASSISTANT
	switch {
	case !assistant && (len(m.calls.parts) > 0 || m.refusal.Start != 0 || len(m.thinking) > 0 || len(m.details) > 0):
		return at.Invalid("has members that only an assistant message may have")
	case role == llmv1.Role_ROLE_TOOL && m.toolCallID == "":
		return (&jsonscan.Path{Parent: at, Name: "tool_call_id"}).Invalid("is required")
	case role != llmv1.Role_ROLE_TOOL && m.toolCallID != "":
		return (&jsonscan.Path{Parent: at, Name: "tool_call_id"}).Invalid("belongs to a tool message")
	case !m.hasContent && !assistant:
		return (&jsonscan.Path{Parent: at, Name: "content"}).Invalid("is required")
	case !m.hasContent && len(m.calls.parts) == 0 && m.refusal.Start == 0:
		return (&jsonscan.Path{Parent: at, Name: "content"}).Invalid("is required where there are no tool_calls")
	}
	return nil
}

// cite puts the sources of an earlier answer to its text.
func (m *message) cite() {
	if len(m.citations) == 0 {
		return
	}
	for _, part := range m.content.parts {
		if text := part.GetText(); text != nil {
			text.Citations = m.citations
			return
		}
	}
}
