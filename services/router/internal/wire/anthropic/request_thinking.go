package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// thinking is what the members thinking and output_config say of it together.
type thinking struct {
	kind, display string
	budget        int64
	effort        llmv1.Reasoning_Effort
}

var (
	thinkingNames = jsonscan.Names{"type", "budget_tokens", "display"}
	outputNames   = jsonscan.Names{"effort", "format"}
	formatNames   = jsonscan.Names{"type", "schema"}
)

func (p *parser) thinkingMember(at *jsonscan.Path) error {
	t := &p.thinking
	err := p.object(thinkingNames, at, func(name string) (err error) {
		in := &jsonscan.Path{Parent: at, Name: name}
		switch name {
		case "type":
			return p.stringMember(&t.kind, in)
		case "display":
			return p.stringMember(&t.display, in)
		default:
			t.budget, err = p.bounded(1, 10_000_000, in)
			return err
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	switch t.kind {
	case "enabled":
		if t.budget == 0 {
			return (&jsonscan.Path{Parent: at, Name: "budget_tokens"}).Invalid("is required")
		}
	case "adaptive", "disabled":
		if t.budget != 0 {
			return (&jsonscan.Path{Parent: at, Name: "budget_tokens"}).Invalid("belongs to thinking that is enabled")
		}
	default:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be enabled, adaptive or disabled")
	}
	switch t.display {
	case "", "summarized", "omitted":
		return nil
	default:
		return (&jsonscan.Path{Parent: at, Name: "display"}).Invalid("must be summarized or omitted")
	}
}

var efforts = map[string]llmv1.Reasoning_Effort{
	"low": llmv1.Reasoning_EFFORT_LOW, "medium": llmv1.Reasoning_EFFORT_MEDIUM, "high": llmv1.Reasoning_EFFORT_HIGH,
	"xhigh": llmv1.Reasoning_EFFORT_XHIGH, "max": llmv1.Reasoning_EFFORT_XHIGH,
}

func (p *parser) outputConfig(at *jsonscan.Path) error {
	return p.object(outputNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		if name == "format" {
			return p.format(in)
		}
		var text string
		if err := p.stringMember(&text, in); err != nil {
			return err
		}
		effort, ok := efforts[text]
		if !ok && p.Err == nil {
			return in.Invalid("must be low, medium, high, xhigh or max")
		}
		p.thinking.effort = effort
		return nil
	})
}

// setReasoning brings both members into one. Without thinking an effort is
// about the answer only, which the canonical form does not tell apart.
func (p *parser) setReasoning() {
	t := &p.thinking
	if t.kind == "" && t.effort == llmv1.Reasoning_EFFORT_UNSPECIFIED {
		return
	}
	r := &llmv1.Reasoning{Effort: t.effort}
	switch t.kind {
	case "disabled":
		if t.effort != llmv1.Reasoning_EFFORT_UNSPECIFIED {
			p.unexpressed(&jsonscan.Path{Parent: &jsonscan.Path{Name: "output_config"}, Name: "effort"})
		}
		r.Effort = llmv1.Reasoning_EFFORT_NONE
	case "enabled":
		r.BudgetTokens = &t.budget
		fallthrough
	case "adaptive":
		r.IncludeThinking = t.display != "omitted"
	}
	p.conv.Reasoning = r
}

// schemaName is the name of the shape of an answer, which this format does not
// give and others want.
const schemaName = "output"

// format reads the shape of the answer; the older output_format is the same.
func (p *parser) format(at *jsonscan.Path) error {
	var kind string
	var schema jsonscan.Span
	err := p.object(formatNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		if name == "type" {
			return p.stringMember(&kind, in)
		}
		if p.Peek() != '{' {
			return in.Invalid("must be a JSON schema")
		}
		schema = p.Skip()
		return nil
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case kind != "json_schema":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be json_schema")
	case schema.End == 0:
		return (&jsonscan.Path{Parent: at, Name: "schema"}).Invalid("is required")
	case p.conv.GetResponseFormat() != nil:
		return at.Invalid("must not be given beside its other name")
	}
	p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{
		JsonSchema: &llmv1.ResponseFormat_JsonSchema{
			Name: schemaName, Schema: jsonscan.Alias(p.Data[schema.Start:schema.End]), Strict: true,
		},
	}}
	return nil
}
