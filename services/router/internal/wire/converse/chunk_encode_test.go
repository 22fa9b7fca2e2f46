package converse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// A client of the same dialect gets the provider's bytes.
func TestStreamPassesUntouched(t *testing.T) {
	e := NewChunkEncoder()
	var out []byte
	_, _, err := decodeAll(bytes.NewReader(recorded), func(c *stream.Chunk) { out = e.Append(out, c) })
	if out = e.End(out); !errors.Is(err, io.EOF) || !bytes.Equal(out, recorded) {
		t.Errorf("got %q, %v", out, err)
	}
}

// lines shows messages as "type payload".
func lines(t testing.TB, raw []byte) string {
	t.Helper()
	var out strings.Builder
	r := eventstream.NewReader(bytes.NewReader(raw))
	for {
		one, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := eventstream.Parse(one)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(string(m.Type) + " " + string(m.Payload) + "\n")
	}
}

// Revised chunks keep the unknown members of the messages they came in, and
// what is not revised stays as it is.
func TestStreamRevised(t *testing.T) {
	e := NewChunkEncoder()
	var out []byte
	_, _, err := decodeAll(bytes.NewReader(recorded), func(c *stream.Chunk) {
		for i := range c.Events {
			switch ev := &c.Events[i]; {
			case bytes.Contains(ev.Delta, []byte("Gr")):
				ev.Delta, c.Revised = []byte(`"X"`), true
			case string(ev.Delta) == "me":
				c.Events, c.Revised = c.Events[:0], true
			case ev.Kind == stream.PartStop && ev.Index == 3:
				held := stream.Event{Kind: stream.ToolArguments, Index: 3, Delta: []byte("!")}
				c.Events, c.Revised = []stream.Event{held, *ev}, true
			}
		}
		out = e.Append(out, c)
	})
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	got := lines(t, e.End(out))
	want := strings.NewReplacer(
		`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"me"}}}`+"\n", "",
		`Gr\u00fc`, `\"X\"`,
		`contentBlockStop {"contentBlockIndex":3}`, `contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":"!"}}}`+"\n"+`contentBlockStop {"contentBlockIndex":3}`,
	).Replace(lines(t, recorded))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// held text of one block that comes out with a message of another must not take
// that message's place.
func TestStreamRevisedOtherBlock(t *testing.T) {
	e := NewChunkEncoder()
	var d ChunkDecoder
	var c stream.Chunk
	out := e.Append(nil, &stream.Chunk{Dialect: Dialect, Revised: true, Events: []stream.Event{{Kind: stream.Text, Index: 0, Delta: []byte("a")}}})
	if err := d.Decode(frames(`contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"new"},"x":1}`), &c); err != nil {
		t.Fatal(err)
	}
	c.Revised = true
	c.Events = append([]stream.Event{{Kind: stream.Text, Index: 0, Delta: []byte("held")}, {Kind: stream.PartStop, Index: 0}}, c.Events...)
	out = e.Append(out, &c)
	want := `messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"held"}}
contentBlockStop {"contentBlockIndex":0}
contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"new"},"x":1}
`
	if got := lines(t, out); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// foreign is a stream of another dialect: parts overlap, and usage comes first.
func foreign() *stream.Chunk {
	call := func(id string) *llmv1.Part {
		return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: "f"}}}
	}
	return &stream.Chunk{Dialect: "openai", Native: []byte("{}"), Events: []stream.Event{
		{Kind: stream.Start, ID: "x", Model: "y"},
		{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 1, OutputTokens: 2, ReasoningTokens: 3}},
		{Kind: stream.PartStart, Index: 0, Part: &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}}}},
		{Kind: stream.Thinking, Index: 0, Delta: []byte("hm")},
		{Kind: stream.PartStop, Index: 0, Signature: "sig"},
		{Kind: stream.PartStart, Index: 1, Part: &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte("secret")}}}},
		{Kind: stream.PartStop, Index: 1},
		{Kind: stream.Text, Index: 2, Delta: []byte(`as "it" [`)},
		{Kind: stream.Text, Index: 2, Delta: []byte(`1] says`)},
		{Kind: stream.Text, Index: 0, Candidate: 1, Delta: []byte("another")},
		{Kind: stream.PartStop, Index: 2, Citations: []*llmv1.Citation{{Marker: "9", Title: "P", Uri: "https://p/"}}},
		{Kind: stream.PartStart, Index: 3, Part: call("c1")},
		{Kind: stream.ToolArguments, Index: 3, Delta: []byte(`{"a":`)},
		{Kind: stream.ToolArguments, Index: 3, Delta: []byte(`1}`)},
		{Kind: stream.PartStart, Index: 4, Part: call("c2")},
		{Kind: stream.PartStop, Index: 3},
		{Kind: stream.PartStop, Index: 4},
		{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS},
	}}
}

// The clock stands still, for the stream says how long it took.
func TestStreamOfAnotherDialect(t *testing.T) { synctest.Test(t, streamOfAnotherDialect) }

func streamOfAnotherDialect(t *testing.T) {
	e := NewChunkEncoder()
	e.Sources([]*llmv1.Citation{{Marker: "1", Title: "D", Document: "collections/c/documents/d"}, {Marker: "2"}})
	out := e.End(e.Append(nil, foreign()))
	got := lines(t, out)
	want := `messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}
contentBlockStop {"contentBlockIndex":0}
contentBlockDelta {"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"c2VjcmV0"}}}
contentBlockStop {"contentBlockIndex":1}
contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"as \"it\" ["}}
contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"1] says"}}
contentBlockStop {"contentBlockIndex":2}
contentBlockStart {"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"c1","name":"f"}}}
contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"a\":"}}}
contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":"1}"}}}
contentBlockStop {"contentBlockIndex":3}
contentBlockStart {"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"c2","name":"f"}}}
contentBlockStop {"contentBlockIndex":4}
contentBlockDelta {"contentBlockIndex":5,"delta":{"citation":{"title":"P","source":"https://p/","location":{"web":{"url":"https://p/"}}}}}
contentBlockDelta {"contentBlockIndex":5,"delta":{"citation":{"title":"D","source":"collections/c/documents/d"}}}
contentBlockStop {"contentBlockIndex":5}
messageStop {"stopReason":"tool_use"}
metadata {"usage":{"inputTokens":1,"outputTokens":5,"totalTokens":6,"cacheReadInputTokens":0,"cacheWriteInputTokens":0},"metrics":{"latencyMs":0}}
`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if more := e.Fail(e.Append(nil, foreign()), io.EOF); len(more) > 0 {
		t.Errorf("behind the end: %q", more)
	}
}

func TestStreamFails(t *testing.T) {
	part := &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("a")}, {Kind: stream.Usage, Tokens: &llmv1.Usage{}}}}
	for reason, want := range map[llmv1.ErrorReason]string{
		llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:    `modelStreamErrorException {"message":"m"}`,
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED: `throttlingException {"message":"m"}`,
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:  `serviceUnavailableException {"message":"m"}`,
		llmv1.ErrorReason_ERROR_REASON_INTERNAL:              `internalServerException {"message":"m"}`,
		llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:      `validationException {"message":"m"}`,
		llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:        `contentBlockStop {"contentBlockIndex":0}` + "\n" + `messageStop {"stopReason":"guardrail_intervened"}`,

		llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: `contentBlockStop {"contentBlockIndex":0}` + "\n" + `messageStop {"stopReason":"content_filtered"}`,
	} {
		e := NewChunkEncoder()
		out := e.Append(nil, part)
		mark := len(out)
		out = e.Fail(out, errs.New(reason, "m"))
		if got := lines(t, out[mark:]); !strings.HasPrefix(got, want+"\n") {
			t.Errorf("%v: got %s", reason, got)
		}
		if more := e.End(e.Append(nil, part)); len(more) > 0 {
			t.Errorf("%v: behind the end: %q", reason, more)
		}
	}
	e := NewChunkEncoder()
	out := e.Append(nil, &stream.Chunk{Events: []stream.Event{{Kind: stream.Error, Failure: &llmv1.StreamError{Reason: llmv1.ErrorReason_ERROR_REASON_OVERLOADED, Message: "m"}}}})
	if got := lines(t, out); got != "throttlingException {\"message\":\"m\"}\n" {
		t.Errorf("got %s", got)
	}
}

// At steady state a chunk of the same dialect costs no allocation, and a
// revised one none either.
func TestStreamAllocations(t *testing.T) {
	frame := frames(`contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hello \"there\""},"p":"abcdefgh"}`)
	tool := frames(`contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"q\""}}}`)
	var d ChunkDecoder
	var c stream.Chunk
	e := NewChunkEncoder()
	out := make([]byte, 0, 4096)
	begin := frames(`contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"c","name":"f"}}}`)
	if err := d.Decode(begin, &c); err != nil {
		t.Fatal(err)
	}
	for _, revised := range []bool{false, true} {
		for name, raw := range map[string][]byte{"text": frame, "tool": tool} {
			got := testing.AllocsPerRun(200, func() {
				if err := d.Decode(raw, &c); err != nil {
					t.Fatal(err)
				}
				c.Revised = revised
				if out = e.Append(out[:0], &c); len(out) == 0 {
					t.Fatal("nothing written")
				}
			})
			if got != 0 {
				t.Errorf("%s, revised %v: %v allocations", name, revised, got)
			}
		}
	}
}

func BenchmarkStream(b *testing.B) {
	frame := frames(`contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hello there"},"p":"abcdefgh"}`)
	for name, revised := range map[string]bool{"native": false, "revised": true} {
		b.Run(name, func(b *testing.B) {
			var d ChunkDecoder
			var c stream.Chunk
			e := NewChunkEncoder()
			var out []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				_ = d.Decode(frame, &c)
				c.Revised = revised
				out = e.Append(out[:0], &c)
			}
		})
	}
}

func BenchmarkParseRequest(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(fullRequest)))
	for b.Loop() {
		if _, _, err := ParseRequest([]byte(fullRequest), "m"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCompletion(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCompletion([]byte(fullAnswer)); err != nil {
			b.Fatal(err)
		}
	}
}
