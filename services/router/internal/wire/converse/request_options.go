package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	inferenceNames = jsonscan.Names{"maxTokens", "temperature", "topP", "stopSequences"}
	outputNames    = jsonscan.Names{"textFormat", "effort"}
	formatNames    = jsonscan.Names{"type", "structure"}
	shapeNames     = jsonscan.Names{"jsonSchema"}
	jsonNames      = jsonscan.Names{"schema", "name", "description"}
)

func (p *parser) sampling() *llmv1.Sampling {
	if p.conv.Sampling == nil {
		p.conv.Sampling = &llmv1.Sampling{}
	}
	return p.conv.Sampling
}

// opened notes where an object or array stands that a rendered request may add to.
func (p *parser) opened(bracket byte) container {
	if p.Peek() != bracket {
		return container{}
	}
	ahead := p.Scanner
	ahead.At++
	return container{at: p.At + 1, filled: ahead.Peek() != bracket+2}
}

func (p *parser) inferenceConfig(at *jsonscan.Path) error {
	p.req.inference = p.opened('{')
	return p.object(inferenceNames, at, func(name string, in *jsonscan.Path) error {
		p.req.set = append(p.req.set, name)
		s := p.sampling()
		switch name {
		case "maxTokens":
			n, ok := p.Integer()
			if !ok || n < 1 || n > 10_000_000 {
				return in.Invalid("must be a whole number from 1 to 10000000")
			}
			s.MaxOutputTokens = &n
			return nil
		case "temperature":
			return p.share(&s.Temperature, in)
		case "topP":
			return p.share(&s.TopP, in)
		default:
			return p.list(maxStops, in, func(in *jsonscan.Path) error {
				var stop string
				err := p.text(&stop, in)
				s.Stop = append(s.Stop, stop)
				return err
			})
		}
	})
}

func (p *parser) share(dst **float64, at *jsonscan.Path) error {
	f, ok := p.Float()
	if !ok || f < 0 || f > 1 {
		return at.Invalid("must be a number from 0 to 1")
	}
	*dst = &f
	return nil
}

func (p *parser) outputConfig(at *jsonscan.Path) error {
	return p.object(outputNames, at, func(name string, in *jsonscan.Path) error {
		if name == "effort" {
			var effort string
			err := p.text(&effort, in)
			if known, ok := efforts[effort]; ok {
				p.reasoning().Effort = known
			} else {
				p.unexpressed(in)
			}
			return err
		}
		return p.textFormat(in)
	})
}

func (p *parser) textFormat(at *jsonscan.Path) error {
	var kind string
	schema := &llmv1.ResponseFormat_JsonSchema{}
	err := p.object(formatNames, at, func(name string, in *jsonscan.Path) error {
		if name == "type" {
			return p.text(&kind, in)
		}
		return p.object(shapeNames, in, func(_ string, in *jsonscan.Path) error {
			return p.object(jsonNames, in, func(name string, in *jsonscan.Path) error {
				switch name {
				case "schema":
					return p.text(&schema.Schema, in)
				case "name":
					return p.text(&schema.Name, in)
				default:
					return p.text(&schema.Description, in)
				}
			})
		})
	})
	if err != nil || p.Err != nil {
		return err
	}
	if kind != "json_schema" || schema.GetSchema() == "" {
		return at.Invalid("must be a json_schema with a schema")
	}
	schema.Strict = true // the format always holds the model to it
	if schema.GetName() == "" {
		schema.Name = "answer" // other formats ask for one
	}
	p.conv.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: schema}}
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
		in := &jsonscan.Path{Parent: at, Name: memberName([]byte(key))}
		var value string
		if err := p.text(&value, in); err != nil {
			return err
		}
		if len(key) > maxLabel || len(value) > maxLabel {
			return in.Invalid("must not have more than %d bytes", maxLabel)
		}
		p.conv.Metadata[key] = value
	}
	return nil
}
