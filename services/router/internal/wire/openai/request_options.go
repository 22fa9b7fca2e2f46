package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (p *parser) sampling() *llmv1.Sampling {
	if p.conv.Sampling == nil {
		p.conv.Sampling = &llmv1.Sampling{}
	}
	return p.conv.Sampling
}

func (p *parser) samplingMember(name string, at *jsonscan.Path) error {
	s := p.sampling()
	switch name {
	case "temperature":
		return p.number64(&s.Temperature, 0, 2, at)
	case "top_p":
		return p.number64(&s.TopP, 0, 1, at)
	case "presence_penalty":
		return p.number64(&s.PresencePenalty, -2, 2, at)
	case "frequency_penalty":
		return p.number64(&s.FrequencyPenalty, -2, 2, at)
	case "top_k":
		return p.integer32(&s.TopK, 0, 1<<30, at)
	case "n":
		return p.integer32(&s.CandidateCount, 1, 128, at)
	case "max_completion_tokens":
		n, err := p.bounded(1, 10_000_000, at)
		s.MaxOutputTokens = &n
		return err
	case "max_tokens":
		n, err := p.bounded(1, 10_000_000, at)
		p.oldMaxTokens = n
		return err
	case "seed":
		n, ok := p.Integer()
		if !ok {
			return at.Invalid("must be a whole number")
		}
		s.Seed = &n
		return nil
	default: // stop
		return p.stops(s, at)
	}
}

func (p *parser) number64(dst **float64, low, high float64, at *jsonscan.Path) error {
	f, ok := p.Float()
	if !ok || f < low || f > high {
		return at.Invalid("must be a number from %g to %g", low, high)
	}
	*dst = &f
	return nil
}

func (p *parser) integer32(dst **int32, low, high int64, at *jsonscan.Path) error {
	n, err := p.bounded(low, high, at)
	if err != nil {
		return err
	}
	narrow := int32(n) // bounded above
	*dst = &narrow
	return nil
}

func (p *parser) bounded(low, high int64, at *jsonscan.Path) (int64, error) {
	n, ok := p.Integer()
	if !ok || n < low || n > high {
		return 0, at.Invalid("must be a whole number from %d to %d", low, high)
	}
	return n, nil
}

func (p *parser) stops(s *llmv1.Sampling, at *jsonscan.Path) error {
	switch p.Peek() {
	case '"':
		s.Stop = []string{p.Value(p.Text())}
		return nil
	case '[':
	default:
		return at.Invalid("must be a string or an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		in := &jsonscan.Path{Parent: at, Index: len(s.GetStop())}
		if len(s.GetStop()) == maxStops {
			return at.Invalid("must not have more than %d texts", maxStops)
		}
		var stop string
		if err := p.stringMember(&stop, in); err != nil {
			return err
		}
		s.Stop = append(s.Stop, stop)
	}
	return nil
}

var efforts = map[string]llmv1.Reasoning_Effort{
	"none": llmv1.Reasoning_EFFORT_NONE, "minimal": llmv1.Reasoning_EFFORT_MINIMAL, "low": llmv1.Reasoning_EFFORT_LOW,
	"medium": llmv1.Reasoning_EFFORT_MEDIUM, "high": llmv1.Reasoning_EFFORT_HIGH, "xhigh": llmv1.Reasoning_EFFORT_XHIGH,
}

// Effort reads how hard to think.
func Effort(name string) (llmv1.Reasoning_Effort, bool) {
	effort, ok := efforts[name]
	return effort, ok
}

func (p *parser) effort(at *jsonscan.Path) error {
	var text string
	if err := p.stringMember(&text, at); err != nil {
		return err
	}
	effort, ok := Effort(text)
	if !ok && p.Err == nil {
		return at.Invalid("must be none, minimal, low, medium, high or xhigh")
	}
	// The format has a place for thoughts, and no way to say that they are wanted.
	p.conv.Reasoning = &llmv1.Reasoning{Effort: effort, IncludeThinking: effort != llmv1.Reasoning_EFFORT_NONE}
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
		if err := p.stringMember(&value, &jsonscan.Path{Parent: at, Name: key}); err != nil {
			return err
		}
		p.conv.Metadata[key] = value
	}
	return nil
}

// modalities refuses spoken answers: their sound would pass every text check.
func (p *parser) modalities(at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	for p.Open('['); p.Next(']'); {
		var one string
		if err := p.stringMember(&one, at); err != nil {
			return err
		}
		if one != "text" && p.Err == nil {
			return at.Unsupported("may only hold text")
		}
	}
	return nil
}

var (
	formatNames = jsonscan.Names{"type", "json_schema"}
	schemaNames = jsonscan.Names{"name", "description", "schema", "strict"}
)

func (p *parser) responseFormat(at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	var kind string
	schema := &llmv1.ResponseFormat_JsonSchema{}
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		member, err := formatNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		in := &jsonscan.Path{Parent: at, Name: member}
		switch member {
		case "type":
			err = p.stringMember(&kind, in)
		case "json_schema":
			err = p.schema(in, schemaNames, &schema.Name, &schema.Description, &schema.Schema, &schema.Strict)
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	if p.Err != nil {
		return nil
	}
	return p.setFormat(kind, schema, at)
}

func (p *parser) setFormat(kind string, schema *llmv1.ResponseFormat_JsonSchema, at *jsonscan.Path) error {
	switch kind {
	case "text":
	case "json_object":
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{
			JsonObject: &llmv1.ResponseFormat_JsonObject{},
		}}
	case "json_schema":
		if schema.GetName() == "" {
			return (&jsonscan.Path{Parent: at, Name: "json_schema.name"}).Invalid("is required")
		}
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: schema}}
	default:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be text, json_object or json_schema")
	}
	return nil
}
