package gemini

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	declarationNames = jsonscan.Names{"name", "description", "parameters", "parametersJsonSchema"}
	toolConfigNames  = jsonscan.Names{"functionCallingConfig"}
	callingNames     = jsonscan.Names{"mode", "allowedFunctionNames", "streamFunctionCallArguments"}
)

// tool reads an element of tools: functions, or a tool that runs at Google.
// Such a tool counts even if nothing is said about it.
func (p *parser) tool(at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := find(jsonscan.Names{"functionDeclarations"}, key, &seen, at)
		switch {
		case err != nil:
			return err
		case p.Null():
		case name == "":
			p.lacks(&jsonscan.Path{Parent: at, Name: camelName(key)})
			p.Skip()
		default:
			if _, err := p.each(&jsonscan.Path{Parent: at, Name: name}, maxTools, p.declaration); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) declaration(at *jsonscan.Path) error {
	t := &llmv1.Tool{}
	err := p.object(at, declarationNames, nil, func(name string, in *jsonscan.Path) error {
		switch name {
		case "name":
			return p.stringMember(&t.Name, in)
		case "description":
			return p.stringMember(&t.Description, in)
		}
		if t.GetParameters() != "" {
			return in.Invalid("must not stand beside another schema")
		}
		if c := p.Peek(); c != '{' && c != 't' && c != 'f' {
			return in.Invalid("must be a schema")
		}
		sp := p.Skip()
		if p.Err != nil {
			return nil
		}
		t.Parameters = jsonscan.Alias(p.Data[sp.Start:sp.End])
		if name == "parameters" {
			t.Parameters = jsonSchema(p.Data[sp.Start:sp.End])
		}
		return nil
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case t.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	case len(p.conv.GetTools()) == maxTools:
		return at.Invalid("must not be one of more than %d functions", maxTools)
	}
	p.conv.Tools = append(p.conv.Tools, t)
	return nil
}

// choiceRead is which functions may be called, which two members say together.
type choiceRead struct {
	mode    string
	allowed []string
	path    *jsonscan.Path
}

func (p *parser) toolConfig(at *jsonscan.Path) error {
	return p.object(at, toolConfigNames, nil, func(_ string, in *jsonscan.Path) error {
		p.choice.path = in
		return p.object(in, callingNames, nil, p.callingMember)
	})
}

func (p *parser) callingMember(name string, at *jsonscan.Path) error {
	switch name {
	case "mode":
		return p.stringMember(&p.choice.mode, at)
	case "allowedFunctionNames":
		_, err := p.each(at, maxTools, func(in *jsonscan.Path) error {
			var one string
			err := p.stringMember(&one, in)
			p.choice.allowed = append(p.choice.allowed, one)
			return err
		})
		return err
	}
	var streamed bool
	err := p.boolMember(&streamed, at)
	if streamed && err == nil {
		return at.Unsupported("is not supported: arguments in pieces cannot be checked")
	}
	return err
}

func (p *parser) setChoice() error {
	c := &p.choice
	if c.path == nil {
		return nil
	}
	mode := llmv1.ToolChoice_MODE_AUTO
	in := &jsonscan.Path{Parent: c.path, Name: "mode"}
	switch strings.ToUpper(c.mode) {
	case "", "MODE_UNSPECIFIED", "AUTO":
	case "NONE":
		mode = llmv1.ToolChoice_MODE_NONE
	case "ANY":
		mode = llmv1.ToolChoice_MODE_REQUIRED
	case "VALIDATED":
		p.lacks(in)
	default:
		return in.Invalid("must be AUTO, ANY, NONE or VALIDATED")
	}
	choice := &llmv1.ToolChoice{Mode: mode}
	switch {
	case len(c.allowed) == 1 && mode == llmv1.ToolChoice_MODE_REQUIRED:
		choice.Mode, choice.Name = llmv1.ToolChoice_MODE_NAMED, c.allowed[0]
	case len(c.allowed) > 0:
		p.lacks(&jsonscan.Path{Parent: c.path, Name: "allowedFunctionNames"})
	}
	if len(p.conv.GetTools()) > 0 { // a choice among none is none
		p.conv.ToolChoice = choice
	}
	return nil
}
