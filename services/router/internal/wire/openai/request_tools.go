package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

var (
	callNames         = names{"id", "type", "function", "custom"}
	callFunctionNames = names{"name", "arguments"}
	toolNames         = names{"type", "function", "custom"}
	functionNames     = names{"name", "description", "parameters", "strict"}
)

func (p *parser) toolCalls(m *message, at *path) error {
	if p.peek() != '[' {
		return at.invalid("must be an array")
	}
	for p.open('['); p.next(']'); {
		in := &path{parent: at, index: len(m.calls.parts)}
		if len(m.calls.parts) == maxParts {
			return at.invalid("must not have more than %d calls", maxParts)
		}
		if p.peek() != '{' {
			return in.invalid("must be an object")
		}
		if err := p.toolCall(&m.calls, in); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) toolCall(calls *group, at *path) error {
	var seen uint64
	var id, name, kind string
	var arguments token
	for p.open('{'); p.next('}'); {
		member, err := callNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		in := &path{parent: at, name: member}
		switch member {
		case "id":
			err = p.stringMember(&id, in)
		case "type":
			err = p.stringMember(&kind, in)
		case "function":
			err = p.callFunction(&name, &arguments, in)
		case "custom":
			err = in.unsupported("is a custom tool; only functions are supported")
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.err != nil:
		return nil
	case kind != "" && kind != "function":
		return (&path{parent: at, name: "type"}).unsupported("must be function")
	case id == "":
		return (&path{parent: at, name: "id"}).invalid("is required")
	case name == "":
		return (&path{parent: at, name: "function.name"}).invalid("is required")
	case arguments.start == 0:
		return (&path{parent: at, name: "function.arguments"}).invalid("is required")
	}
	calls.parts = append(calls.parts, newToolCall(id, name, p.value(arguments)))
	calls.texts = append(calls.texts, arguments)
	return nil
}

func (p *parser) callFunction(name *string, arguments *token, at *path) error {
	if p.peek() != '{' {
		return at.invalid("must be an object")
	}
	var seen uint64
	for p.open('{'); p.next('}'); {
		member, err := callFunctionNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		in := &path{parent: at, name: member}
		switch member {
		case "name":
			err = p.stringMember(name, in)
		case "arguments":
			err = p.textMember(arguments, in)
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) tools(at *path) error {
	if p.peek() != '[' {
		return at.invalid("must be an array")
	}
	for p.open('['); p.next(']'); {
		in := &path{parent: at, index: len(p.conv.GetTools())}
		if len(p.conv.GetTools()) == maxTools {
			return at.invalid("must not have more than %d tools", maxTools)
		}
		if p.peek() != '{' {
			return in.invalid("must be an object")
		}
		tool := &llmv1.Tool{}
		if err := p.tool(tool, in); err != nil {
			return err
		}
		p.conv.Tools = append(p.conv.Tools, tool)
	}
	return nil
}

func (p *parser) tool(tool *llmv1.Tool, at *path) error {
	var seen uint64
	var kind string
	for p.open('{'); p.next('}'); {
		member, err := toolNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		in := &path{parent: at, name: member}
		switch member {
		case "type":
			err = p.stringMember(&kind, in)
		case "function":
			err = p.function(tool, in)
		case "custom":
			err = in.unsupported("is a custom tool; only functions are supported")
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.err != nil:
		return nil
	case kind != "function":
		return (&path{parent: at, name: "type"}).unsupported("must be function")
	case tool.GetName() == "":
		return (&path{parent: at, name: "function.name"}).invalid("is required")
	}
	return nil
}

// function reads the description of a tool; it has the same members as a JSON schema format.
func (p *parser) function(tool *llmv1.Tool, at *path) error {
	return p.schema(at, functionNames, &tool.Name, &tool.Description, &tool.Parameters, &tool.Strict)
}

// schema reads an object with a name, a description, a JSON schema and a flag;
// known holds their names in this order.
func (p *parser) schema(at *path, known names, name, description, schema *string, strict *bool) error {
	if p.peek() != '{' {
		return at.invalid("must be an object")
	}
	var seen uint64
	for p.open('{'); p.next('}'); {
		member, err := known.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		in := &path{parent: at, name: member}
		switch {
		case member != "" && p.null():
		case member == "name":
			err = p.stringMember(name, in)
		case member == "description":
			err = p.stringMember(description, in)
		case member == "strict":
			var f flag
			err = p.flag(&f, in)
			*strict = f.value
		case member == known[2]:
			if p.peek() != '{' && p.peek() != 't' && p.peek() != 'f' {
				return in.invalid("must be a JSON schema")
			}
			sp := p.skip()
			*schema = alias(p.data[sp.start:sp.end])
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var choiceNames = names{"type", "function", "allowed_tools", "custom"}

func (p *parser) toolChoice(at *path) error {
	if p.conv.ToolChoice == nil {
		p.conv.ToolChoice = &llmv1.ToolChoice{}
	}
	choice := p.conv.GetToolChoice()
	if p.peek() == '"' {
		modes := map[string]llmv1.ToolChoice_Mode{
			"auto": llmv1.ToolChoice_MODE_AUTO, "none": llmv1.ToolChoice_MODE_NONE, "required": llmv1.ToolChoice_MODE_REQUIRED,
		}
		mode, ok := modes[p.value(p.text())]
		if !ok {
			return at.invalid("must be auto, none, required or a function")
		}
		choice.Mode = mode
		return nil
	}
	if p.peek() != '{' {
		return at.invalid("must be auto, none, required or a function")
	}
	return p.namedTool(choice, at)
}

func (p *parser) namedTool(choice *llmv1.ToolChoice, at *path) error {
	var seen uint64
	for p.open('{'); p.next('}'); {
		member, err := choiceNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		in := &path{parent: at, name: member}
		switch member {
		case "function":
			err = p.strings(in, names{"name"}, &choice.Name)
		case "allowed_tools", "custom":
			err = in.unsupported("is not supported; name one function")
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	if p.err == nil && choice.GetName() == "" {
		return (&path{parent: at, name: "function.name"}).invalid("is required")
	}
	choice.Mode = llmv1.ToolChoice_MODE_NAMED
	return nil
}

func (p *parser) parallel(at *path) error {
	var f flag
	if err := p.flag(&f, at); err != nil {
		return err
	}
	if !f.value {
		if p.conv.ToolChoice == nil {
			p.conv.ToolChoice = &llmv1.ToolChoice{}
		}
		p.conv.ToolChoice.DisableParallel = true
	}
	return nil
}
