package responses

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// input reads a text, which is a user's, or items.
func (p *parser) input(at *jsonscan.Path) error {
	if p.Peek() == '"' {
		p.conv.Messages = []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart(p.Value(p.Text()))}}}
		return nil
	}
	if p.Peek() != '[' {
		return at.Invalid("must be a string or an array of items")
	}
	return p.list(at, maxItems, p.item)
}

func textPart(text string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}
}

// item reads one item. Which members it has depends on its type, which may
// stand behind them.
func (p *parser) item(at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	start := p.At
	kind, err := p.kind(at)
	if err != nil || p.Err != nil {
		return err
	}
	end := p.Scanner
	p.Scanner = jsonscan.Scanner{Data: p.Data[:end.At], At: start}
	switch kind {
	case "", "message":
		err = p.message(at)
	case "function_call":
		err = p.call(at)
	case "function_call_output":
		err = p.output(at)
	case "reasoning":
		err = p.reasoningItem(at)
	case "item_reference":
		err = p.reference(at)
	default:
		err = (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported(
			"must be message, function_call, function_call_output, reasoning or item_reference")
	}
	if err == nil && p.Err == nil {
		p.Scanner = end
	}
	return err
}

// kind skips an item and returns its type. One without a type is a message if
// it has a role, and a reference if it has only an id.
func (p *parser) kind(at *jsonscan.Path) (kind string, err error) {
	var seen uint64
	role, id := false, false
	for p.Open('{'); p.Next('}'); {
		name, err := itemNames.Find(p.Key(), &seen, at)
		if err != nil {
			return "", err
		}
		role, id = role || name == "role", id || name == "id"
		if name == "type" && p.Peek() == '"' {
			kind = p.Value(p.Text())
			continue
		}
		p.Skip()
	}
	if kind == "" && id && !role {
		kind = "item_reference"
	}
	return kind, nil
}

var itemNames = jsonscan.Names{"type", "role", "id"}

var roles = map[string]llmv1.Role{
	"system": llmv1.Role_ROLE_SYSTEM, "developer": llmv1.Role_ROLE_SYSTEM,
	"user": llmv1.Role_ROLE_USER, "assistant": llmv1.Role_ROLE_ASSISTANT,
}

var messageNames = jsonscan.Names{"type", "id", "status", "role", "content"}

func (p *parser) message(at *jsonscan.Path) error {
	var role string
	var parts []*llmv1.Part
	have := false
	err := p.object(at, messageNames, func(name string, in *jsonscan.Path) (err error) {
		switch name {
		case "role":
			return p.text(&role, in)
		case "content":
			have = true
			parts, err = p.content(in)
			return err
		}
		p.Skip()
		return nil
	})
	if err != nil || p.Err != nil {
		return err
	}
	speaker, ok := roles[role]
	switch {
	case !ok:
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("must be user, assistant, system or developer")
	case !have:
		return (&jsonscan.Path{Parent: at, Name: "content"}).Invalid("is required")
	case speaker == llmv1.Role_ROLE_ASSISTANT:
		for _, part := range parts {
			if err := p.answered(part, at); err != nil {
				return err
			}
		}
		return nil
	}
	return p.add(&llmv1.Message{Role: speaker, Parts: parts}, at)
}

func (p *parser) add(m *llmv1.Message, at *jsonscan.Path) error {
	if len(p.conv.GetMessages()) == maxMessages {
		return at.Invalid("must not make more than %d messages", maxMessages)
	}
	p.conv.Messages = append(p.conv.Messages, m)
	return nil
}

// answered adds what the model has said: items of one turn are one message.
func (p *parser) answered(part *llmv1.Part, at *jsonscan.Path) error {
	if n := len(p.conv.GetMessages()); n > 0 && !p.referenced(n) {
		if last := p.conv.GetMessages()[n-1]; last.GetRole() == llmv1.Role_ROLE_ASSISTANT {
			if len(last.GetParts()) == maxParts {
				return at.Invalid("must not make more than %d parts", maxParts)
			}
			last.Parts = append(last.Parts, part)
			return nil
		}
	}
	return p.add(&llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{part}}, at)
}

// referenced says whether an item of an earlier response stands before the
// message with the index.
func (p *parser) referenced(before int) bool {
	n := len(p.req.References)
	return n > 0 && p.req.References[n-1].Before == before
}

var callNames = jsonscan.Names{"type", "id", "status", "call_id", "name", "arguments"}

func (p *parser) call(at *jsonscan.Path) error {
	call := &llmv1.ToolCall{}
	have := false
	err := p.object(at, callNames, func(name string, in *jsonscan.Path) error {
		switch name {
		case "call_id":
			return p.text(&call.Id, in)
		case "name":
			return p.text(&call.Name, in)
		case "arguments":
			have = true
			return p.text(&call.Arguments, in)
		}
		p.Skip()
		return nil
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case call.GetId() == "":
		return (&jsonscan.Path{Parent: at, Name: "call_id"}).Invalid("is required")
	case call.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	case !have:
		return (&jsonscan.Path{Parent: at, Name: "arguments"}).Invalid("is required")
	}
	return p.answered(&llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}, at)
}

var outputNames = jsonscan.Names{"type", "id", "status", "call_id", "output"}

func (p *parser) output(at *jsonscan.Path) error {
	result := &llmv1.ToolResult{}
	have := false
	err := p.object(at, outputNames, func(name string, in *jsonscan.Path) (err error) {
		switch name {
		case "call_id":
			return p.text(&result.ToolCallId, in)
		case "output":
			have = true
			result.Parts, err = p.content(in)
			return err
		}
		p.Skip()
		return nil
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case result.GetToolCallId() == "":
		return (&jsonscan.Path{Parent: at, Name: "call_id"}).Invalid("is required")
	case !have:
		return (&jsonscan.Path{Parent: at, Name: "output"}).Invalid("is required")
	}
	return p.add(&llmv1.Message{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_ToolResult{ToolResult: result}},
	}}, at)
}

var referenceNames = jsonscan.Names{"type", "id"}

func (p *parser) reference(at *jsonscan.Path) error {
	one := Reference{Before: len(p.conv.GetMessages())}
	err := p.object(at, referenceNames, func(name string, in *jsonscan.Path) error {
		if name == "id" {
			return p.text(&one.ID, in)
		}
		p.Skip()
		return nil
	})
	if err != nil || p.Err != nil {
		return err
	}
	if one.ID == "" {
		return (&jsonscan.Path{Parent: at, Name: "id"}).Invalid("is required")
	}
	p.req.References = append(p.req.References, one)
	return nil
}
