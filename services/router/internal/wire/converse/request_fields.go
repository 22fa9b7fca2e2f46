package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Parameters that the format does not have stand in an object that is handed to
// the model as it is. Those that have a place in the canonical form are read;
// each family of models names them in its own way:
//
//	Anthropic  {"top_k":…, "thinking":{"type":"enabled","budget_tokens":…}, "output_config":{"effort":…}}
//	Nova       {"inferenceConfig":{"topK":…}, "reasoningConfig":{"type":"enabled","maxReasoningEffort":…}}
//	OpenAI     {"reasoning_effort":…}
//	Cohere     {"k":…}
var (
	fieldNames    = jsonscan.Names{"top_k", "k", "thinking", "reasoning_config", "reasoningConfig", "reasoning_effort", "inferenceConfig", "output_config"}
	novaNames     = jsonscan.Names{"topK"}
	effortNames   = jsonscan.Names{"effort"}
	thinkingNames = jsonscan.Names{"type", "budget_tokens", "maxReasoningEffort"}
)

var efforts = map[string]llmv1.Reasoning_Effort{
	"none": llmv1.Reasoning_EFFORT_NONE, "minimal": llmv1.Reasoning_EFFORT_MINIMAL, "low": llmv1.Reasoning_EFFORT_LOW,
	"medium": llmv1.Reasoning_EFFORT_MEDIUM, "high": llmv1.Reasoning_EFFORT_HIGH, "xhigh": llmv1.Reasoning_EFFORT_XHIGH,
}

func (p *parser) reasoning() *llmv1.Reasoning {
	if p.conv.Reasoning == nil {
		p.conv.Reasoning = &llmv1.Reasoning{}
	}
	return p.conv.Reasoning
}

func (p *parser) modelFields(at *jsonscan.Path) error {
	p.req.fields = p.opened('{')
	return p.object(fieldNames, at, func(name string, in *jsonscan.Path) error {
		switch name {
		case "top_k", "k":
			return p.topK(in)
		case "inferenceConfig":
			p.req.set = append(p.req.set, name)
			return p.object(novaNames, in, func(_ string, in *jsonscan.Path) error { return p.topK(in) })
		case "reasoning_effort":
			return p.effort(in)
		case "output_config":
			return p.object(effortNames, in, func(_ string, in *jsonscan.Path) error { return p.effort(in) })
		default:
			return p.thinkingConfig(in)
		}
	})
}

func (p *parser) topK(at *jsonscan.Path) error {
	n, ok := p.Integer()
	if !ok || n < 0 || n > 1<<30 {
		return at.Invalid("must be a whole number from 0 to %d", 1<<30)
	}
	narrow := int32(n) // bounded above
	p.sampling().TopK = &narrow
	p.req.set = append(p.req.set, "top_k")
	return nil
}

func (p *parser) effort(at *jsonscan.Path) error {
	var text string
	err := p.text(&text, at)
	effort, ok := efforts[text]
	if !ok {
		p.unexpressed(at) // such as max
		return err
	}
	p.reasoning().Effort = effort
	return err
}

func (p *parser) thinkingConfig(at *jsonscan.Path) error {
	var kind string
	r := p.reasoning()
	err := p.object(thinkingNames, at, func(name string, in *jsonscan.Path) error {
		switch name {
		case "type":
			return p.text(&kind, in)
		case "maxReasoningEffort":
			return p.effort(in)
		default:
			n, ok := p.Integer()
			if !ok || n < 0 || n > 10_000_000 {
				return in.Invalid("must be a whole number from 0 to 10000000")
			}
			r.BudgetTokens = &n
			return nil
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	switch kind {
	case "enabled", "adaptive":
		r.IncludeThinking = true
	case "disabled":
		*r = llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_NONE}
	default:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be enabled, adaptive or disabled")
	}
	return nil
}
