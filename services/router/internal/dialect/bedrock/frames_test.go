package bedrock

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// message is one message of a stream: the type, and the payload in base64 or
// the exception's text.
type message struct {
	kind    eventstream.Kind
	name    string
	payload map[string]any
}

// unframe reads a stream as strictly as it can be.
func unframe(t *testing.T, raw []byte) []message {
	t.Helper()
	var out []message
	r := eventstream.NewReader(bytes.NewReader(raw))
	for {
		one, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := eventstream.Parse(one)
		if err != nil {
			t.Fatal(err)
		}
		got := message{kind: m.Kind, name: string(m.Type)}
		if err := json.Unmarshal(m.Payload, &got.payload); err != nil {
			t.Fatalf("%s: %v", m.Payload, err)
		}
		if m.Kind == eventstream.Event {
			inner, err := base64.StdEncoding.DecodeString(got.payload["bytes"].(string))
			if err != nil {
				t.Fatal(err)
			}
			got.payload = nil
			if err := json.Unmarshal(inner, &got.payload); err != nil {
				t.Fatalf("%s: %v", inner, err)
			}
		}
		out = append(out, got)
	}
}

func text(delta string) *stream.Chunk {
	return &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte(delta)}}}
}

func TestNothingFollowsTheEnd(t *testing.T) {
	interrupted := errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "")
	for spoken, f := range families {
		for name, end := range map[string]func(*frames, []byte) []byte{
			"end":  func(e *frames, b []byte) []byte { return e.End(b) },
			"fail": func(e *frames, b []byte) []byte { return e.Fail(b, interrupted) },
			"policy": func(e *frames, b []byte) []byte {
				return e.Fail(b, errs.New(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, ""))
			},
			"event": func(e *frames, b []byte) []byte {
				return e.Append(b, &stream.Chunk{Events: []stream.Event{{Kind: stream.Error, Failure: &llmv1.StreamError{Reason: interrupted.Reason}}}})
			},
		} {
			e := newFrames(f)
			b := e.Append(nil, text("a"))
			b = end(e, b)
			whole := unframe(t, b)
			b = e.Append(b, text("b"))
			b = e.End(e.Fail(b, interrupted))
			if got := unframe(t, b); len(got) != len(whole) {
				t.Errorf("format %d, %s: %v follows", spoken, name, got[len(whole):])
			}
			last := whole[len(whole)-1]
			_, counted := last.payload["amazon-bedrock-invocationMetrics"]
			if well := name == "end" || name == "policy"; counted != well || (last.kind == eventstream.Exception) == well {
				t.Errorf("format %d, %s: ends with %v", spoken, name, last)
			}
		}
	}
}

// TestNativeFramesPass: the provider's own frames reach the client as they are,
// unknown members included, but for what Bedrock adds to the last.
func TestNativeFramesPass(t *testing.T) {
	frames := []string{
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1},"future":true}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"type":"ping"}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"},"p":"abc"}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}`,
	}
	e := newFrames(families[formatAnthropic])
	var decoder anthropic.ChunkDecoder
	var chunk stream.Chunk
	var b []byte
	for _, f := range frames {
		if err := decoder.Decode([]byte(f), &chunk); err != nil {
			t.Fatal(err)
		}
		chunk.Native, chunk.Dialect = []byte(f), anthropic.Dialect
		b = e.Append(b, &chunk)
	}
	got := unframe(t, e.End(b))
	if len(got) != 6 {
		t.Fatalf("%d messages: %v", len(got), got)
	}
	if got[0].payload["message"].(map[string]any)["future"] != true || got[2].payload["p"] != "abc" {
		t.Errorf("unknown members are lost: %v", got)
	}
	metrics := got[5].payload["amazon-bedrock-invocationMetrics"].(map[string]any)
	if metrics["inputTokenCount"] != 5.0 || metrics["cacheReadInputTokenCount"] != 7.0 || metrics["outputTokenCount"] != 9.0 {
		t.Errorf("metrics %v", metrics)
	}
}

func TestChunkDoesNotAllocate(t *testing.T) {
	for spoken, f := range families {
		e := newFrames(f)
		buffer := make([]byte, 0, 4096)
		c := text("some text")
		got := testing.AllocsPerRun(100, func() { buffer = e.Append(buffer[:0], c) })
		if got > 0 {
			t.Errorf("format %d: %v allocations", spoken, got)
		}
	}
	frame := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some text"}}`)
	e := newFrames(families[formatAnthropic])
	buffer := e.Append(make([]byte, 0, 4096), &stream.Chunk{
		Native: []byte(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`), Dialect: anthropic.Dialect,
		Events: []stream.Event{{Kind: stream.PartStart, Part: &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{}}}}},
	})
	c := &stream.Chunk{Native: frame, Dialect: anthropic.Dialect, Events: text("some text").Events}
	if got := testing.AllocsPerRun(100, func() { buffer = e.Append(buffer[:0], c) }); got > 0 {
		t.Errorf("native: %v allocations", got)
	}
}

func BenchmarkInvokeChunk(b *testing.B) {
	for name, spoken := range map[string]format{"anthropic": formatAnthropic, "titan": formatTitanText} {
		b.Run(name, func(b *testing.B) {
			e := newFrames(families[spoken])
			buffer, c := make([]byte, 0, 4096), text("some text of usual length")
			b.ReportAllocs()
			for b.Loop() {
				buffer = e.Append(buffer[:0], c)
			}
		})
	}
}

// FuzzInvokeStream: whatever a target writes, the client gets whole messages of
// valid JSON, and the text as it was.
func FuzzInvokeStream(f *testing.F) {
	f.Add("one", "two \"\n", uint8(0))
	f.Add("\xff", "\u2028", uint8(3))
	f.Fuzz(func(t *testing.T, a, b string, end uint8) {
		for _, of := range families {
			e := newFrames(of)
			raw := e.Append(nil, text(a))
			raw = e.Append(raw, &stream.Chunk{Events: []stream.Event{
				{Kind: stream.Text, Delta: []byte(b)},
				{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: int64(end)}},
				{Kind: stream.Finish, Reason: llmv1.FinishReason(end % 7)},
			}})
			if end%2 == 0 {
				raw = e.End(raw)
			} else {
				raw = e.Fail(raw, errs.New(llmv1.ErrorReason(end%30), "%s", a))
			}
			var said strings.Builder
			for _, m := range unframe(t, raw) {
				said.WriteString(textOf(m.payload["outputText"]))
				if delta, ok := m.payload["delta"].(map[string]any); ok {
					said.WriteString(textOf(delta["text"]))
				}
			}
			// Readers of streams tear no character: each piece is valid for itself.
			if utf8.ValidString(a) && utf8.ValidString(b) && said.String() != a+b {
				t.Fatalf("%q became %q", a+b, said.String())
			}
		}
	})
}

func textOf(value any) string {
	text, _ := value.(string)
	return text
}

// FuzzBodies: readers of bodies refuse or read, and never panic.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"input":{"converse":{"messages":[]}}}`))
	f.Add([]byte(`{"input":{"invokeModel":{"body":"e30="}}}`))
	f.Add([]byte(`{"anthropic_beta":["a"],"messages":[]}`))
	f.Add([]byte(`{"inputText":"a","dimensions":3}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if asked, err := readCount(raw); err == nil && (asked == nil || !json.Valid(raw)) {
			t.Fatalf("%s: %+v", raw, asked)
		}
		for _, model := range []string{"m", "amazon.titan-embed-text-v1"} {
			if formatOf(raw, model) == formatUnknown && !json.Valid(raw) {
				t.Fatalf("%s is no JSON, and nobody says so", raw)
			}
		}
		betas, err := betasOf(raw)
		if err == nil && len(betas) > maxBetas {
			t.Fatalf("%d betas", len(betas))
		}
		for _, name := range betas {
			if strings.ContainsAny(name, "\r\n, ") {
				t.Fatalf("beta %q", name)
			}
		}
		given, err := labels(map[string][]string{"X-Amzn-Bedrock-Request-Metadata": {string(raw)}})
		if err == nil && len(given) > maxLabels {
			t.Fatalf("%d labels", len(given))
		}
	})
}

func TestFormatOf(t *testing.T) {
	tests := []struct {
		body, model string
		want        format
	}{
		{`{"anthropic_version":"bedrock-2023-05-31"}`, "m", formatAnthropic},
		{`{"max_tokens":1,"messages":[]}`, "amazon.titan-text-lite-v1", formatAnthropic},
		{`{"inputText":"a"}`, "m", formatTitanText},
		{`{"inputText":"a"}`, "amazon.titan-embed-text-v1", formatTitanEmbed},
		{`{"inputText":"a"}`, "text-embedding-3-small", formatTitanEmbed},
		{`{"inputText":"a","textGenerationConfig":{}}`, "not-an-embedder", formatTitanText},
		{`{"normalize":true,"inputText":"a"}`, "m", formatTitanEmbed},
		{`{"texts":["a"],"input_type":"search_query"}`, "m", formatCohereEmbed},
		{`{"prompt":"a"}`, "m", formatUnknown},
		{`{}`, "m", formatUnknown},
		{`{`, "m", formatAnthropic},
		{`nonsense`, "amazon.titan-text-lite-v1", formatTitanText},
	}
	for _, tt := range tests {
		if got := formatOf([]byte(tt.body), tt.model); got != tt.want {
			t.Errorf("%s of %s: %d, want %d", tt.body, tt.model, got, tt.want)
		}
	}
}

func TestModelsAreDescribed(t *testing.T) {
	for id, want := range map[string]string{
		"anthropic.claude-v2": "Anthropic", "us.anthropic.claude-x:0": "Anthropic", "amazon.titan-embed-text-v2:0": "Amazon",
		"gpt-4.1": "", "claude-3.5-sonnet": "", "org/model": "", ".": "", "": "", "a.b.c": "A",
	} {
		if got := vendor(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	raw := appendModel(nil, &routerv1.Model{Id: "amazon.\"embed\"", InputModalities: []string{"text", "image", "audio"}, RetireDate: "2027-01-31"})
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	lifecycle := got["modelLifecycle"].(map[string]any)
	if got["outputModalities"].([]any)[0] != "EMBEDDING" || got["responseStreamingSupported"] != false || len(got["inputModalities"].([]any)) != 2 ||
		lifecycle["status"] != "LEGACY" || lifecycle["endOfLifeTime"] != "2027-01-31T00:00:00Z" {
		t.Errorf("%s", raw)
	}
}
