package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var requestNames = jsonscan.Names{
	"model", "messages", "system", "stream", "tools", "tool_choice", "max_tokens", "stop_sequences", "temperature",
	"top_p", "top_k", "thinking", "output_config", "output_format", "metadata", "service_tier", "cache_control",
	"anthropic_version", "prompt", "max_tokens_to_sample",
}

func (p *parser) member(name string, at *jsonscan.Path) error {
	if name != "messages" && name != "model" && p.Null() {
		p.noteNull(name)
		return nil
	}
	switch name {
	case "model":
		return p.modelMember(at)
	case "messages":
		return p.messages(at)
	case "system":
		return p.systemMember(at)
	case "stream":
		return p.flag(&p.req.stream, at)
	case "tools":
		return p.toolsMember(at)
	case "tool_choice":
		return p.toolChoice(at)
	case "thinking":
		return p.thinkingMember(at)
	case "output_config":
		return p.outputConfig(at)
	case "output_format":
		return p.format(at)
	case "metadata":
		return p.metadata(at)
	case "cache_control":
		return p.cacheControl(&p.cache, at)
	case "service_tier":
		var tier string
		err := p.stringMember(&tier, at)
		if tier != "auto" {
			p.unexpressed(at)
		}
		return err
	case "anthropic_version":
		p.Skip()
		if p.purpose != forInvoke {
			p.unexpressed(at)
		}
		return nil
	case "prompt", "max_tokens_to_sample":
		return at.Unsupported("belongs to the completions API; send messages")
	default:
		return p.samplingMember(name, at)
	}
}

// noteNull remembers an explicit null that a rendered request may have to replace.
func (p *parser) noteNull(name string) {
	at := jsonscan.Span{Start: p.At - len("null"), End: p.At}
	switch name {
	case "stream":
		p.req.stream = flag{Span: at, present: true}
	case "system":
		p.req.system = systemPlace{Span: at, kind: systemNull}
	default:
		if p.req.nulls == nil {
			p.req.nulls = make(map[string]jsonscan.Span)
		}
		p.req.nulls[name] = at
	}
}

func (p *parser) modelMember(at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	p.req.model = p.Text()
	p.conv.Model = p.Value(p.req.model)
	p.req.modelName = p.conv.GetModel()
	if n := len(p.conv.GetModel()); p.Err == nil && (n == 0 || n > maxModel) {
		return at.Invalid("must have 1 to %d characters", maxModel)
	}
	return nil
}

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
		return p.share(&s.Temperature, at)
	case "top_p":
		return p.share(&s.TopP, at)
	case "top_k":
		n, err := p.bounded(0, 1<<30, at)
		narrow := int32(n) // bounded above
		s.TopK = &narrow
		return err
	case "max_tokens":
		return p.maxTokens(s, at)
	default:
		return p.stops(s, at)
	}
}

// maxTokens reads the bound of the answer. 0 asks for none: the prompt is only
// put in the provider's cache, which other formats cannot say.
func (p *parser) maxTokens(s *llmv1.Sampling, at *jsonscan.Path) error {
	n, err := p.bounded(0, 10_000_000, at)
	if err != nil {
		return err
	}
	p.haveMax = true
	if n == 0 {
		n = 1
		p.unexpressed(at)
	}
	s.MaxOutputTokens = &n
	return nil
}

func (p *parser) share(dst **float64, at *jsonscan.Path) error {
	f, ok := p.Float()
	if !ok || f < 0 || f > 1 {
		return at.Invalid("must be a number from 0 to 1")
	}
	*dst = &f
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
	if p.Peek() != '[' {
		return at.Invalid("must be an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		if len(s.GetStop()) == maxStops {
			return at.Invalid("must not have more than %d texts", maxStops)
		}
		var stop string
		if err := p.stringMember(&stop, &jsonscan.Path{Parent: at, Index: len(s.GetStop())}); err != nil {
			return err
		}
		s.Stop = append(s.Stop, stop)
	}
	return nil
}

var metadataNames = jsonscan.Names{"user_id"}

func (p *parser) metadata(at *jsonscan.Path) error {
	return p.object(metadataNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		return p.stringMember(&p.conv.EndUser, in)
	})
}

// object reads an object: each known member that is not null goes to read, the
// others are noted.
func (p *parser) object(known jsonscan.Names, at *jsonscan.Path, read func(name string) error) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := known.Find(key, &seen, at)
		switch {
		case err != nil:
			return err
		case name == "":
			p.unknown(at, key)
		case p.Null():
			if name == markName {
				p.nulled = p.At
			}
		default:
			if err := read(name); err != nil {
				return err
			}
		}
	}
	return nil
}

var cacheNames = jsonscan.Names{"type", "ttl"}

// cacheControl reads a mark into dst.
func (p *parser) cacheControl(dst **llmv1.Part, at *jsonscan.Path) error {
	var kind, ttl string
	err := p.object(cacheNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		if name == "type" {
			return p.stringMember(&kind, in)
		}
		return p.stringMember(&ttl, in)
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case kind != "ephemeral":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be ephemeral")
	case ttl != "" && ttl != "5m" && ttl != "1h":
		return (&jsonscan.Path{Parent: at, Name: "ttl"}).Invalid("must be 5m or 1h")
	}
	*dst, p.req.marks.placed = newCachePoint(ttl), true
	return nil
}
