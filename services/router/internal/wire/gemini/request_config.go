package gemini

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var configNames = jsonscan.Names{
	"temperature", "topP", "topK", "maxOutputTokens", "candidateCount", "stopSequences", "seed",
	"presencePenalty", "frequencyPenalty", "responseMimeType", "responseSchema", "responseJsonSchema",
	"thinkingConfig", "responseModalities",
}

func (p *parser) generationConfig(at *jsonscan.Path) error {
	place := &p.req.config
	place.value = list{kind: listSingle}
	place.value.Start = p.ValueStart()
	place.inner = p.At + 1
	place.nulls = make(map[string]jsonscan.Span)
	err := p.object(at, configNames, func(name string, at jsonscan.Span) { place.nulls[name] = at }, p.configMember)
	place.value.End = p.At
	if err == nil && p.Err == nil {
		place.empty = isDefault(p.Data[place.value.Start:place.value.End])
	}
	return err
}

func (p *parser) configMember(name string, at *jsonscan.Path) error {
	switch name {
	case "responseMimeType":
		return p.stringMember(&p.format.mime, at)
	case "responseSchema", "responseJsonSchema":
		return p.responseSchema(name, at)
	case "thinkingConfig":
		return p.thinkingConfig(at)
	case "responseModalities":
		return p.modalities(at)
	}
	if p.conv.Sampling == nil {
		p.conv.Sampling = &llmv1.Sampling{}
	}
	s := p.conv.GetSampling()
	switch name {
	case "temperature":
		return p.number64(&s.Temperature, 0, 2, at)
	case "topP":
		return p.number64(&s.TopP, 0, 1, at)
	case "presencePenalty":
		return p.number64(&s.PresencePenalty, -2, 2, at)
	case "frequencyPenalty":
		return p.number64(&s.FrequencyPenalty, -2, 2, at)
	case "topK":
		return p.integer32(&s.TopK, 0, 1<<30, at)
	case "candidateCount":
		return p.integer32(&s.CandidateCount, 1, 128, at)
	case "maxOutputTokens":
		n, err := p.bounded(1, 10_000_000, at)
		s.MaxOutputTokens = &n
		return err
	case "seed":
		n, err := p.bounded(-1<<31, 1<<31-1, at)
		s.Seed = &n
		return err
	default: // stopSequences
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
	l, err := p.each(at, maxStops, func(in *jsonscan.Path) error {
		var stop string
		err := p.stringMember(&stop, in)
		s.Stop = append(s.Stop, stop)
		return err
	})
	if l.count == 0 {
		p.req.config.stops = l.Span
	}
	return err
}

// modalities refuses spoken answers: their sound would pass every text check.
func (p *parser) modalities(at *jsonscan.Path) error {
	other := false
	_, err := p.each(at, maxStops, func(in *jsonscan.Path) error {
		var one string
		if err := p.stringMember(&one, in); err != nil || p.Err != nil {
			return err
		}
		switch strings.ToUpper(one) {
		case "TEXT", "MODALITY_UNSPECIFIED":
		case "IMAGE":
			other = true
		default:
			return in.Unsupported("must be TEXT or IMAGE")
		}
		return nil
	})
	if other {
		p.lacks(at)
	}
	return err
}

var thinkingNames = jsonscan.Names{"includeThoughts", "thinkingBudget", "thinkingLevel"}

var levels = map[string]llmv1.Reasoning_Effort{
	"THINKING_LEVEL_UNSPECIFIED": llmv1.Reasoning_EFFORT_UNSPECIFIED,
	"MINIMAL":                    llmv1.Reasoning_EFFORT_MINIMAL,
	"LOW":                        llmv1.Reasoning_EFFORT_LOW,
	"MEDIUM":                     llmv1.Reasoning_EFFORT_MEDIUM,
	"HIGH":                       llmv1.Reasoning_EFFORT_HIGH,
}

func (p *parser) thinkingConfig(at *jsonscan.Path) error {
	r := &llmv1.Reasoning{}
	err := p.object(at, thinkingNames, nil, func(name string, in *jsonscan.Path) error {
		switch name {
		case "includeThoughts":
			return p.boolMember(&r.IncludeThinking, in)
		case "thinkingBudget":
			n, err := p.bounded(-1, 10_000_000, in)
			if n >= 0 { // -1 leaves it to the model
				r.BudgetTokens = &n
			}
			return err
		}
		var level string
		if err := p.stringMember(&level, in); err != nil || p.Err != nil {
			return err
		}
		effort, ok := levels[strings.ToUpper(level)]
		if !ok {
			return in.Invalid("must be MINIMAL, LOW, MEDIUM or HIGH")
		}
		r.Effort = effort
		return nil
	})
	p.conv.Reasoning = r
	return err
}

// format is the shape of the answer, which several members say together.
type format struct{ mime, schema string }

func (p *parser) responseSchema(name string, at *jsonscan.Path) error {
	if p.format.schema != "" {
		return at.Invalid("must not stand beside another schema")
	}
	if c := p.Peek(); c != '{' && c != 't' && c != 'f' {
		return at.Invalid("must be a schema")
	}
	sp := p.Skip()
	if p.Err != nil {
		return nil
	}
	raw := p.Data[sp.Start:sp.End]
	if name == "responseJsonSchema" {
		p.format.schema = jsonscan.Alias(raw)
		return nil
	}
	p.format.schema = jsonSchema(raw)
	return nil
}

// formatName names the shape for formats that want a name for it.
const formatName = "response"

func (p *parser) setFormat() {
	mime := strings.ToLower(p.format.mime)
	switch {
	case p.format.schema != "":
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{
			JsonSchema: &llmv1.ResponseFormat_JsonSchema{Name: formatName, Schema: p.format.schema},
		}}
	case mime == "application/json":
		p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{
			JsonObject: &llmv1.ResponseFormat_JsonObject{},
		}}
	}
	if mime != "" && mime != "text/plain" && mime != "application/json" {
		p.lacks(&jsonscan.Path{Parent: &jsonscan.Path{Name: "generationConfig"}, Name: "responseMimeType"})
	}
}
