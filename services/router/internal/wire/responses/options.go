package responses

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

func (p *parser) sampling() *llmv1.Sampling {
	if p.conv.Sampling == nil {
		p.conv.Sampling = &llmv1.Sampling{}
	}
	return p.conv.Sampling
}

func (p *parser) choice() *llmv1.ToolChoice {
	if p.conv.ToolChoice == nil {
		p.conv.ToolChoice = &llmv1.ToolChoice{}
	}
	return p.conv.ToolChoice
}

func (p *parser) option(name string, at *jsonscan.Path) error {
	switch name {
	case "temperature":
		return p.number(&p.sampling().Temperature, 2, at)
	case "top_p":
		return p.number(&p.sampling().TopP, 1, at)
	case "max_output_tokens":
		n, ok := p.Integer()
		if !ok || n < 1 || n > 10_000_000 {
			return at.Invalid("must be a whole number from 1 to 10000000")
		}
		p.sampling().MaxOutputTokens = &n
		return nil
	case "tool_choice":
		return p.toolChoice(at)
	case "parallel_tool_calls":
		parallel := true
		err := p.flag(&parallel, at)
		if !parallel {
			p.choice().DisableParallel = true
		}
		return err
	case "text":
		return p.object(at, textNames, p.textMember)
	case "reasoning":
		p.conv.Reasoning = &llmv1.Reasoning{}
		return p.object(at, reasoningNames, p.reasoningMember)
	case "metadata":
		return p.metadata(at)
	case "include":
		return p.include(at)
	default: // truncation
		var mode string
		if err := p.text(&mode, at); err != nil {
			return err
		}
		if mode != "disabled" {
			p.unexpressed(at)
		}
		return nil
	}
}

func (p *parser) number(dst **float64, high float64, at *jsonscan.Path) error {
	f, ok := p.Float()
	if !ok || f < 0 || f > high {
		return at.Invalid("must be a number from 0 to %g", high)
	}
	*dst = &f
	return nil
}

func (p *parser) metadata(at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	p.conv.Metadata = make(map[string]string)
	for p.Open('{'); p.Next('}'); {
		key := string(p.Key())
		if len(p.conv.GetMetadata()) == maxMetadata {
			return at.Invalid("must not have more than %d entries", maxMetadata)
		}
		var value string
		if err := p.text(&value, &jsonscan.Path{Parent: at, Name: openai.MemberName([]byte(key))}); err != nil {
			return err
		}
		p.conv.Metadata[key] = value
	}
	return nil
}

// encrypted is what a client includes to get reasoning back in a form that it
// can send again. It always does here.
const encrypted = "reasoning.encrypted_content"

func (p *parser) include(at *jsonscan.Path) error {
	return p.list(at, maxParts, func(in *jsonscan.Path) error {
		var one string
		if err := p.text(&one, in); err != nil {
			return err
		}
		if one != encrypted && p.Err == nil {
			p.unexpressed(in)
		}
		return nil
	})
}

var (
	textNames      = jsonscan.Names{"format", "verbosity"}
	formatNames    = jsonscan.Names{"type", "name", "description", "schema", "strict"}
	reasoningNames = jsonscan.Names{"effort", "summary", "generate_summary"}
	toolNames      = jsonscan.Names{"type", "name", "description", "parameters", "strict"}
	choiceNames    = jsonscan.Names{"type", "name"}
)

func (p *parser) textMember(name string, at *jsonscan.Path) error {
	if name == "format" {
		return p.format(at)
	}
	var verbosity string
	if err := p.text(&verbosity, at); err != nil {
		return err
	}
	if verbosity != "medium" {
		p.unexpressed(at)
	}
	return nil
}

func (p *parser) format(at *jsonscan.Path) error {
	var kind string
	schema := &llmv1.ResponseFormat_JsonSchema{}
	err := p.object(at, formatNames, func(name string, in *jsonscan.Path) error {
		switch name {
		case "type":
			return p.text(&kind, in)
		case "name":
			return p.text(&schema.Name, in)
		case "description":
			return p.text(&schema.Description, in)
		case "strict":
			return p.flag(&schema.Strict, in)
		default:
			return p.schema(&schema.Schema, in)
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	switch {
	case kind == "text":
	case kind == "json_object":
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{JsonObject: &llmv1.ResponseFormat_JsonObject{}}}
	case kind == "json_schema" && schema.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	case kind == "json_schema":
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: schema}}
	default:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be text, json_object or json_schema")
	}
	return nil
}

func (p *parser) schema(dst *string, at *jsonscan.Path) error {
	if c := p.Peek(); c != '{' && c != 't' && c != 'f' {
		return at.Invalid("must be a JSON schema")
	}
	span := p.Skip()
	*dst = jsonscan.Alias(p.Data[span.Start:span.End])
	return nil
}

func (p *parser) reasoningMember(name string, at *jsonscan.Path) error {
	var value string
	if err := p.text(&value, at); err != nil {
		return err
	}
	if name != "effort" { // the summary, by its name of today or of yesterday
		p.conv.Reasoning.IncludeThinking = true
		return nil
	}
	effort, ok := openai.Effort(value)
	if !ok && p.Err == nil {
		return at.Invalid("must be none, minimal, low, medium, high or xhigh")
	}
	p.conv.Reasoning.Effort = effort
	return nil
}

// tool reads a function. Its arguments match the schema exactly only if the
// client says so: left out, strict means as far as it goes. Tools that OpenAI
// runs itself are noted.
func (p *parser) tool(at *jsonscan.Path) error {
	p.listed++
	var kind string
	tool, before := &llmv1.Tool{}, len(p.req.unexpressed)
	err := p.object(at, toolNames, func(name string, in *jsonscan.Path) error {
		switch name {
		case "type":
			return p.text(&kind, in)
		case "name":
			return p.text(&tool.Name, in)
		case "description":
			return p.text(&tool.Description, in)
		case "strict":
			return p.flag(&tool.Strict, in)
		default:
			return p.schema(&tool.Parameters, in)
		}
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case kind == "":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("is required")
	case kind != "function":
		p.req.unexpressed = p.req.unexpressed[:before]
		p.unexpressed(at)
		return nil
	case tool.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	}
	p.conv.Tools = append(p.conv.Tools, tool)
	return nil
}

var modes = map[string]llmv1.ToolChoice_Mode{
	"auto": llmv1.ToolChoice_MODE_AUTO, "none": llmv1.ToolChoice_MODE_NONE, "required": llmv1.ToolChoice_MODE_REQUIRED,
}

func (p *parser) toolChoice(at *jsonscan.Path) error {
	choice := p.choice()
	if p.Peek() == '"' {
		mode, ok := modes[p.Value(p.Text())]
		if !ok && p.Err == nil {
			return at.Invalid("must be auto, none, required or a function")
		}
		choice.Mode = mode
		return nil
	}
	var kind string
	err := p.object(at, choiceNames, func(name string, in *jsonscan.Path) error {
		if name == "type" {
			return p.text(&kind, in)
		}
		return p.text(&choice.Name, in)
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case kind != "function":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be function")
	case choice.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	}
	choice.Mode = llmv1.ToolChoice_MODE_NAMED
	return nil
}
