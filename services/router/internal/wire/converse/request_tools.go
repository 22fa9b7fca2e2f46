package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	toolConfigNames = jsonscan.Names{"tools", "toolChoice"}
	toolKinds       = jsonscan.Names{"toolSpec", "cachePoint"}
	specNames       = jsonscan.Names{"name", "description", "inputSchema", "strict"}
	schemaNames     = jsonscan.Names{"json"}
	choiceNames     = jsonscan.Names{"auto", "any", "tool"}
	namedNames      = jsonscan.Names{"name"}
)

func (p *parser) toolConfig(at *jsonscan.Path) error {
	return p.object(toolConfigNames, at, func(name string, in *jsonscan.Path) error {
		if name == "toolChoice" {
			return p.toolChoice(in)
		}
		return p.list(maxTools, in, p.tool)
	})
}

// tool reads a tool, or a cache point behind the tools before it. Tools of the
// provider's own are left to the native request.
func (p *parser) tool(at *jsonscan.Path) error {
	kinds, function := 0, false
	listed := len(p.req.unexpressed)
	err := p.object(toolKinds, at, func(name string, in *jsonscan.Path) error {
		if kinds++; kinds > 1 {
			return at.Invalid("must hold one kind of tool only")
		}
		if name == "cachePoint" {
			point, err := p.cachePoint(in)
			p.cached = point
			return err
		}
		function = true
		return p.toolSpec(in)
	})
	if function {
		p.req.marks.tools = p.At
	}
	if err == nil && p.Err == nil && kinds == 0 && len(p.req.unexpressed) == listed {
		return at.Invalid("must hold one of %v", toolKinds)
	}
	return err
}

func (p *parser) toolSpec(at *jsonscan.Path) error {
	tool := &llmv1.Tool{}
	err := p.object(specNames, at, func(name string, in *jsonscan.Path) error {
		switch name {
		case "name":
			return p.text(&tool.Name, in)
		case "description":
			return p.text(&tool.Description, in)
		case "strict":
			strict, ok := p.Boolean()
			if !ok {
				return in.Invalid("must be true or false")
			}
			tool.Strict = strict
			return nil
		default:
			return p.object(schemaNames, in, func(_ string, in *jsonscan.Path) error {
				if c := p.Peek(); c != '{' && c != 't' && c != 'f' {
					return in.Invalid("must be a JSON schema")
				}
				sp := p.Skip()
				tool.Parameters = jsonscan.Alias(p.Data[sp.Start:sp.End])
				return nil
			})
		}
	})
	if err == nil && p.Err == nil && tool.GetName() == "" {
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	}
	p.conv.Tools = append(p.conv.Tools, tool)
	return err
}

func (p *parser) toolChoice(at *jsonscan.Path) error {
	choice := &llmv1.ToolChoice{}
	err := p.object(choiceNames, at, func(name string, in *jsonscan.Path) error {
		if choice.GetMode() != llmv1.ToolChoice_MODE_UNSPECIFIED {
			return at.Invalid("must hold one kind of choice only")
		}
		switch name {
		case "auto":
			choice.Mode = llmv1.ToolChoice_MODE_AUTO
		case "any":
			choice.Mode = llmv1.ToolChoice_MODE_REQUIRED
		default:
			choice.Mode = llmv1.ToolChoice_MODE_NAMED
			return p.object(namedNames, in, func(_ string, in *jsonscan.Path) error { return p.text(&choice.Name, in) })
		}
		return p.object(nil, in, nil)
	})
	if err == nil && p.Err == nil && choice.GetMode() == llmv1.ToolChoice_MODE_NAMED && choice.GetName() == "" {
		return (&jsonscan.Path{Parent: at, Name: "tool.name"}).Invalid("is required")
	}
	p.conv.ToolChoice = choice
	return err
}
