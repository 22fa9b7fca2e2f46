package openai

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tollgate/tollgate/services/router/internal/provider"
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

var embedNames = names{"model", "input", "dimensions", "encoding_format", "user"}

// ParseEmbedRequest reads the body of an embeddings request. The texts share
// memory with raw.
func ParseEmbedRequest(raw []byte) (*EmbedRequest, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: scanner{data: raw}}
	if p.peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	r := &EmbedRequest{}
	var seen uint64
	for p.open('{'); p.next('}'); {
		name, err := embedNames.find(p.key(), &seen, nil)
		if err == nil {
			err = p.embedMember(r, name, &path{name: name})
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.finish(); err != nil {
		return nil, malformed("the body " + err.Error())
	}
	if r.Model == "" || len(r.Model) > maxModel {
		return nil, (&path{name: "model"}).invalid("must have 1 to %d characters", maxModel)
	}
	if len(r.Inputs) == 0 {
		return nil, (&path{name: "input"}).invalid("must not be empty")
	}
	return r, nil
}

func (p *parser) embedMember(r *EmbedRequest, name string, at *path) error {
	switch name {
	case "model":
		return p.stringMember(&r.Model, at)
	case "input":
		return p.inputs(r, at)
	}
	if p.peek() == 'n' || name == "" || name == "user" {
		p.skip()
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
	if p.err == nil && format != "float" && format != "base64" {
		return at.invalid("must be float or base64")
	}
	r.Base64 = format == "base64"
	return nil
}

func (p *parser) inputs(r *EmbedRequest, at *path) error {
	if p.peek() == '"' {
		r.Inputs = []string{p.value(p.text())}
		return nil
	}
	if p.peek() != '[' {
		return at.invalid("must be a string or an array of strings")
	}
	for p.open('['); p.next(']'); {
		if len(r.Inputs) == maxInputs {
			return at.invalid("must not have more than %d texts", maxInputs)
		}
		in := &path{parent: at, index: len(r.Inputs)}
		if c := p.peek(); c == '[' || c >= '0' && c <= '9' {
			return in.unsupported("must be a text; token ids cannot be checked")
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
	s := &scanner{data: raw}
	out := &provider.Embeddings{Vectors: make([][]float32, inputs)}
	var failure error
	for s.open('{'); s.next('}'); {
		switch key := string(s.key()); {
		case key == "data" && s.peek() == '[':
			for s.open('['); s.next(']'); {
				s.embedding(out.Vectors)
			}
		case key == "model":
			out.Model = s.optionalValue(s.optionalText())
		case key == "usage":
			out.Usage = s.usage()
		case key == "error":
			failure = s.errorObject(200)
		default:
			s.skip()
		}
	}
	if err := s.finish(); err != nil {
		return nil, unreadable(err)
	}
	if failure != nil {
		return nil, failure
	}
	for _, v := range out.Vectors {
		if len(v) == 0 {
			return nil, unreadable(errVectors)
		}
	}
	return out, nil
}

func (s *scanner) embedding(vectors [][]float32) {
	index, vector := int64(-1), []float32(nil)
	for s.open('{'); s.next('}'); {
		switch string(s.key()) {
		case "index":
			index, _ = s.integer()
		case "embedding":
			vector = s.vector()
		default:
			s.skip()
		}
	}
	if s.err == nil && (index < 0 || index >= int64(len(vectors)) || vectors[index] != nil) {
		s.fail(errVectors)
		return
	}
	if s.err == nil {
		vectors[index] = vector
	}
}

// vector reads numbers, or base64 of little-endian floats.
func (s *scanner) vector() []float32 {
	if s.peek() == '"' {
		data, err := base64.StdEncoding.DecodeString(s.value(s.text()))
		if err != nil || len(data)%4 != 0 {
			s.fail(errVectors)
			return nil
		}
		out := make([]float32, len(data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		return out
	}
	var out []float32
	for s.open('['); s.next(']'); {
		sp := s.number()
		f, err := strconv.ParseFloat(alias(s.data[sp.start:sp.end]), 32)
		if err != nil && s.err == nil {
			s.fail(errVectors)
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
