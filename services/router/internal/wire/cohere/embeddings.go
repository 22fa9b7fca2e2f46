// Package cohere reads and writes the bodies of Cohere's embedding models, as
// Bedrock's InvokeModel carries them for clients. The model is not in the body
// but in the path.
package cohere

import (
	"strconv"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Bounds of a request.
const (
	maxInputs     = 2048
	maxDimensions = 65536
)

// EmbedRequest is an embeddings request of a client.
type EmbedRequest struct {
	provider.EmbedRequest
	// ByType says that the client asked for types of numbers by name.
	ByType bool
	// Dropped are the hints that cannot be carried to every target.
	Dropped []string
}

type parser struct {
	jsonscan.Scanner
	out *EmbedRequest
}

var names = jsonscan.Names{"texts", "input_type", "truncate", "embedding_types", "output_dimension", "max_tokens", "images", "inputs"}

// ParseEmbedRequest reads the body of an embeddings request. The texts share
// memory with raw.
func ParseEmbedRequest(raw []byte, model string) (*EmbedRequest, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{jsonscan.Scanner{Data: raw}, &EmbedRequest{EmbedRequest: provider.EmbedRequest{Model: model}}}
	if p.Peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	err := p.members()
	if err != nil && p.Err == nil {
		return nil, err
	}
	if fault := p.Finish(); fault != nil {
		return nil, malformed("the body " + fault.Error())
	}
	if len(p.out.Inputs) == 0 {
		return nil, (&jsonscan.Path{Name: "texts"}).Invalid("must not be empty")
	}
	return p.out, nil
}

func malformed(text string) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", text)
}

func (p *parser) members() error {
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := names.Find(key, &seen, nil)
		if err != nil {
			return err
		}
		if p.Null() {
			continue
		}
		if name == "" {
			return (&jsonscan.Path{Name: string(key)}).Unsupported("is not known")
		}
		if err := p.member(name, &jsonscan.Path{Name: name}); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) member(name string, at *jsonscan.Path) error {
	switch name {
	case "texts":
		return p.texts(&p.out.Inputs, maxInputs, at)
	case "input_type":
		return p.hint(at, "")
	case "truncate":
		return p.hint(at, "NONE")
	case "embedding_types":
		var types []string
		if err := p.texts(&types, 8, at); err != nil {
			return err
		}
		for _, kind := range types {
			if kind != "float" {
				return at.Unsupported("may hold float only")
			}
		}
		p.out.ByType = len(types) > 0
		return nil
	case "output_dimension":
		n, ok := p.Integer()
		if !ok || n < 1 || n > maxDimensions {
			return at.Invalid("must be a whole number from 1 to %d", maxDimensions)
		}
		p.out.Dimensions = int32(n) // bounded above
		return nil
	default:
		return at.Unsupported("cannot be carried: only texts are embedded, and whole")
	}
}

// hint reads a choice that only Cohere's own models know, and the value of it
// that chooses nothing.
func (p *parser) hint(at *jsonscan.Path, nothing string) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	if value := p.Value(p.Text()); value != nothing {
		p.out.Dropped = append(p.out.Dropped, at.String())
	}
	return nil
}

func (p *parser) texts(dst *[]string, most int, at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		in := &jsonscan.Path{Parent: at, Index: len(*dst)}
		switch {
		case in.Index == most:
			return at.Invalid("must not have more than %d texts", most)
		case p.Peek() != '"':
			return in.Invalid("must be a string")
		}
		*dst = append(*dst, p.Value(p.Text()))
	}
	return nil
}

// EncodeEmbeddings writes vectors for a client.
func EncodeEmbeddings(vectors [][]float32, r *EmbedRequest, id string) []byte {
	b := append(make([]byte, 0, 4096), `{"id":`...)
	b = jsonscan.AppendString(b, id)
	if r.ByType {
		b = append(b, `,"response_type":"embeddings_by_type","embeddings":{"float":[`...)
	} else {
		b = append(b, `,"response_type":"embeddings_floats","embeddings":[`...)
	}
	for i, vector := range vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, f := range vector {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
		}
		b = append(b, ']')
	}
	b = append(b, ']')
	if r.ByType {
		b = append(b, '}')
	}
	b = append(b, `,"texts":[`...)
	for i, text := range r.Inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, text)
	}
	return append(b, `]}`...)
}
