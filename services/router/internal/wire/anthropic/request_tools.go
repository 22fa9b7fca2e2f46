package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	toolNames   = jsonscan.Names{"type", "name", "description", "input_schema", "strict", "cache_control"}
	choiceNames = jsonscan.Names{"type", "name", "disable_parallel_tool_use"}
)

func (p *parser) toolsMember(at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	for p.Open('['); p.Next(']'); {
		if p.tools == maxTools {
			return at.Invalid("must not have more than %d tools", maxTools)
		}
		if err := p.tool(&jsonscan.Path{Parent: at, Index: p.tools}); err != nil {
			return err
		}
		p.tools++
	}
	return nil
}

// tool reads a function of the caller's. Tools that the provider runs, or whose
// form it has defined, have no canonical form: they are noted as a whole.
func (p *parser) tool(at *jsonscan.Path) error {
	var kind string
	noted, start := len(p.req.unexpressed), p.At
	tool := &llmv1.Tool{}
	err := p.object(toolNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		switch name {
		case "type":
			return p.stringMember(&kind, in)
		case "name":
			return p.stringMember(&tool.Name, in)
		case "description":
			return p.stringMember(&tool.Description, in)
		case "strict":
			var f flag
			err := p.flag(&f, in)
			tool.Strict = f.value
			return err
		case "cache_control":
			return p.cacheControl(&p.toolCache, in)
		default:
			if p.Peek() != '{' {
				return in.Invalid("must be a JSON schema")
			}
			sp := p.Skip()
			tool.Parameters = jsonscan.Alias(p.Data[sp.Start:sp.End])
			return nil
		}
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case kind != "" && kind != "custom":
		p.req.unexpressed = p.req.unexpressed[:noted]
		p.unexpressed(at)
		return nil
	case tool.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	case tool.GetParameters() == "":
		return (&jsonscan.Path{Parent: at, Name: "input_schema"}).Invalid("is required")
	}
	p.conv.Tools = append(p.conv.Tools, tool)
	if !p.noted(noted) { // one that is loaded later, say, must not have a mark
		p.req.marks.tools = p.spotIn(start)
	}
	return nil
}

var modes = map[string]llmv1.ToolChoice_Mode{
	"auto": llmv1.ToolChoice_MODE_AUTO, "any": llmv1.ToolChoice_MODE_REQUIRED,
	"tool": llmv1.ToolChoice_MODE_NAMED, "none": llmv1.ToolChoice_MODE_NONE,
}

func (p *parser) toolChoice(at *jsonscan.Path) error {
	var kind string
	choice := &llmv1.ToolChoice{}
	err := p.object(choiceNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		switch name {
		case "type":
			return p.stringMember(&kind, in)
		case "name":
			return p.stringMember(&choice.Name, in)
		default:
			var f flag
			err := p.flag(&f, in)
			choice.DisableParallel = f.value
			return err
		}
	})
	mode, ok := modes[kind]
	switch {
	case err != nil || p.Err != nil:
		return err
	case !ok:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be auto, any, tool or none")
	case (mode == llmv1.ToolChoice_MODE_NAMED) != (choice.GetName() != ""):
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("belongs to a choice of type tool, which needs it")
	}
	choice.Mode = mode
	p.conv.ToolChoice = choice
	return nil
}
