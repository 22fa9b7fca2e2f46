package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
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
	texts []token
}

func (g *group) addText(s *scanner, t token) {
	g.parts = append(g.parts, newText(s.value(t)))
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
	thinking   token
	refusal    token
	calls      group
}

var messageNames = names{
	"role", "content", "name", "refusal", "tool_calls", "tool_call_id", "reasoning_content", "reasoning",
	"function_call", "audio",
}

func (p *parser) messages(at *path) error {
	if p.peek() != '[' {
		return at.invalid("must be an array")
	}
	for p.open('['); p.next(']'); {
		if len(p.conv.GetMessages()) == maxMessages {
			return at.invalid("must not have more than %d messages", maxMessages)
		}
		in := &path{parent: at, index: len(p.conv.GetMessages())}
		if p.peek() != '{' {
			return in.invalid("must be an object")
		}
		var m message
		if err := p.message(&m, in); err != nil {
			return err
		}
		if p.err != nil {
			return nil
		}
		if err := p.addMessage(&m, in); err != nil {
			return err
		}
	}
	if p.req.context.kind == placeNone {
		p.req.context = contextPlace{at: p.at - 1, kind: placeMessage}
	}
	return nil
}

func (p *parser) message(m *message, at *path) error {
	var seen uint64
	for p.open('{'); p.next('}'); {
		name, err := messageNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		if err := p.messageMember(m, name, &path{parent: at, name: name}); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) messageMember(m *message, name string, at *path) error {
	if name != "role" && p.null() {
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
		if m.thinking.start != 0 {
			return at.invalid("and the other name of reasoning must not both be given")
		}
		return p.textMember(&m.thinking, at)
	case "tool_calls":
		return p.toolCalls(m, at)
	case "function_call":
		return at.unsupported("is the old form of tool_calls")
	case "audio":
		return at.unsupported("of an earlier answer cannot be sent back")
	}
	p.skip()
	return nil
}

func (p *parser) textMember(dst *token, at *path) error {
	if p.peek() != '"' {
		return at.invalid("must be a string")
	}
	*dst = p.text()
	return nil
}

func (p *parser) content(m *message, at *path) error {
	m.hasContent = true
	switch p.peek() {
	case '"':
		t := p.text()
		m.content.addText(&p.scanner, t)
		m.place = contextPlace{at: t.start, kind: placeString}
		return nil
	case '[':
		return p.contentParts(m, at)
	default:
		return at.invalid("must be a string or an array of parts")
	}
}

var roles = map[string]llmv1.Role{
	"system": llmv1.Role_ROLE_SYSTEM, "developer": llmv1.Role_ROLE_SYSTEM, "user": llmv1.Role_ROLE_USER,
	"assistant": llmv1.Role_ROLE_ASSISTANT, "tool": llmv1.Role_ROLE_TOOL,
}

// addMessage checks a message as a whole and adds it: thinking, content,
// refusal and tool calls in this order, whatever the order of the members.
func (p *parser) addMessage(m *message, at *path) error {
	role, ok := roles[m.role]
	if !ok {
		in := &path{parent: at, name: "role"}
		switch m.role {
		case "function":
			return in.unsupported(`"function" is the old form of "tool"`)
		case "":
			return in.invalid("is required")
		}
		return in.invalid("must be system, developer, user, assistant or tool")
	}
	if err := m.check(role, at); err != nil {
		return err
	}
	out := &llmv1.Message{Role: role, Name: m.name}
	if m.thinking.start != 0 {
		out.Parts = append(out.Parts, newThinking(p.value(m.thinking)))
		p.req.texts = append(p.req.texts, m.thinking)
	}
	p.req.texts = append(p.req.texts, m.content.texts...)
	if role == llmv1.Role_ROLE_TOOL {
		out.Parts = append(out.Parts, newToolResult(m.toolCallID, m.content.parts))
	} else {
		out.Parts = append(out.Parts, m.content.parts...)
	}
	if m.refusal.start != 0 {
		out.Parts = append(out.Parts, newText(p.value(m.refusal)))
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
func (m *message) check(role llmv1.Role, at *path) error {
	assistant := role == llmv1.Role_ROLE_ASSISTANT
	switch {
	case !assistant && (len(m.calls.parts) > 0 || m.refusal.start != 0 || m.thinking.start != 0):
		return at.invalid("has members that only an assistant message may have")
	case role == llmv1.Role_ROLE_TOOL && m.toolCallID == "":
		return (&path{parent: at, name: "tool_call_id"}).invalid("is required")
	case role != llmv1.Role_ROLE_TOOL && m.toolCallID != "":
		return (&path{parent: at, name: "tool_call_id"}).invalid("belongs to a tool message")
	case !m.hasContent && !assistant:
		return (&path{parent: at, name: "content"}).invalid("is required")
	case !m.hasContent && len(m.calls.parts) == 0 && m.refusal.start == 0:
		return (&path{parent: at, name: "content"}).invalid("is required where there are no tool_calls")
	}
	return nil
}
