package gemini

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Bounds of an embeddings request.
const (
	maxInputs     = 2048
	maxDimensions = 65536
)

var (
	embedNames = jsonscan.Names{"model", "content", "taskType", "title", "outputDimensionality"}
	batchNames = jsonscan.Names{"requests"}
)

// ParseEmbedRequest reads the body of a request to embed one content, or of
// many if batch is set. The texts share memory with raw.
func ParseEmbedRequest(model string, raw []byte, batch bool) (*provider.EmbedRequest, error) {
	model, err := modelOf(model)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: newScanner(raw), req: &Request{raw: raw, modelName: model}, conv: &llmv1.Conversation{}}
	if p.Peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	r := &provider.EmbedRequest{Model: model}
	if batch {
		err = p.object(nil, batchNames, nil, func(_ string, in *jsonscan.Path) error {
			_, err := p.each(in, maxInputs, func(in *jsonscan.Path) error { return p.embedOne(r, in) })
			return err
		})
	} else {
		err = p.embedOne(r, nil)
	}
	if err != nil && p.Err == nil {
		return nil, err
	}
	if fault := p.Finish(); fault != nil {
		return nil, malformed("the body " + fault.Error())
	}
	if len(r.Inputs) == 0 {
		return nil, (&jsonscan.Path{Name: "requests"}).Invalid("must not be empty")
	}
	if unknown := p.req.unexpressed; len(unknown) > 0 {
		return nil, (&jsonscan.Path{Name: unknown[0]}).Unsupported("is not supported")
	}
	return r, nil
}

// embedOne reads a request for one vector.
func (p *parser) embedOne(r *provider.EmbedRequest, at *jsonscan.Path) error {
	var pieces []piece
	var dimensions int64
	err := p.object(at, embedNames, nil, func(name string, in *jsonscan.Path) (err error) {
		switch name {
		case "model":
			return p.sameModel(in)
		case "content":
			return p.object(in, contentNames, nil, func(name string, in *jsonscan.Path) error {
				if name == "role" {
					p.Skip()
					return nil
				}
				_, err := p.each(in, maxParts, func(in *jsonscan.Path) error { return p.part(&pieces, in) })
				return err
			})
		case "outputDimensionality":
			dimensions, err = p.bounded(1, maxDimensions, in)
			return err
		default: // a vector for a task is another vector
			p.note(in)
			return nil
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	in := &jsonscan.Path{Parent: at, Name: "content"}
	if len(pieces) != 1 || pieces[0].part.GetText() == nil {
		return in.Unsupported("must hold one text")
	}
	if len(r.Inputs) > 0 && int64(r.Dimensions) != dimensions {
		return (&jsonscan.Path{Parent: at, Name: "outputDimensionality"}).Unsupported("must be the same in all requests")
	}
	r.Inputs, r.Dimensions = append(r.Inputs, pieces[0].part.GetText().GetText()), int32(dimensions) // bounded above
	return nil
}

// sameModel reads a model that the path names already.
func (p *parser) sameModel(at *jsonscan.Path) error {
	var named string
	if err := p.stringMember(&named, at); err != nil || p.Err != nil {
		return err
	}
	if named = strings.TrimPrefix(named, "models/"); named != p.req.modelName {
		return at.Invalid("must be the model that the path names")
	}
	return nil
}

// EncodeEmbedRequest writes a request for a batch of vectors; resource is the
// model's name as the API names it.
func EncodeEmbedRequest(r *provider.EmbedRequest, resource string) []byte {
	e := &encoder{buf: make([]byte, 0, 256)}
	e.raw(`{"requests":[`)
	for _, text := range r.Inputs {
		e.comma()
		e.raw(`{`)
		e.textMember("model", resource)
		e.embedContent(text, r.Dimensions)
		e.raw(`}`)
	}
	e.raw(`]}`)
	return e.buf
}

// EncodeEmbedContent writes a request for one vector.
func EncodeEmbedContent(text string, dimensions int32) []byte {
	e := &encoder{buf: make([]byte, 0, 256)}
	e.raw(`{`)
	e.embedContent(text, dimensions)
	e.raw(`}`)
	return e.buf
}

func (e *encoder) embedContent(text string, dimensions int32) {
	e.member("content")
	e.raw(`{"parts":[{"text":`)
	e.text(text)
	e.raw(`}]}`)
	if dimensions > 0 {
		e.member("outputDimensionality")
		e.raw(itoa(int64(dimensions)))
	}
}

// EncodePredict writes a request to the older embedding models of Vertex AI.
func EncodePredict(inputs []string, dimensions int32) []byte {
	e := &encoder{buf: make([]byte, 0, 256)}
	e.raw(`{"instances":[`)
	for _, text := range inputs {
		e.comma()
		e.raw(`{"content":`)
		e.text(text)
		e.raw(`}`)
	}
	e.raw(`]`)
	if dimensions > 0 {
		e.raw(`,"parameters":{"outputDimensionality":` + itoa(int64(dimensions)) + `}`)
	}
	e.raw(`}`)
	return e.buf
}

var errVectors = errors.New("has not one vector for each text")

// DecodeEmbeddings reads a provider's vectors for the given number of texts, in
// any of the three forms: a batch, a single one, or predictions.
func DecodeEmbeddings(raw []byte, inputs int) (*provider.Embeddings, error) {
	s := newScanner(raw)
	out := &provider.Embeddings{}
	var failure error
	tokens, counted := int64(0), false
	one := func() {
		vector, n := s.embedding()
		out.Vectors = append(out.Vectors, vector)
		tokens, counted = tokens+max(n, 0), counted || n >= 0
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "embeddings", "embedding":
			s.elements(one)
		case "predictions":
			s.elements(func() {
				s.members(func(name []byte) {
					if string(name) == "embeddings" && s.Peek() == '{' {
						one()
						return
					}
					s.Skip()
				})
			})
		case "usageMetadata":
			u := &llmv1.Usage{}
			if s.readUsage(u) {
				out.Usage = u
			}
		case "error":
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
	if len(out.Vectors) != inputs {
		return nil, refusal.Unreadable(errVectors)
	}
	if out.Usage == nil && counted {
		out.Usage = &llmv1.Usage{InputTokens: tokens, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	}
	return out, nil
}

// embedding reads one vector, and how many tokens it took; -1 if that is not said.
func (s *scanner) embedding() (vector []float32, tokens int64) {
	tokens = -1
	s.members(func(name []byte) {
		switch string(name) {
		case "values":
			vector = s.vector()
		case "statistics":
			s.members(func(name []byte) {
				if n := string(name); n == "token_count" || n == "tokenCount" {
					if n, ok := s.Integer(); ok {
						tokens = n
					}
					return
				}
				s.Skip()
			})
		default:
			s.Skip()
		}
	})
	if len(vector) == 0 {
		s.Fail(errVectors)
	}
	return vector, tokens
}

func (s *scanner) vector() []float32 {
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

// EncodeEmbeddings writes vectors for a client that asked for one or for many.
func EncodeEmbeddings(v *provider.Embeddings, batch bool) []byte {
	e := &encoder{buf: make([]byte, 0, 4096)}
	e.raw(`{`)
	if batch {
		e.raw(`"embeddings":[`)
		for _, vector := range v.Vectors {
			e.comma()
			e.vector(vector)
		}
		e.raw(`]`)
	} else {
		e.raw(`"embedding":`)
		e.vector(slices.Concat(v.Vectors...))
	}
	if u := v.Usage; u != nil {
		e.member("usageMetadata")
		e.raw(`{"promptTokenCount":` + itoa(u.GetInputTokens()+u.GetCacheReadTokens()+u.GetInputImageTokens()+u.GetInputAudioTokens()) + `}`)
	}
	e.raw(`}`)
	return e.buf
}

func (e *encoder) vector(vector []float32) {
	e.raw(`{"values":[`)
	for i, f := range vector {
		if i > 0 {
			e.raw(`,`)
		}
		e.buf = strconv.AppendFloat(e.buf, float64(f), 'g', -1, 32)
	}
	e.raw(`]}`)
}
