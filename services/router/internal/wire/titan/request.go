// Package titan reads and writes the bodies of Amazon's Titan models, text and
// embeddings, as Bedrock's InvokeModel carries them. The model is not in the
// body but in the path.
package titan

import (
	"errors"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Dialect is the name of this wire format.
const Dialect = "titan"

// Bounds of a request: those of the canonical form.
const (
	maxStops       = 16
	maxTokens      = 10_000_000
	maxUnexpressed = 64
)

// Request is a text request as the client wrote it.
type Request struct{ unexpressed []string }

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Unexpressed implements provider.NativeRequest.
func (r *Request) Unexpressed() []string { return r.unexpressed }

// Render implements provider.NativeRequest. No target is asked in this format:
// Bedrock takes its Titan models' conversations in Converse's.
func (r *Request) Render(*provider.Request, bool) ([]byte, error) {
	return nil, errs.Internal(errors.New("a target is asked in the format of Titan"))
}

type parser struct {
	jsonscan.Scanner
	req  *Request
	conv *llmv1.Conversation
}

// newParser refuses what is no JSON object in UTF-8.
func newParser(raw []byte) (*parser, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{Scanner: jsonscan.Scanner{Data: raw}, req: &Request{}, conv: &llmv1.Conversation{}}
	if p.Peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	return p, nil
}

func malformed(text string) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", text)
}

// object reads the members of an object: the known ones by read, the others are
// noted as what cannot be expressed, unless they are null.
func (p *parser) object(names jsonscan.Names, at *jsonscan.Path, read func(name string, at *jsonscan.Path) error) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := names.Find(key, &seen, at)
		if err != nil {
			return err
		}
		if p.Null() {
			continue
		}
		in := &jsonscan.Path{Parent: at, Name: name}
		if name == "" {
			in.Name = refusal.Printable(string(key)) // the list gets into headers
			if p.Skip(); len(p.req.unexpressed) < maxUnexpressed {
				p.req.unexpressed = append(p.req.unexpressed, in.String())
			}
			continue
		}
		if err := read(name, in); err != nil {
			return err
		}
	}
	return nil
}

// finish gives the JSON's own fault before any other: it may have caused that.
func (p *parser) finish(err error) error {
	if err != nil && p.Err == nil {
		return err
	}
	if fault := p.Finish(); fault != nil {
		return malformed("the body " + fault.Error())
	}
	return nil
}

var requestNames = jsonscan.Names{"inputText", "textGenerationConfig"}

// ParseRequest reads the body of a text request. The prompt becomes one message
// of the user. The conversation shares memory with raw.
func ParseRequest(raw []byte, model string) (*Request, *llmv1.Conversation, error) {
	p, err := newParser(raw)
	if err != nil {
		return nil, nil, err
	}
	var text string
	err = p.object(requestNames, nil, func(name string, at *jsonscan.Path) error {
		if name == "inputText" {
			return p.text(&text, at)
		}
		return p.object(configNames, at, p.config)
	})
	if err := p.finish(err); err != nil {
		return nil, nil, err
	}
	if text == "" {
		return nil, nil, (&jsonscan.Path{Name: "inputText"}).Invalid("must not be empty")
	}
	p.conv.Model = model
	p.conv.Messages = []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}},
	}}}
	return p.req, p.conv, nil
}

func (p *parser) text(dst *string, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Value(p.Text())
	return nil
}

var configNames = jsonscan.Names{"temperature", "topP", "maxTokenCount", "stopSequences"}

// config reads a member of textGenerationConfig.
func (p *parser) config(name string, at *jsonscan.Path) error {
	if p.conv.Sampling == nil {
		p.conv.Sampling = &llmv1.Sampling{}
	}
	s := p.conv.GetSampling()
	switch name {
	case "temperature":
		return p.share(&s.Temperature, at)
	case "topP":
		return p.share(&s.TopP, at)
	case "maxTokenCount":
		n, ok := p.Integer()
		if !ok || n < 0 || n > maxTokens {
			return at.Invalid("must be a whole number from 0 to %d", maxTokens)
		}
		if n > 0 { // 0 leaves the model's own limit
			s.MaxOutputTokens = &n
		}
		return nil
	default:
		return p.stops(s, at)
	}
}

func (p *parser) share(dst **float64, at *jsonscan.Path) error {
	f, ok := p.Float()
	if !ok || f < 0 || f > 1 {
		return at.Invalid("must be a number from 0 to 1")
	}
	*dst = &f
	return nil
}

func (p *parser) stops(s *llmv1.Sampling, at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		in := &jsonscan.Path{Parent: at, Index: len(s.GetStop())}
		if in.Index == maxStops {
			return at.Invalid("must not have more than %d texts", maxStops)
		}
		var stop string
		if err := p.text(&stop, in); err != nil {
			return err
		}
		s.Stop = append(s.Stop, stop)
	}
	return nil
}
