// Package pairs holds what is true of every pair of wire formats: a client of
// one reaches a provider of the other, and nothing is lost on either way.
package pairs

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/gemini"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
	"github.com/tollgate/tollgate/services/router/internal/wire/responses"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

type (
	encoder interface {
		Append(dst []byte, c *stream.Chunk) []byte
		End(dst []byte) []byte
		Fail(dst []byte, err error) []byte
	}
	decoder interface {
		Decode(frame []byte, c *stream.Chunk) error
		Started() bool
		Finished(candidates int) bool
	}
	frames interface{ Next() ([]byte, error) }
)

// client is the side of a wire format that clients see.
type client struct {
	name    string
	parse   func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error)
	answer  func(*provider.Answer) []byte
	encoder func() encoder
}

// target is the side that providers see. Its name is that of the client.
type target struct {
	name, model string
	encode      func(*provider.Request, bool) ([]byte, error)
	decode      func([]byte) (*llmv1.Completion, error)
	decoder     func() decoder
	frames      func(io.Reader) frames
	// frame writes one line of a recorded stream as it comes over the wire.
	frame func(dst []byte, line string) []byte
}

const model = "m"

// native keeps a nil request from becoming an interface that is not nil.
func native[R provider.NativeRequest](r R, c *llmv1.Conversation, err error) (provider.NativeRequest, *llmv1.Conversation, error) {
	if err != nil {
		return nil, nil, err
	}
	return r, c, nil
}

var clients = []client{
	{
		"openai",
		func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error) {
			return native(openai.ParseRequest(raw))
		},
		func(a *provider.Answer) []byte { return openai.EncodeAnswer(a, nil) },
		func() encoder { return openai.NewChunkEncoder(true) },
	},
	{
		"responses",
		func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error) {
			r, c, err := responses.ParseRequest(raw)
			if err != nil {
				return nil, nil, err
			}
			return r, conversation.WithInstructions(c, r.Instructions), nil
		},
		func(a *provider.Answer) []byte {
			r := responses.NewResponse(&responses.Request{}, "resp_1")
			r.Complete(a.Completion, nil)
			return r.Append(nil)
		},
		func() encoder {
			return responses.NewChunkEncoder(responses.NewResponse(&responses.Request{}, "resp_1"), func(*responses.Response) {})
		},
	},
	{
		"anthropic",
		func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error) {
			return native(anthropic.ParseRequest(raw))
		},
		func(a *provider.Answer) []byte { return anthropic.EncodeAnswer(a, nil) },
		func() encoder { return anthropic.NewChunkEncoder(nil) },
	},
	{
		"gemini",
		func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error) {
			return native(gemini.ParseRequest(model, raw))
		},
		func(a *provider.Answer) []byte { return gemini.EncodeAnswer(a, nil) },
		func() encoder { return gemini.NewChunkEncoder(true) },
	},
	{
		"converse",
		func(raw []byte) (provider.NativeRequest, *llmv1.Conversation, error) {
			return native(converse.ParseRequest(raw, model))
		},
		func(a *provider.Answer) []byte { return converse.EncodeAnswer(a, nil, 0) },
		func() encoder { return converse.NewChunkEncoder() },
	},
}

func events(src io.Reader) frames { return sse.NewReader(src) }

func appendData(dst []byte, line string) []byte {
	return append(append(append(dst, "data: "...), line...), "\n\n"...)
}

var targets = []target{
	{
		"openai", "gpt-4o", openai.EncodeConversation, openai.DecodeCompletion,
		func() decoder { return &openai.ChunkDecoder{} }, events, appendData,
	},
	{
		"anthropic", "claude-sonnet-4-5", anthropic.EncodeConversation, anthropic.DecodeCompletion,
		func() decoder { return &anthropic.ChunkDecoder{} }, events,
		func(dst []byte, line string) []byte {
			var event struct{ Type string }
			_ = json.Unmarshal([]byte(line), &event) // the name is for people, and for SDKs
			name := strings.NewReplacer("\n", "", "\r", "").Replace(event.Type)
			return appendData(append(append(append(dst, "event: "...), name...), '\n'), line)
		},
	},
	{
		"gemini", "gemini-2.5-flash", gemini.EncodeConversation, gemini.DecodeCompletion,
		func() decoder { return &gemini.ChunkDecoder{} }, events, appendData,
	},
	{
		"converse", "anthropic.claude-sonnet-4-5-20250929-v1:0", converse.EncodeConversation, converse.DecodeCompletion,
		func() decoder { return &converse.ChunkDecoder{} },
		func(src io.Reader) frames { return eventstream.NewReader(src) },
		func(dst []byte, line string) []byte {
			kind, payload, _ := strings.Cut(line, " ")
			return eventstream.Append(dst, kind[:min(len(kind), 127)], []byte(payload))
		},
	},
}

// of finds the client's side of a target, and the other way round.
func (t target) client() client {
	for _, c := range clients {
		if c.name == t.name {
			return c
		}
	}
	panic("no client speaks " + t.name)
}

// ear reads what a client of the format is told.
func (c client) ear() target {
	for _, t := range targets {
		if t.name == c.name {
			return t
		}
	}
	return listener
}

// wire writes the lines of a recorded stream as they come over the wire.
func (t target) wire(lines string) []byte {
	var raw []byte
	for line := range strings.Lines(lines) {
		raw = t.frame(raw, strings.TrimRight(line, "\r\n"))
	}
	return raw
}

// recorded reads a sample of a format.
func recorded(t testing.TB, format, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", format, name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(raw)
}

// said is what the streamed texts say.
var said = strings.Repeat("Zürich is \"overcast\", São Paulo 😀 sunny;\n take a walk there. ", 5)

// words cuts what is said into the pieces in which models write it.
func words() []string { return strings.SplitAfter(said, " ") }

const word = "WORD"

// textLines are the lines of a stream of text: the line of a word comes once
// for each.
func textLines(t testing.TB, format string) string {
	var b strings.Builder
	for line := range strings.Lines(string(recorded(t, format, "text.frames"))) {
		if !strings.Contains(line, word) {
			b.WriteString(line)
			continue
		}
		for _, w := range words() {
			quoted, err := json.Marshal(w)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(strings.Replace(line, `"`+word+`"`, string(quoted), 1))
		}
	}
	return b.String()
}
