package openai

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Bounds of an embeddings request.
const (
	maxInputs     = 2048
	maxDimensions = 65536
)

// EmbedRequest is an embeddings request of a client.
type EmbedRequest struct {
	provider.EmbedRequest
	// Base64 says that the vectors are wanted as base64 of little-endian floats.
	Base64 bool
}

var embedNames = jsonscan.Names{"model", "input", "dimensions", "encoding_format", "user"}

// ParseEmbedRequest reads the body of an embeddings request. The texts share
// memory with raw.
func ParseEmbedRequest(raw []byte) (*EmbedRequest, error) {
	return ParseEmbedDeployment(raw, "")
}

// ParseEmbedDeployment reads a body whose model is named elsewhere; see ParseDeployment.
func ParseEmbedDeployment(raw []byte, model string) (*EmbedRequest, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: newScanner(raw)}
	if p.Peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	r := &EmbedRequest{}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		name, err := embedNames.Find(p.Key(), &seen, nil)
		if err == nil {
			err = p.embedMember(r, name, &jsonscan.Path{Name: name})
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.Finish(); err != nil {
		return nil, malformed("the body " + err.Error())
	}
	if model != "" {
		r.Model = model
	}
	if r.Model == "" || len(r.Model) > maxModel {
		return nil, (&jsonscan.Path{Name: "model"}).Invalid("must have 1 to %d characters", maxModel)
	}
	if len(r.Inputs) == 0 {
		return nil, (&jsonscan.Path{Name: "input"}).Invalid("must not be empty")
	}
	return r, nil
}

func (p *parser) embedMember(r *EmbedRequest, name string, at *jsonscan.Path) error {
	switch name {
	case "model":
		return p.stringMember(&r.Model, at)
	case "input":
		return p.inputs(r, at)
	}
	if p.Peek() == 'n' || name == "" || name == "user" {
		p.Skip()
		return nil
	}
	if name == "dimensions" {
		n, err := p.bounded(1, maxDimensions, at)
		r.Dimensions = int32(n) // bounded above
		return err
	}
	var format string
	if err := p.stringMember(&format, at); err != nil {
		return err
	}
	if p.Err == nil && format != "float" && format != "base64" {
		return at.Invalid("must be float or base64")
	}
	r.Base64 = format == "base64"
	return nil
}

func (p *parser) inputs(r *EmbedRequest, at *jsonscan.Path) error {
	if p.Peek() == '"' {
		r.Inputs = []string{p.Value(p.Text())}
		return nil
	}
	if p.Peek() != '[' {
		return at.Invalid("must be a string or an array of strings")
	}
	for p.Open('['); p.Next(']'); {
		if len(r.Inputs) == maxInputs {
			return at.Invalid("must not have more than %d texts", maxInputs)
		}
		in := &jsonscan.Path{Parent: at, Index: len(r.Inputs)}
		if c := p.Peek(); c == '[' || c >= '0' && c <= '9' {
			return in.Unsupported("must be a text; token ids cannot be checked")
		}
		var text string
		if err := p.stringMember(&text, in); err != nil {
			return err
		}
		r.Inputs = append(r.Inputs, text)
	}
	return nil
}

// EncodeEmbedRequest writes an embeddings request for a provider.
func EncodeEmbedRequest(r *provider.EmbedRequest) []byte {
	e := &encoder{buf: make([]byte, 0, 256)}
	e.raw(`{"model":`)
	e.text(r.Model)
	e.raw(`,"input":[`)
	for _, text := range r.Inputs {
		e.comma()
		e.text(text)
	}
	e.raw(`],"encoding_format":"float"`)
	if r.Dimensions > 0 {
		e.number("dimensions", int64(r.Dimensions))
	}
	e.raw(`}`)
	return e.buf
}

var errVectors = errors.New("has not one vector for each text")

// DecodeEmbeddings reads a provider's vectors for the given number of texts.
func DecodeEmbeddings(raw []byte, inputs int) (*provider.Embeddings, error) {
	s := newScanner(raw)
	out := &provider.Embeddings{Vectors: make([][]float32, inputs)}
	var failure error
	for s.Open('{'); s.Next('}'); {
		switch key := string(s.Key()); {
		case key == "data" && s.Peek() == '[':
			for s.Open('['); s.Next(']'); {
				s.embedding(out.Vectors)
			}
		case key == "model":
			out.Model = s.OptionalValue(s.OptionalText())
		case key == "usage":
			out.Usage = s.usage()
		case key == "error":
			failure = s.errorObject(200)
		default:
			s.Skip()
		}
	}
	if err := s.Finish(); err != nil {
		return nil, refusal.Unreadable(err)
	}
	if failure != nil {
		return nil, failure
	}
	for _, v := range out.Vectors {
		if len(v) == 0 {
			return nil, refusal.Unreadable(errVectors)
		}
	}
	return out, nil
}

func (s *scanner) embedding(vectors [][]float32) {
	index, vector := int64(-1), []float32(nil)
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "index":
			index, _ = s.Integer()
		case "embedding":
			vector = s.vector()
		default:
			s.Skip()
		}
	}
	if s.Err == nil && (index < 0 || index >= int64(len(vectors)) || vectors[index] != nil) {
		s.Fail(errVectors)
		return
	}
	if s.Err == nil {
		vectors[index] = vector
	}
}

// vector reads numbers, or base64 of little-endian floats.
func (s *scanner) vector() []float32 {
	if s.Peek() == '"' {
		data, err := base64.StdEncoding.DecodeString(s.Value(s.Text()))
		if err != nil || len(data)%4 != 0 {
			s.Fail(errVectors)
			return nil
		}
		out := make([]float32, len(data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		return out
	}
	var out []float32
	for s.Open('['); s.Next(']'); {
		sp := s.Number()
		f, err := strconv.ParseFloat(jsonscan.Alias(s.Data[sp.Start:sp.End]), 32)
		if err != nil && s.Err == nil {
			s.Fail(errVectors)
		}
		out = append(out, float32(f))
	}
	return out
}

// EncodeEmbeddings writes vectors for a client.
func EncodeEmbeddings(v *provider.Embeddings, asBase64 bool) []byte {
	e := &encoder{buf: make([]byte, 0, 4096)}
	e.raw(`{"object":"list","data":[`)
	for i, vector := range v.Vectors {
		e.comma()
		e.raw(`{"object":"embedding","index":`)
		e.buf = strconv.AppendInt(e.buf, int64(i), 10)
		e.raw(`,"embedding":`)
		e.vector(vector, asBase64)
		e.raw(`}`)
	}
	e.raw(`],"model":`)
	e.text(v.Model)
	u := v.Usage
	prompt := u.GetInputTokens() + u.GetCacheReadTokens() + u.GetInputImageTokens() + u.GetInputAudioTokens()
	e.raw(`,"usage":{"prompt_tokens":`)
	e.buf = strconv.AppendInt(e.buf, prompt, 10)
	e.raw(`,"total_tokens":`)
	e.buf = strconv.AppendInt(e.buf, prompt+u.GetOutputTokens(), 10)
	e.raw(`}}`)
	return e.buf
}

func (e *encoder) vector(vector []float32, asBase64 bool) {
	if asBase64 {
		data := make([]byte, 0, 4*len(vector))
		for _, f := range vector {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
		}
		e.raw(`"`)
		e.buf = base64.StdEncoding.AppendEncode(e.buf, data)
		e.raw(`"`)
		return
	}
	e.raw(`[`)
	for i, f := range vector {
		if i > 0 {
			e.raw(`,`)
		}
		e.buf = strconv.AppendFloat(e.buf, float64(f), 'g', -1, 32)
	}
	e.raw(`]`)
}
