package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	callNames         = jsonscan.Names{"id", "type", "function", "custom", "extra_content"}
	callFunctionNames = jsonscan.Names{"name", "arguments"}
	toolNames         = jsonscan.Names{"type", "function", "custom"}
	functionNames     = jsonscan.Names{"name", "description", "parameters", "strict"}
)

func (p *parser) toolCalls(m *message, at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	for p.Open('['); p.Next(']'); {
		in := &jsonscan.Path{Parent: at, Index: len(m.calls.parts)}
		if len(m.calls.parts) == maxParts {
			return at.Invalid("must not have more than %d calls", maxParts)
		}
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		if err := p.toolCall(&m.calls, in); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) toolCall(calls *group, at *jsonscan.Path) error {
	var seen uint64
	var id, name, kind string
	var arguments, signature jsonscan.Token
	for p.Open('{'); p.Next('}'); {
		start := p.At
		key := p.Key()
		member, err := callNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch member {
		case "id":
			err = p.stringMember(&id, in)
		case "type":
			err = p.stringMember(&kind, in)
		case "function":
			err = p.callFunction(&name, &arguments, in)
		case "extra_content":
			signature = p.callSignature()
			p.req.thoughts = append(p.req.thoughts, jsonscan.Span{Start: start, End: p.At})
		case "custom":
			err = in.Unsupported("is a custom tool; only functions are supported")
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.Err != nil:
		return nil
	case kind != "" && kind != "function":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be function")
	case id == "":
		return (&jsonscan.Path{Parent: at, Name: "id"}).Invalid("is required")
	case name == "":
		return (&jsonscan.Path{Parent: at, Name: "function.name"}).Invalid("is required")
	case arguments.Start == 0:
		return (&jsonscan.Path{Parent: at, Name: "function.arguments"}).Invalid("is required")
	}
	call := newToolCall(id, name, p.Value(arguments))
	call.GetToolCall().Signature = p.OptionalValue(signature)
	calls.parts = append(calls.parts, call)
	calls.texts = append(calls.texts, arguments)
	return nil
}

func (p *parser) callFunction(name *string, arguments *jsonscan.Token, at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		member, err := callFunctionNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch member {
		case "name":
			err = p.stringMember(name, in)
		case "arguments":
			err = p.textMember(arguments, in)
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) tools(at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	for p.Open('['); p.Next(']'); p.listed++ {
		in := &jsonscan.Path{Parent: at, Index: p.listed}
		if p.listed == maxTools {
			return at.Invalid("must not have more than %d tools", maxTools)
		}
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		tool := &llmv1.Tool{}
		if err := p.tool(tool, in); err != nil {
			return err
		}
		if tool.GetName() != "" {
			p.conv.Tools = append(p.conv.Tools, tool)
		}
	}
	return nil
}

// tool reads a function. A tool of another kind, which only servers beside
// OpenAI have, stays in the native request: it gets no name here.
func (p *parser) tool(tool *llmv1.Tool, at *jsonscan.Path) error {
	var seen uint64
	var kind string
	unexpressed := len(p.req.unexpressed)
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		member, err := toolNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch member {
		case "type":
			err = p.stringMember(&kind, in)
		case "function":
			err = p.function(tool, in)
		case "custom":
			err = in.Unsupported("is a custom tool; only functions are supported")
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.Err != nil:
		return nil
	case kind == "":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("is required")
	case kind != "function" && tool.GetName() != "":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be function")
	case kind != "function":
		p.req.unexpressed = p.req.unexpressed[:unexpressed]
		p.unexpressed(at)
		return nil
	case tool.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "function.name"}).Invalid("is required")
	}
	return nil
}

// function reads the description of a tool; it has the same members as a JSON schema format.
func (p *parser) function(tool *llmv1.Tool, at *jsonscan.Path) error {
	return p.schema(at, functionNames, &tool.Name, &tool.Description, &tool.Parameters, &tool.Strict)
}

// schema reads an object with a name, a description, a JSON schema and a flag;
// known holds their jsonscan.Names in this order.
func (p *parser) schema(at *jsonscan.Path, known jsonscan.Names, name, description, schema *string, strict *bool) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		member, err := known.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch {
		case member != "" && p.Null():
		case member == "name":
			err = p.stringMember(name, in)
		case member == "description":
			err = p.stringMember(description, in)
		case member == "strict":
			var f flag
			err = p.flag(&f, in)
			*strict = f.value
		case member == known[2]:
			if p.Peek() != '{' && p.Peek() != 't' && p.Peek() != 'f' {
				return in.Invalid("must be a JSON schema")
			}
			sp := p.Skip()
			*schema = jsonscan.Alias(p.Data[sp.Start:sp.End])
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var choiceNames = jsonscan.Names{"type", "function", "allowed_tools", "custom"}

func (p *parser) toolChoice(at *jsonscan.Path) error {
	if p.conv.ToolChoice == nil {
		p.conv.ToolChoice = &llmv1.ToolChoice{}
	}
	choice := p.conv.GetToolChoice()
	if p.Peek() == '"' {
		modes := map[string]llmv1.ToolChoice_Mode{
			"auto": llmv1.ToolChoice_MODE_AUTO, "none": llmv1.ToolChoice_MODE_NONE, "required": llmv1.ToolChoice_MODE_REQUIRED,
		}
		mode, ok := modes[p.Value(p.Text())]
		if !ok {
			return at.Invalid("must be auto, none, required or a function")
		}
		choice.Mode = mode
		return nil
	}
	if p.Peek() != '{' {
		return at.Invalid("must be auto, none, required or a function")
	}
	return p.namedTool(choice, at)
}

func (p *parser) namedTool(choice *llmv1.ToolChoice, at *jsonscan.Path) error {
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		member, err := choiceNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch member {
		case "function":
			err = p.strings(in, jsonscan.Names{"name"}, &choice.Name)
		case "allowed_tools", "custom":
			err = in.Unsupported("is not supported; name one function")
		case "type":
			p.Skip()
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	if p.Err == nil && choice.GetName() == "" {
		return (&jsonscan.Path{Parent: at, Name: "function.name"}).Invalid("is required")
	}
	choice.Mode = llmv1.ToolChoice_MODE_NAMED
	return nil
}

func (p *parser) parallel(at *jsonscan.Path) error {
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
