package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// message is what a client makes of a stream. The official SDK is the judge of
// the same streams in the tests of the dialect: it takes minutes to compile for
// a fuzz test.
type message struct {
	Content      []*contentBlock
	StopReason   string
	StopSequence string
	Usage        map[string]any
}

type contentBlock struct {
	Type, Text, Thinking, Signature, Data, ID string
	Input                                     json.RawMessage
	Citations                                 []map[string]any
}

type streamed struct {
	Type         string
	Index        int64
	Message      *message
	ContentBlock *contentBlock `json:"content_block"`
	Delta        struct {
		Type, Text, Thinking, Signature string
		PartialJSON                     string `json:"partial_json"`
		Citation                        map[string]any
		StopReason                      string `json:"stop_reason"`
		StopSequence                    string `json:"stop_sequence"`
	}
	Usage map[string]any
}

// legal checks that a stream has the order that the format has, and gives the
// message that it makes.
func legal(t testing.TB, out []byte) *message {
	t.Helper()
	m := &message{}
	open, state := int64(-1), "begin"
	for _, frame := range framesOf(t, out) {
		var ev streamed
		if err := json.Unmarshal([]byte(frame), &ev); err != nil {
			t.Fatalf("%v: %s", err, frame)
		}
		bad := false
		switch ev.Type {
		case "message_start":
			bad, state = state != "begin" || ev.Message == nil, "content"
			m.Usage = ev.Message.Usage
		case "content_block_start":
			bad = state != "content" || open >= 0 || ev.Index != int64(len(m.Content))
			open = ev.Index
			m.Content = append(m.Content, ev.ContentBlock)
		case "content_block_delta":
			if bad = state != "content" || ev.Index != open; !bad {
				m.Content[open].add(&ev)
			}
		case "content_block_stop":
			bad = state != "content" || ev.Index != open
			open = -1
		case "message_delta":
			bad, state = state != "content" || open >= 0, "told"
			m.StopReason, m.StopSequence = ev.Delta.StopReason, ev.Delta.StopSequence
			maps.Copy(m.Usage, ev.Usage)
		case "message_stop":
			bad, state = state != "told", "end"
		}
		if bad {
			t.Fatalf("out of order (%s): %s\nin %s", state, frame, out)
		}
	}
	if state != "end" {
		t.Fatalf("no end: %s", out)
	}
	return m
}

func (b *contentBlock) add(ev *streamed) {
	b.Text += ev.Delta.Text
	b.Thinking += ev.Delta.Thinking
	b.Signature += ev.Delta.Signature
	if ev.Delta.PartialJSON != "" {
		if string(b.Input) == "{}" {
			b.Input = nil
		}
		b.Input = append(b.Input, ev.Delta.PartialJSON...)
	}
	if ev.Delta.Citation != nil {
		b.Citations = append(b.Citations, ev.Delta.Citation)
	}
}

// brief writes a message for people.
func brief(m *message) string {
	var out []string
	for _, b := range m.Content {
		out = append(out, fmt.Sprintf("%s %s%s%s%s%s %d", b.Type, b.Text, b.Thinking, b.Signature, b.Data, b.Input, len(b.Citations)))
	}
	return strings.Join(append(out, m.StopReason+" "+m.StopSequence), "|")
}

const (
	wholeThinking = `thinking Let me see 😀
EqQBCg== 0|redacted_thinking b3BhcXVl 0|`
	wholeTools = `text Zürich 😀 is "fine" 1|tool_use {"q" : "Z\u00fc", "n":1.50e+1} 0|tool_use {} 0|tool_use `
)

func TestEncodeIsLegal(t *testing.T) {
	streams := recorded(t)
	foreign := func(c *stream.Chunk) { c.Native, c.Dialect = nil, "" }
	m := legal(t, encoded(t, streams["thinking_tools.sse"], func(*stream.Chunk) {}))
	if got, want := brief(m), wholeThinking+`server_tool_use {"query":"x"} 0|`+wholeTools; got != want {
		t.Errorf("native:\ngot  %s\nwant %s", got, want)
	}
	m = legal(t, encoded(t, streams["thinking_tools.sse"], foreign))
	if got, want := brief(m), wholeThinking+wholeTools; got != want {
		t.Errorf("canonical:\ngot  %s\nwant %s", got, want)
	}
	if got := fmt.Sprint(m.Usage); got != "map[cache_creation:map[ephemeral_1h_input_tokens:20 ephemeral_5m_input_tokens:10] "+
		"cache_creation_input_tokens:30 cache_read_input_tokens:5 input_tokens:12 output_tokens:89 output_tokens_details:map[thinking_tokens:40]]" {
		t.Errorf("usage %s", got)
	}
	for _, change := range []func(*stream.Chunk){func(*stream.Chunk) {}, foreign, func(c *stream.Chunk) { c.Revised = true }} {
		if got := brief(legal(t, encoded(t, streams["sorted_members.sse"], change))); got != "text Begin 0|stop_sequence END" {
			t.Errorf("got %s", got)
		}
	}
	// Every other way to pass: each chunk native or canonical by turns.
	for mask := range 8 {
		n := 0
		m := legal(t, encoded(t, streams["thinking_tools.sse"], func(c *stream.Chunk) {
			c.Revised = mask&(1<<(n%3)) != 0
			n++
		}))
		if got := strings.Replace(brief(m), `server_tool_use {"query":"x"} 0|`, "", 1); !strings.Contains(got, "text Zürich 😀 is \"fine\"") ||
			!strings.HasSuffix(got, strings.TrimPrefix(wholeTools, `text Zürich 😀 is "fine" 1`)) {
			t.Errorf("mask %d: %s", mask, got)
		}
	}
}

// chunks encodes canonical events, each a chunk of its own.
func chunks(events ...stream.Event) []byte {
	e := NewChunkEncoder(nil)
	var out []byte
	for _, ev := range events {
		out = e.Append(out, &stream.Chunk{Events: []stream.Event{ev}})
	}
	return e.End(out)
}

func call(index int32, id string) stream.Event {
	return stream.Event{Kind: stream.PartStart, Index: index, Part: newToolCall(id, "f", "")}
}

func arguments(index int32, text string) stream.Event {
	return stream.Event{Kind: stream.ToolArguments, Index: index, Delta: []byte(text)}
}

func said(index int32, text string) stream.Event {
	return stream.Event{Kind: stream.Text, Index: index, Delta: []byte(text)}
}

func ended(index int32) stream.Event { return stream.Event{Kind: stream.PartStop, Index: index} }

// Parts of other formats come in orders that this one does not have.
func TestEncodeOrders(t *testing.T) {
	start := stream.Event{Kind: stream.Start, ID: "x", Model: "m"}
	usage := stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 1, OutputTokens: 2}}
	tools := stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS}
	stop := stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP}
	tests := []struct {
		name   string
		events []stream.Event
		want   string
	}{
		{"empty", []stream.Event{start, stop}, "end_turn "},
		{"no start", []stream.Event{said(0, "a"), stop}, "text a 0|end_turn "},
		{"text without an end", []stream.Event{start, said(0, "a"), said(0, "b"), stop, usage}, "text ab 0|end_turn "},
		{"text that goes on", []stream.Event{start, said(0, "a"), ended(0), said(0, "b"), ended(0), stop}, "text a 0|text b 0|end_turn "},
		{"calls behind each other, ended at the end", []stream.Event{
			start, said(0, "a"), ended(0), call(1, "c1"), arguments(1, `{"a":`), arguments(1, `"}"}`), call(2, "c2"),
			arguments(2, `{}`), ended(1), ended(2), tools, usage,
		}, `text a 0|tool_use {"a":"}"} 0|tool_use {} 0|tool_use `},
		{"calls that take turns", []stream.Event{
			start, call(0, "c1"), call(1, "c2"), call(2, "c3"), arguments(1, `{"b"`), arguments(0, `{"a"`), arguments(2, `{"c":3}`),
			arguments(1, `:2}`), arguments(0, `:1}`), ended(2), ended(0), ended(1), tools,
		}, `tool_use {"a":1} 0|tool_use {"b":2} 0|tool_use {"c":3} 0|tool_use `},
		{"a call without arguments", []stream.Event{start, call(0, "c1"), ended(0), tools}, `tool_use {} 0|tool_use `},
		{"text beside a call", []stream.Event{start, call(0, "c1"), said(1, "a"), arguments(0, `{}`), said(1, "b"), ended(0), tools}, `tool_use {} 0|text ab 0|tool_use `},
		{"another answer", []stream.Event{start, said(0, "a"), {Kind: stream.Text, Candidate: 1, Delta: []byte("no")}, stop}, "text a 0|end_turn "},
		{"signed", []stream.Event{
			start,
			{Kind: stream.PartStart, Part: newThinking("", "")},
			{Kind: stream.Thinking, Delta: []byte("t")},
			{Kind: stream.PartStop, Signature: "s"},
			stop,
		}, "thinking ts 0|end_turn "},
		{"filter", []stream.Event{start, said(0, "a"), {Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER}}, "text a 0|refusal "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := legal(t, chunks(tt.events...))
			if got := brief(m); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if slices.ContainsFunc(tt.events, func(e stream.Event) bool { return e.Kind == stream.Usage }) && m.Usage["output_tokens"] != 2.0 {
				t.Errorf("usage %v", m.Usage)
			}
		})
	}
}

// What a guardrail has changed is written anew; what it left alone stays.
func TestEncodeRevised(t *testing.T) {
	out := encoded(t, recorded(t)["thinking_tools.sse"], func(c *stream.Chunk) {
		for i := range c.Events {
			switch e := &c.Events[i]; e.Kind {
			case stream.Text:
				e.Delta, c.Revised = []byte("[masked]\n"), true
			case stream.PartStop:
				if e.Index == 2 { // held back until now
					c.Events = slices.Insert(c.Events, i, said(2, "rest"))
					c.Revised = true
					return
				}
			case stream.Finish:
				e.Reason, c.Revised = llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, true
			}
		}
	})
	m := legal(t, out)
	if got := m.Content[3].Text; got != "[masked]\nrest" || m.StopReason != "refusal" || m.Content[0].Signature != "EqQBCg==" {
		t.Errorf("got %s", brief(m))
	}
	for _, want := range []string{`"text":"[masked]\n"},"x_event":"kept"}`, `"x_top":[1,"two"]`, `"thinking_tokens":40`, `"encrypted_index":"e"`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	if bytes.Contains(out, []byte("fine")) {
		t.Error("what was masked has passed")
	}
}

// A block that a client never got leaves no gap.
func TestEncodeWithoutABlock(t *testing.T) {
	e := NewChunkEncoder(nil)
	var out []byte
	if _, err := decode(bytes.NewReader(recorded(t)["thinking_tools.sse"]), func(c *stream.Chunk) {
		if bytes.Contains(c.Native, []byte(`"index":0`)) {
			return
		}
		out = e.Append(out, c)
	}); err != nil {
		t.Fatal(err)
	}
	if m := legal(t, e.End(out)); len(m.Content) != 5 || m.Content[2].Text == "" {
		t.Errorf("got %s", brief(m))
	}
}

func TestEncodeSources(t *testing.T) {
	sources := []*llmv1.Citation{{Marker: "1", Title: "One", Uri: "https://a"}, {Marker: "2", Document: "collections/c/documents/d"}, {Marker: "9"}}
	for _, foreign := range []bool{false, true} {
		data := strings.ReplaceAll(string(recorded(t)["sorted_members.sse"]), `"gin"`, `"gin [1], [2] and [3]"`)
		m := legal(t, encoded(t, []byte(data), func(c *stream.Chunk) {
			if foreign {
				c.Native, c.Dialect = nil, ""
			}
		}, sources...))
		got := m.Content[0].Citations
		if len(got) != 2 || got[0]["source"] != "https://a" || got[0]["title"] != "One" || got[1]["source"] != "collections/c/documents/d" {
			t.Errorf("foreign %v: got %+v", foreign, got)
		}
	}
}

func TestEncodeFail(t *testing.T) {
	for name, events := range map[string][]stream.Event{"at once": nil, "within": {{Kind: stream.Start}, said(0, "a")}} {
		e := NewChunkEncoder(nil)
		var out []byte
		for _, ev := range events {
			out = e.Append(out, &stream.Chunk{Events: []stream.Event{ev}})
		}
		out = e.Append(out, &stream.Chunk{Events: []stream.Event{{
			Kind: stream.Error, Failure: &llmv1.StreamError{Reason: llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, Message: "cut"},
		}}})
		end := len(out)
		out = e.End(e.Fail(e.Append(out, &stream.Chunk{Events: []stream.Event{said(0, "b")}}), io.ErrUnexpectedEOF))
		if len(out) != end || !bytes.HasSuffix(out, []byte("event: error\ndata: "+
			`{"type":"error","error":{"type":"api_error","message":"cut","code":"stream_interrupted"}}`+"\n\n")) || bytes.Contains(out, []byte("message_stop")) {
			t.Errorf("%s: got %s", name, out)
		}
		e = NewChunkEncoder(nil)
		out = nil
		for _, ev := range events {
			out = e.Append(out, &stream.Chunk{Events: []stream.Event{ev}})
		}
		m := legal(t, e.Fail(out, errs.New(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, "")))
		if m.StopReason != "refusal" {
			t.Errorf("%s: blocked: %s", name, brief(m))
		}
	}
}

// Another framing gets the same data.
func TestEncodeFraming(t *testing.T) {
	var out []byte
	e := NewChunkEncoder(func(dst []byte, kind string, data []byte) []byte {
		return append(append(append(append(dst, kind...), '='), data...), '\n')
	})
	out = e.Append(out, &stream.Chunk{Events: []stream.Event{{Kind: stream.Start, ID: "x"}}})
	out = e.End(out)
	if got := strings.Count(string(out), "\n"); got != 3 || !strings.HasSuffix(string(out), "message_stop={\"type\":\"message_stop\"}\n") {
		t.Errorf("got %s", out)
	}
}

// steady are frames as they come by the hundred.
func steady(tb testing.TB) (*ChunkDecoder, *ChunkEncoder, []byte) {
	tb.Helper()
	d, e := &ChunkDecoder{}, NewChunkEncoder(nil)
	var c stream.Chunk
	for _, frame := range []string{
		`{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
	} {
		if err := d.Decode([]byte(frame), &c); err != nil {
			tb.Fatal(err)
		}
		e.Append(nil, &c)
	}
	return d, e, []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words \"more\" \u00e9"}}`)
}

func TestAllocations(t *testing.T) {
	for name, want := range map[string]struct {
		change func(*stream.Chunk)
		most   float64
	}{
		"native":  {func(*stream.Chunk) {}, 0},
		"revised": {func(c *stream.Chunk) { c.Revised = true }, 0},
		"foreign": {func(c *stream.Chunk) { c.Native = nil }, 0},
	} {
		d, e, frame := steady(t)
		var c stream.Chunk
		out := make([]byte, 0, 4096)
		got := testing.AllocsPerRun(200, func() {
			if err := d.Decode(frame, &c); err != nil {
				t.Fatal(err)
			}
			want.change(&c)
			out = e.Append(out[:0], &c)
		})
		if got > want.most || len(out) == 0 {
			t.Errorf("%s: %v allocations a chunk", name, got)
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	for name, change := range map[string]func(*stream.Chunk){
		"native": func(*stream.Chunk) {}, "revised": func(c *stream.Chunk) { c.Revised = true },
		"foreign": func(c *stream.Chunk) { c.Native = nil },
	} {
		b.Run(name, func(b *testing.B) {
			d, e, frame := steady(b)
			var c stream.Chunk
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(frame, &c); err != nil {
					b.Fatal(err)
				}
				change(&c)
				out = e.Append(out[:0], &c)
			}
		})
	}
}
