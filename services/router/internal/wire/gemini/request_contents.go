package gemini

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// piece is one part of a content with the texts in it.
type piece struct {
	part  *llmv1.Part
	texts []place
	at    int // where it begins
}

var contentNames = jsonscan.Names{"role", "parts"}

// content reads one turn.
func (p *parser) content(at *jsonscan.Path) error {
	var role string
	var pieces []piece
	var parts list
	err := p.object(at, contentNames, nil, func(name string, in *jsonscan.Path) (err error) {
		if name == "role" {
			return p.stringMember(&role, in)
		}
		parts, err = p.each(in, maxParts, func(in *jsonscan.Path) error { return p.part(&pieces, in) })
		return err
	})
	if err != nil || p.Err != nil {
		return err
	}
	switch role {
	case "model":
		return p.modelTurn(pieces, at)
	case "", "user", "function", "tool":
		return p.userTurn(pieces, parts, at)
	default:
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("must be user or model")
	}
}

func (p *parser) modelTurn(pieces []piece, at *jsonscan.Path) error {
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	for _, one := range pieces {
		if one.part.GetToolResult() != nil {
			return at.Invalid("must not hold a functionResponse: the model calls, it does not answer")
		}
		if call := one.part.GetToolCall(); call != nil {
			p.calls.called(call)
		}
		m.Parts = append(m.Parts, one.part)
		p.req.texts = append(p.req.texts, one.texts...)
	}
	p.addMessage(m)
	return nil
}

// userTurn splits what a user's turn holds into messages: results of tools are
// messages of their own. The order stays.
func (p *parser) userTurn(pieces []piece, parts list, at *jsonscan.Path) error {
	var m *llmv1.Message
	for _, one := range pieces {
		role := llmv1.Role_ROLE_USER
		switch {
		case one.part.GetToolResult() != nil:
			role = llmv1.Role_ROLE_TOOL
			p.calls.answer(one.part.GetToolResult())
		case one.part.GetToolCall() != nil, one.part.GetThinking() != nil:
			return at.Invalid("must have the role model to hold a functionCall or a thought")
		}
		if m.GetRole() != role {
			p.addMessage(m)
			m = &llmv1.Message{Role: role}
			if role == llmv1.Role_ROLE_USER {
				p.req.context = contextPlace{at: one.at, single: parts.kind == listSingle, end: parts.End, found: true}
			}
		}
		m.Parts = append(m.Parts, one.part)
		p.req.texts = append(p.req.texts, one.texts...)
	}
	p.addMessage(m)
	return nil
}

// addMessage adds a message that says something.
func (p *parser) addMessage(m *llmv1.Message) {
	if len(m.GetParts()) > 0 {
		p.conv.Messages = append(p.conv.Messages, m)
	}
}
