package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// readFrames reads server-sent events.
func readFrames(t testing.TB, out []byte) []string {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(out))
	var frames []string
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, string(data))
	}
}

// checkArray ends an array and checks that it is one.
func checkArray(t testing.TB, out []byte, e *ChunkEncoder) {
	t.Helper()
	if out = e.End(out); len(out) > 0 && out[0] == '[' && !json.Valid(out) {
		t.Fatalf("not JSON: %s", out)
	}
}

// encodeAll decodes frames and writes them out again; change may revise a chunk.
func encodeAll(t *testing.T, e *ChunkEncoder, change func(*stream.Chunk), frames ...string) []byte {
	t.Helper()
	d := &ChunkDecoder{}
	var c stream.Chunk
	var out []byte
	for _, f := range frames {
		if err := d.Decode([]byte(f), &c); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&c)
		}
		out = e.Append(out, &c)
	}
	return e.End(out)
}

func foreign(c *stream.Chunk) { c.Native, c.Dialect = nil, "" }
func revised(c *stream.Chunk) { c.Revised = true }

func TestEncodeNativeUntouched(t *testing.T) {
	if got := readFrames(t, encodeAll(t, NewChunkEncoder(true), nil, sample...)); !slices.Equal(got, sample) {
		t.Errorf("got %q", got)
	}
	if got, want := encodeAll(t, NewChunkEncoder(false), nil, sample...), "["+strings.Join(sample, ",\r\n")+"]"; string(got) != want {
		t.Errorf("got %s", got)
	}
	spread := "{\n\"responseId\":\"x\",\r\n\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]\n}"
	if got := readFrames(t, encodeAll(t, NewChunkEncoder(true), nil, spread)); !slices.Equal(got, []string{strings.NewReplacer("\r", " ", "\n", " ").Replace(spread)}) {
		t.Errorf("got %q", got)
	}
}

// What is written anew says the same as what came in.
func TestEncodeAnewSaysTheSame(t *testing.T) {
	want, _, err := decodeAll(sample...)
	if err != nil {
		t.Fatal(err)
	}
	// The ends and what it cost come once, in the last frame.
	want = slices.DeleteFunc(want, func(e string) bool { return strings.HasPrefix(e, "usage") })
	ended := func(e string) bool { return strings.Contains(e, "finish") || strings.HasSuffix(e, "0 end") }
	for name, change := range map[string]func(*stream.Chunk){"foreign": foreign, "revised": revised} {
		for _, events := range []bool{true, false} {
			out := encodeAll(t, NewChunkEncoder(events), change, sample...)
			var frames []string
			if events {
				frames = readFrames(t, out)
			} else {
				var array []json.RawMessage
				if err := json.Unmarshal(out, &array); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				for _, f := range array {
					frames = append(frames, string(f))
				}
			}
			got, d, err := decodeAll(frames...)
			if err != nil || !d.Finished(2) || got[len(got)-1] != "usage 3+2+0" {
				t.Fatalf("%s: got %q, %v", name, got, err)
			}
			got = got[:len(got)-1]
			if a, b := slices.DeleteFunc(got, ended), slices.DeleteFunc(slices.Clone(want), ended); !slices.Equal(a, b) {
				t.Errorf("%s:\ngot  %q\nwant %q", name, a, b)
			}
			if strings.Contains(string(out), idPrefix) {
				t.Errorf("%s: a made-up id got out: %s", name, out)
			}
			if kept := strings.Contains(string(out), `"safetyRatings":[{"x":1}]`); kept != (name == "revised") {
				t.Errorf("%s: unknown members: %v", name, kept)
			}
		}
	}
}

func TestEncodeForeign(t *testing.T) {
	call := &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "call_1", Name: "f"}}}
	broken := &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "call_2", Name: "g"}}}
	open := &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "call_3", Name: "h"}}}
	redacted := &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte("r")}}}
	e := NewChunkEncoder(true)
	e.Sources([]*llmv1.Citation{{Marker: "1", Uri: "https://s", Title: "S"}})
	var out []byte
	for _, events := range [][]stream.Event{
		{{Kind: stream.Start, ID: "r", Model: "m"}, {Kind: stream.PartStart, Part: redacted}, {Kind: stream.PartStop}},
		{{Kind: stream.PartStart, Index: 1, Part: newThinking("")}, {Kind: stream.Thinking, Index: 1, Delta: []byte("hm")}, {Kind: stream.PartStop, Index: 1, Signature: "s-g"}},
		{{Kind: stream.Text, Index: 2, Delta: []byte("see [")}},
		{{Kind: stream.Text, Index: 2, Delta: []byte("1]")}, {Kind: stream.Text, Candidate: 1, Delta: []byte("b")}, {Kind: stream.PartStop, Index: 2}},
		{{Kind: stream.PartStart, Index: 3, Part: call}, {Kind: stream.PartStart, Index: 4, Part: open}, {Kind: stream.ToolArguments, Index: 3, Delta: []byte(`{"a"`)}},
		{{Kind: stream.ToolArguments, Index: 4, Delta: []byte(`{}`)}, {Kind: stream.ToolArguments, Index: 3, Delta: []byte(`: 1}`)}, {Kind: stream.PartStop, Index: 3, Signature: "eA=="}},
		{{Kind: stream.PartStart, Candidate: 1, Index: 1, Part: broken}, {Kind: stream.ToolArguments, Candidate: 1, Index: 1, Delta: []byte(`{`)}, {Kind: stream.PartStop, Candidate: 1, Index: 1}},
		{{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS}, {Kind: stream.Finish, Candidate: 1, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS}},
		{{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 3, OutputTokens: 2}}},
	} {
		out = e.Append(out, &stream.Chunk{Events: events})
	}
	got := readFrames(t, e.End(out))
	const tail = `],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}`
	want := []string{
		`{"candidates":[{"content":{"parts":[{"text":"","thought":true,"thoughtSignature":"` + signatureText("", []byte("r")) + `"}` + tail,
		`{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"","thought":true,"thoughtSignature":"` + signatureText("s-g", nil) + `"}` + tail,
		`{"candidates":[{"content":{"parts":[{"text":"see ["}` + tail,
		`{"candidates":[{"content":{"parts":[{"text":"1]"}` + tail,
		`{"candidates":[{"content":{"parts":[{"text":"b"}` + strings.Replace(tail, `"index":0`, `"index":1`, 1),
		`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_1","name":"f","args":{"a": 1}},"thoughtSignature":"eA=="}` + tail,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_3","name":"h","args":{}}}` + tail,
		`{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://s","title":"S"}}],"groundingSupports":[{"segment":{"partIndex":0,"startIndex":4,"endIndex":7,"text":"[1]"},"groundingChunkIndices":[0]}]}},` +
			`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: g","index":1}],` +
			`"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},"modelVersion":"m","responseId":"r"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if more := e.Append(nil, &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("late")}}}); len(more) > 0 || len(e.End(nil)) > 0 {
		t.Errorf("got %s behind the end", more)
	}
}

// Sources are cited in a frame of their own before a finish that passes through.
func TestEncodeNativeCites(t *testing.T) {
	e := NewChunkEncoder(true)
	e.Sources([]*llmv1.Citation{{Marker: "1", Uri: "https://s"}})
	frames := []string{frame(0, `{"text":"see ["}`), frame(0, `{"text":"1]"}`, stop)}
	got := readFrames(t, encodeAll(t, e, nil, frames...))
	if len(got) != 3 || got[0] != frames[0] || got[2] != frames[1] || !strings.Contains(got[1], `"uri":"https://s"`) {
		t.Errorf("got %q", got)
	}
}

func TestEncodeFails(t *testing.T) {
	text := &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("a")}}}
	cut := errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "")
	e := NewChunkEncoder(true)
	got := readFrames(t, e.Fail(e.Append(nil, text), cut))
	if len(got) != 2 || !strings.HasPrefix(got[1], `{"error":{"code":`) || len(e.End(nil)) > 0 || len(e.Fail(nil, cut)) > 0 {
		t.Errorf("got %q", got)
	}
	for _, first := range []*stream.Chunk{text, {}} {
		e = NewChunkEncoder(false)
		out := e.Fail(e.Append(nil, first), cut)
		var array []map[string]any
		if err := json.Unmarshal(out, &array); err != nil || array[len(array)-1]["error"] == nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	e = NewChunkEncoder(true)
	got = readFrames(t, e.Fail(e.Append(nil, text), errs.New(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, "")))
	if len(got) != 2 || !strings.Contains(got[1], `"finishReason":"SAFETY"`) {
		t.Errorf("got %q", got)
	}
	e = NewChunkEncoder(true)
	got = readFrames(t, e.Append(nil, &stream.Chunk{Events: []stream.Event{
		{Kind: stream.Text, Delta: []byte("a")}, {Kind: stream.Error, Failure: &llmv1.StreamError{Reason: cut.Reason, Message: "was cut"}},
	}}))
	if len(got) != 2 || !strings.Contains(got[1], "was cut") {
		t.Errorf("got %q", got)
	}
	if got := string(NewChunkEncoder(false).End(nil)); got != "[]" {
		t.Errorf("an empty array is %q", got)
	}
}

// steady makes a stream at its steady state: one more frame is decoded and written.
func steady(tb testing.TB, change func(*stream.Chunk)) func() {
	tb.Helper()
	d, e := &ChunkDecoder{}, NewChunkEncoder(true)
	var c stream.Chunk
	out := make([]byte, 0, 4096)
	data := []byte(frame(0, `{"text":"a word \"more\""}`))
	next := func() {
		if err := d.Decode(data, &c); err != nil {
			tb.Fatal(err)
		}
		if change != nil {
			change(&c)
		}
		out = e.Append(out[:0], &c)
	}
	for range 3 {
		next()
	}
	return next
}

func TestChunkAllocations(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*stream.Chunk)
		most   float64
	}{"same": {nil, 0}, "revised": {revised, 2}, "foreign": {foreign, 1}} {
		if n := testing.AllocsPerRun(200, steady(t, tt.change)); n > tt.most {
			t.Errorf("%s: %v allocations per chunk", name, n)
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	for name, change := range map[string]func(*stream.Chunk){"same": nil, "revised": revised, "foreign": foreign} {
		b.Run(name, func(b *testing.B) {
			next := steady(b, change)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	body := requests[len(requests)-1]
	_, c := mustParse(b, body)
	b.Run("parse and render", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, c := mustParse(b, body)
			if _, err := r.Render(&provider.Request{Conversation: c, Model: "m"}, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := EncodeConversation(&provider.Request{Conversation: c, Model: "gemini-2.5-pro"}, false); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	raw := []byte(answers[0])
	for name, dialect := range map[string]string{"same": Dialect, "foreign": "other"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := DecodeCompletion(raw)
				if err != nil {
					b.Fatal(err)
				}
				EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: dialect}, nil)
			}
		})
	}
}
