package gemini

import (
	"errors"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

var countNames = jsonscan.Names{"generateContentRequest", "contents"}

// ParseCountRequest reads the body of a request to count tokens: of contents,
// or of a whole request to generate content.
func ParseCountRequest(model string, raw []byte) (*Request, *llmv1.Conversation, error) {
	s := newScanner(raw)
	var whole jsonscan.Span
	var seen uint64
	for s.Open('{'); s.Next('}'); {
		name, err := find(countNames, s.Key(), &seen, nil)
		if err != nil {
			return nil, nil, err
		}
		if sp := s.Skip(); name == "generateContentRequest" && s.Err == nil && raw[sp.Start] == '{' {
			whole = sp
		}
	}
	if s.Finish() == nil && whole.End > 0 {
		if seen&2 != 0 {
			return nil, nil, (&jsonscan.Path{Name: "contents"}).Invalid("must not stand beside generateContentRequest")
		}
		raw = raw[whole.Start:whole.End]
	}
	return ParseRequest(model, raw)
}

// EncodeCountRequest turns the body of a request to generate content into one
// to count its tokens; resource is the model's name as the API names it.
func EncodeCountRequest(body []byte, resource string) []byte {
	e := &encoder{buf: make([]byte, 0, len(body)+64)}
	e.raw(`{"generateContentRequest":{`)
	e.textMember("model", resource)
	e.copyMembers(body, func(name string) bool { return name != "model" })
	e.raw(`}}`)
	return e.buf
}

// EncodeVertexCount does so for Vertex AI, which takes the members that count.
func EncodeVertexCount(body []byte) []byte {
	e := &encoder{buf: make([]byte, 0, len(body))}
	e.raw(`{`)
	e.copyMembers(body, func(name string) bool {
		return name == "contents" || name == "systemInstruction" || name == "tools" || name == "generationConfig"
	})
	e.raw(`}`)
	return e.buf
}

// copyMembers copies members of an object as they stand.
func (e *encoder) copyMembers(body []byte, wanted func(name string) bool) {
	s := newScanner(body)
	for s.Open('{'); s.Next('}'); {
		start := s.At
		name := camelName(s.Key())
		if s.Skip(); s.Err == nil && wanted(name) {
			e.comma()
			e.buf = append(e.buf, body[start:s.At]...)
		}
	}
}

var errNoCount = errors.New("has no totalTokens")

// DecodeCount reads how many tokens a provider has counted.
func DecodeCount(raw []byte) (int64, error) {
	s := newScanner(raw)
	n, ok := int64(0), false
	var failure error
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "totalTokens":
			n, ok = s.Integer()
		case "error":
			failure = s.errorObject(200)
		default:
			s.Skip()
		}
	}
	switch err := s.Finish(); {
	case err != nil:
		return 0, refusal.Unreadable(err)
	case failure != nil:
		return 0, failure
	case !ok || n < 0:
		return 0, refusal.Unreadable(errNoCount)
	}
	return n, nil
}

// EncodeCount writes a count for a client.
func EncodeCount(n int64) []byte { return []byte(`{"totalTokens":` + itoa(n) + `}`) }
