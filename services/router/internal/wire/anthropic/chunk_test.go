package anthropic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/streams/*.sse")
	if err != nil || len(paths) == 0 {
		t.Fatal("no streams", err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// pieces gives data in two pieces, cut at a place.
type pieces struct{ data [][]byte }

func cutAt(data []byte, at int) io.Reader { return &pieces{[][]byte{data[:at], data[at:]}} }

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.data) > 0 && len(p.data[0]) == 0 {
		p.data = p.data[1:]
	}
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[0])
	p.data[0] = p.data[0][n:]
	return n, nil
}

// decode reads a stream to its end; each sees every chunk.
func decode(src io.Reader, each func(*stream.Chunk)) (*ChunkDecoder, error) {
	frames, d := sse.NewReader(src), &ChunkDecoder{}
	var c stream.Chunk
	for {
		frame, err := frames.Next()
		if err != nil {
			return d, fmt.Errorf("no end: %w", err)
		}
		switch err := d.Decode(frame, &c); {
		case errors.Is(err, io.EOF):
			return d, nil
		case err != nil:
			return d, err
		}
		each(&c)
	}
}

// written writes events for people.
func written(c *stream.Chunk) (out []string) {
	for i := range c.Events {
		e := &c.Events[i]
		switch e.Kind {
		case stream.Start:
			out = append(out, "start "+e.ID+" "+e.Model)
		case stream.PartStart:
			out = append(out, fmt.Sprintf("begin %d %T %s%s", e.Index, e.Part.GetContent(), e.Part.GetToolCall().GetName(), e.Part.GetThinking().GetRedacted()))
		case stream.Text, stream.Thinking, stream.ToolArguments:
			out = append(out, fmt.Sprintf("delta %d %d %q", e.Kind, e.Index, e.Delta))
		case stream.PartStop:
			out = append(out, fmt.Sprintf("end %d %s %d", e.Index, e.Signature, len(e.Citations)))
		case stream.Usage:
			u := e.Tokens
			out = append(out, fmt.Sprint("usage ", u.GetInputTokens(), u.GetCacheReadTokens(), u.GetCacheWrite_5MTokens(),
				u.GetCacheWrite_1HTokens(), u.GetOutputTokens(), u.GetReasoningTokens()))
		case stream.Finish:
			out = append(out, fmt.Sprintf("finish %v %s", e.Reason, e.Stop))
		}
	}
	return out
}

var wantEvents = map[string][]string{
	"thinking_tools.sse": {
		"start msg_01 claude-sonnet-4-5", "usage 12 5 10 20 1 0",
		"begin 0 *llmv1.Part_Thinking ", `delta 4 0 "Let me "`, `delta 4 0 "see 😀\n"`, "end 0 EqQBCg== 0",
		"begin 1 *llmv1.Part_Thinking b3BhcXVl", "end 1  0",
		"begin 2 *llmv1.Part_Text ", `delta 3 2 "Zürich 😀 is \"fine\""`, "end 2  1",
		"begin 3 *llmv1.Part_ToolCall find", `delta 5 3 "{\"q\" : \"Z\\u00"`, `delta 5 3 "fc\", \"n\":1.50e+1}"`, "end 3  0",
		"begin 4 *llmv1.Part_ToolCall none", `delta 5 4 "{}"`, "end 4  0",
		"usage 12 5 10 20 49 40", "finish FINISH_REASON_TOOL_CALLS ",
	},
	"sorted_members.sse": {
		"start msg_02 claude-haiku-4-5", "usage 3 0 0 0 0 0",
		"begin 0 *llmv1.Part_Text ", `delta 3 0 "Be"`, `delta 3 0 "gin"`, "end 0  0",
		"usage 3 0 0 0 0 0", "finish FINISH_REASON_STOP END",
	},
}

// Every recorded stream gives the same events and frames wherever it is cut.
func TestDecodeEverySplit(t *testing.T) {
	for name, data := range recorded(t) {
		var natives []string
		for at := range len(data) + 1 {
			var events, frames []string
			d, err := decode(cutAt(data, at), func(c *stream.Chunk) {
				events = append(events, written(c)...)
				frames = append(frames, string(c.Native))
				if c.Dialect != Dialect || c.Revised {
					t.Fatalf("%s: chunk of %q", name, c.Dialect)
				}
			})
			if err != nil || !d.Started() || !d.Finished(1) {
				t.Fatalf("%s cut at %d: %v", name, at, err)
			}
			if !slices.Equal(events, wantEvents[name]) {
				t.Fatalf("%s cut at %d:\ngot  %q\nwant %q", name, at, events, wantEvents[name])
			}
			if at == 0 {
				natives = frames
			} else if !slices.Equal(frames, natives) {
				t.Fatalf("%s cut at %d: other frames", name, at)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	start := `{"type":"message_start","message":{"id":"m","model":"c"}}`
	begin := `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	const unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	tests := []struct {
		name   string
		frames []string
		want   llmv1.ErrorReason
	}{
		{"no JSON", []string{`{"type":`}, unavailable},
		{"no object", []string{`[]`}, unavailable},
		{"tail", []string{start + "x"}, unavailable},
		{"block before the message", []string{begin}, unavailable},
		{"end before the message", []string{`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`}, unavailable},
		{"delta before the block", []string{start, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}`}, unavailable},
		{"block twice", []string{start, begin, begin}, unavailable},
		{"no index", []string{start, `{"type":"content_block_start","content_block":{"type":"text"}}`}, unavailable},
		{"index beyond", []string{start, strings.Replace(begin, `:0,`, `:5000,`, 1)}, unavailable},
		{"no block", []string{start, `{"type":"content_block_start","index":0}`}, unavailable},
		{"delta behind the block", []string{start, begin, `{"type":"content_block_stop","index":0}`, `{"type":"content_block_delta","index":0,"delta":{}}`}, unavailable},
		{"block behind the end", []string{start, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`, begin}, unavailable},
		{"overloaded", []string{start, `{"type":"error","error":{"type":"overloaded_error","message":"key sk-1"}}`}, unavailable},
		{"limited", []string{`{"type":"error","error":{"type":"rate_limit_error","message":""}}`}, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED},
		{"too long", []string{`{"error":{"type":"invalid_request_error","message":"prompt is too long: 5 > 4"},"type":"error"}`}, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &ChunkDecoder{}
			var c stream.Chunk
			var err error
			for i, frame := range tt.frames {
				if err = d.Decode([]byte(frame), &c); err != nil && i < len(tt.frames)-1 {
					t.Fatalf("frame %d: %v", i, err)
				}
			}
			if e := errs.From(err); e == nil || e.Reason != tt.want || strings.Contains(e.LogValue().String(), "sk-1") {
				t.Errorf("got %v", err)
			}
			if d.Finished(1) && tt.name != "block behind the end" {
				t.Error("finished")
			}
		})
	}
}

// encoded is what the encoder makes of a stream.
func encoded(t testing.TB, data []byte, change func(*stream.Chunk), sources ...*llmv1.Citation) []byte {
	t.Helper()
	e := NewChunkEncoder(nil)
	e.Sources(sources)
	var out []byte
	if _, err := decode(bytes.NewReader(data), func(c *stream.Chunk) {
		change(c)
		out = e.Append(out, c)
	}); err != nil {
		t.Fatal(err)
	}
	return e.End(out)
}

// A stream of the same format passes byte for byte, frame for frame.
func TestEncodePassesNative(t *testing.T) {
	for name, data := range recorded(t) {
		out := encoded(t, data, func(*stream.Chunk) {})
		have, want := framesOf(t, out), framesOf(t, data)
		if !slices.Equal(have, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, have, want)
		}
		again := encoded(t, out, func(*stream.Chunk) {})
		if !bytes.Equal(again, out) {
			t.Errorf("%s: another stream the second time", name)
		}
		for _, line := range strings.Split(string(out), "\n") { // the SDKs go by the name
			if rest, ok := strings.CutPrefix(line, "event: "); ok && !strings.Contains(string(out), `"type":"`+rest+`"`) && rest != "ping" {
				t.Errorf("%s: event %q", name, rest)
			}
		}
	}
}

func framesOf(t testing.TB, data []byte) (out []string) {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(data))
	for {
		frame, err := r.Next()
		if err != nil {
			return out
		}
		out = append(out, string(frame))
	}
}
