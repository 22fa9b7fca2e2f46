package titan

import (
	"errors"
	"math"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

const maxDimensions = 65536

// EmbedRequest is an embeddings request of a client.
type EmbedRequest struct {
	provider.EmbedRequest
	// ByType says that the client asked for types of numbers by name.
	ByType bool
}

var embedNames = jsonscan.Names{"inputText", "dimensions", "normalize", "embeddingTypes", "inputImage", "embeddingConfig"}

// ParseEmbedRequest reads the body of an embeddings request. The text shares
// memory with raw.
func ParseEmbedRequest(raw []byte, model string) (*EmbedRequest, error) {
	p, err := newParser(raw)
	if err != nil {
		return nil, err
	}
	r := &EmbedRequest{EmbedRequest: provider.EmbedRequest{Model: model}}
	var text string
	err = p.object(embedNames, nil, func(name string, at *jsonscan.Path) error {
		if name == "inputText" {
			return p.text(&text, at)
		}
		return p.embedMember(r, name, at)
	})
	if err := p.finish(err); err != nil {
		return nil, err
	}
	if text == "" {
		return nil, (&jsonscan.Path{Name: "inputText"}).Invalid("must not be empty")
	}
	if unknown := p.req.unexpressed; len(unknown) > 0 {
		return nil, (&jsonscan.Path{Name: unknown[0]}).Unsupported("is not known")
	}
	r.Inputs = []string{text}
	return r, nil
}

func (p *parser) embedMember(r *EmbedRequest, name string, at *jsonscan.Path) error {
	switch name {
	case "dimensions":
		n, ok := p.Integer()
		if !ok || n < 1 || n > maxDimensions {
			return at.Invalid("must be a whole number from 1 to %d", maxDimensions)
		}
		r.Dimensions = int32(n) // bounded above
		return nil
	case "normalize":
		normalize, ok := p.Boolean()
		if !ok {
			return at.Invalid("must be true or false")
		}
		if !normalize { // not every target can be told
			return at.Unsupported("must be true: vectors have the length 1")
		}
		return nil
	case "embeddingTypes":
		return p.types(r, at)
	default:
		return at.Unsupported("cannot be carried: only texts are embedded")
	}
}

func (p *parser) types(r *EmbedRequest, at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		var kind string
		if err := p.text(&kind, at); err != nil {
			return err
		}
		if p.Err == nil && kind != "float" {
			return at.Unsupported("may hold float only")
		}
		r.ByType = true
	}
	return nil
}

// EncodeEmbedding writes a vector for a client, at the length 1, as the format's
// own default has it.
func EncodeEmbedding(vector []float32, u *llmv1.Usage, byType bool) []byte {
	b := append(make([]byte, 0, 16*len(vector)+64), `{"embedding":`...)
	from := len(b)
	b = appendVector(b, vector)
	to := len(b)
	if byType {
		b = append(b, `,"embeddingsByType":{"float":`...)
		b = append(b, b[from:to]...)
		b = append(b, '}')
	}
	b = append(b, `,"inputTextTokenCount":`...)
	b = strconv.AppendInt(b, InputTokens(u), 10)
	return append(b, '}')
}

func appendVector(b []byte, vector []float32) []byte {
	sum := 0.0
	for _, f := range vector {
		sum += float64(f) * float64(f)
	}
	length := math.Sqrt(sum)
	// What is normalised already stays as it is, to the last digit.
	if length == 0 || math.Abs(length-1) < 1e-3 {
		length = 1
	}
	b = append(b, '[')
	for i, f := range vector {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(float32(float64(f)/length)), 'g', -1, 32)
	}
	return append(b, ']')
}

// EncodeEmbedRequest writes a request for one text to a provider. Dimensions of
// 0 leave the model's own, which is all that the first version takes.
func EncodeEmbedRequest(text string, dimensions int32) []byte {
	b := append(make([]byte, 0, len(text)+64), `{"inputText":`...)
	b = jsonscan.AppendString(b, text)
	if dimensions > 0 {
		b = append(b, `,"dimensions":`...)
		b = strconv.AppendInt(b, int64(dimensions), 10)
	}
	return append(b, '}')
}

var errNoVector = errors.New("has no vector")

// DecodeEmbedding reads a provider's vector and how many tokens the text had;
// false if it does not say.
func DecodeEmbedding(raw []byte) (vector []float32, tokens int64, counted bool, err error) {
	s := jsonscan.Scanner{Data: raw}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "embedding":
			vector = readVector(&s)
		case "inputTextTokenCount":
			tokens, counted = s.Integer()
		default:
			s.Skip()
		}
	}
	if err := s.Finish(); err != nil {
		return nil, 0, false, refusal.Unreadable(err)
	}
	if len(vector) == 0 {
		return nil, 0, false, refusal.Unreadable(errNoVector)
	}
	return vector, tokens, counted, nil
}

func readVector(s *jsonscan.Scanner) []float32 {
	out := make([]float32, 0, 1024)
	for s.Open('['); s.Next(']'); {
		sp := s.Number()
		f, err := strconv.ParseFloat(jsonscan.Alias(s.Data[sp.Start:sp.End]), 32)
		if err != nil && s.Err == nil {
			s.Fail(errNoVector)
		}
		out = append(out, float32(f))
	}
	return out
}
