package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func thinking(text, signature, redacted string) *llmv1.Part {
	t := &llmv1.Thinking{Text: text, Signature: signature}
	if redacted != "" {
		t.Redacted = []byte(redacted)
	}
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: t}}
}

func toolCall(id, arguments, signature string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: "f", Arguments: arguments, Signature: signature}}}
}

// full is an answer with all that there is.
func full() *llmv1.Message {
	return &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
		thinking("hm \"é\"", "S1", ""), thinking("", "", "\x00opaque"), textPart("one\n"), textPart("two 😀"),
		toolCall("c1", `{"a":1}`, "CS"), toolCall("c2", `{}`, ""), textPart("three"),
	}}
}

func request(t testing.TB, members string) *Request {
	t.Helper()
	r, _, err := ParseRequest([]byte(`{"model":"m","input":"q"` + members + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sendBack makes a client's next request of the items of a response.
func sendBack(t testing.TB, response []byte) *llmv1.Message {
	t.Helper()
	var got struct{ Output json.RawMessage }
	if err := json.Unmarshal(response, &got); err != nil {
		t.Fatalf("%v: %s", err, response)
	}
	r, c, err := ParseRequest([]byte(`{"model":"m","input":` + string(got.Output) + `}`))
	if err != nil || len(c.GetMessages()) != 1 || len(r.Unexpressed()) > 0 {
		t.Fatalf("got %v, %v, unexpressed %q: %s", c, err, r.Unexpressed(), got.Output)
	}
	return c.GetMessages()[0]
}

// An answer goes to a client and comes back as it was.
func TestRoundTrip(t *testing.T) {
	r := NewResponse(request(t, ""), NewID())
	r.Complete(&llmv1.Completion{Model: "up", Candidates: []*llmv1.Candidate{{
		Message: full(), FinishReason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS,
	}}}, nil)
	if back := sendBack(t, r.Append(nil)); !proto.Equal(back, full()) {
		t.Errorf("got  %v\nwant %v", back, full())
	}
	if !proto.Equal(r.Message(), full()) {
		t.Errorf("kept %v\nwant %v", r.Message(), full())
	}
	for i, parts := range r.Items() {
		id := r.items[i].id
		if response, index, ok := ResponseOf(id); !ok || response != r.ID || index != i {
			t.Errorf("%s is item %d of %s", id, index, response)
		}
		_ = parts
	}
}

func TestResponseObject(t *testing.T) {
	r := NewResponse(request(t, `,"temperature":0.5,"metadata":{"a":"b"},"instructions":"I","previous_response_id":null`), "resp_ab")
	r.Complete(&llmv1.Completion{
		Model: "up", Candidates: []*llmv1.Candidate{{
			Message: &llmv1.Message{Parts: []*llmv1.Part{textPart("é [1]")}}, FinishReason: llmv1.FinishReason_FINISH_REASON_LENGTH,
		}},
		Usage: &llmv1.Usage{InputTokens: 5, CacheReadTokens: 4, OutputTokens: 3, ReasoningTokens: 2},
	}, []*llmv1.Citation{{Marker: "1", Title: "T", Document: "collections/c/documents/d"}, {Marker: "2"}})
	created := fmt.Sprint(r.created)
	want := `{"id":"resp_ab","object":"response","created_at":` + created + `,"status":"incomplete","background":false,"error":null,` +
		`"incomplete_details":{"reason":"max_output_tokens"},"model":"up","output":[{"id":"msg_ab_0","type":"message","status":"incomplete","role":"assistant",` +
		`"content":[{"type":"output_text","text":"é [1]","annotations":[{"type":"url_citation","start_index":2,"end_index":5,"url":"collections/c/documents/d","title":"T"}],"logprobs":[]}]}],` +
		`"instructions":"I","max_output_tokens":null,"metadata":{"a":"b"},"parallel_tool_calls":true,"previous_response_id":null,` +
		`"reasoning":{"effort":null,"summary":null},"temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1,` +
		`"truncation":"disabled","user":null,"store":true,"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,` +
		`"output_tokens_details":{"reasoning_tokens":2},"total_tokens":14}}`
	if got := string(r.Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRefusal(t *testing.T) {
	r := NewResponse(request(t, ""), NewID())
	r.Complete(&llmv1.Completion{Candidates: []*llmv1.Candidate{{
		Message: &llmv1.Message{Parts: []*llmv1.Part{textPart("no")}}, FinishReason: llmv1.FinishReason_FINISH_REASON_REFUSAL,
	}}}, nil)
	if got := string(r.Append(nil)); !strings.Contains(got, `"content":[{"type":"refusal","refusal":"no"}]`) || !strings.Contains(got, `"status":"completed"`) {
		t.Errorf("got %s", got)
	}
}

// events writes an answer's parts as a stream, each text in pieces.
func events(m *llmv1.Message, reason llmv1.FinishReason, size int) []stream.Event {
	out := []stream.Event{{Kind: stream.Start, ID: "x", Model: "up"}}
	pieces := func(kind stream.Kind, index int32, text string) {
		for len(text) > 0 {
			n := min(size, len(text))
			for n < len(text) && text[n]&0xC0 == 0x80 {
				n++
			}
			out = append(out, stream.Event{Kind: kind, Index: index, Delta: []byte(text[:n])})
			text = text[n:]
		}
	}
	for i, p := range m.GetParts() {
		index, stop := int32(i), stream.Event{Kind: stream.PartStop, Index: int32(i)}
		switch c := p.GetContent().(type) {
		case *llmv1.Part_Text:
			pieces(stream.Text, index, c.Text.GetText())
			stop.Citations = c.Text.GetCitations()
		case *llmv1.Part_Thinking:
			start := &llmv1.Thinking{Redacted: c.Thinking.GetRedacted()}
			out = append(out, stream.Event{Kind: stream.PartStart, Index: index, Part: &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: start}}})
			pieces(stream.Thinking, index, c.Thinking.GetText())
			stop.Signature = c.Thinking.GetSignature()
		case *llmv1.Part_ToolCall:
			start := toolCall(c.ToolCall.GetId(), "", "")
			out = append(out, stream.Event{Kind: stream.PartStart, Index: index, Part: start})
			pieces(stream.ToolArguments, index, c.ToolCall.GetArguments())
			stop.Signature = c.ToolCall.GetSignature()
		}
		out = append(out, stop)
	}
	return append(out, stream.Event{Kind: stream.Finish, Reason: reason}, stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{OutputTokens: 2}})
}

// checker holds a stream to the order that clients rely on.
type checker struct {
	t      testing.TB
	open   map[string]string // items, and what has come of their text
	parts  map[string]bool
	last   map[string]any
	deltas map[string]string
}

func check(t testing.TB, raw []byte) *checker {
	t.Helper()
	c := &checker{t: t, open: map[string]string{}, parts: map[string]bool{}, deltas: map[string]string{}}
	frames := strings.Split(string(raw), "\n\n")
	if frames[len(frames)-1] != "" {
		t.Fatalf("the last event is open: %q", frames[len(frames)-1])
	}
	for i, frame := range frames[:len(frames)-1] {
		name, data, ok := strings.Cut(strings.TrimPrefix(frame, "event: "), "\ndata: ")
		var e map[string]any
		if err := json.Unmarshal([]byte(data), &e); err != nil || !ok || e["type"] != name || int64(e["sequence_number"].(float64)) != int64(i) {
			t.Fatalf("event %d: %v: %q", i, err, frame)
		}
		c.event(name, e)
		c.last = e
	}
	return c
}

func (c *checker) event(name string, e map[string]any) {
	id, _ := e["item_id"].(string)
	key := fmt.Sprint(id, "/", e["content_index"], e["summary_index"])
	if id != "" && c.open[id] == "" {
		c.t.Errorf("%s of an item that is not open", name)
	}
	switch {
	case name == "response.output_item.added":
		c.open[e["item"].(map[string]any)["id"].(string)] = "open"
	case name == "response.output_item.done":
		id = e["item"].(map[string]any)["id"].(string)
		if c.open[id] == "" {
			c.t.Errorf("%s ends twice", id)
		}
		delete(c.open, id)
	case strings.HasSuffix(name, "part.added"):
		c.parts[key] = true
	case strings.HasSuffix(name, "part.done"):
		delete(c.parts, key)
	case strings.HasSuffix(name, ".delta"):
		if !c.parts[key] && !strings.Contains(name, "arguments") {
			c.t.Errorf("%s without a part", name)
		}
		c.deltas[key] += e["delta"].(string)
	case strings.HasSuffix(name, "text.done"):
		if e["text"] != c.deltas[key] {
			c.t.Errorf("%s: %q, deltas %q", name, e["text"], c.deltas[key])
		}
	case strings.HasSuffix(name, "arguments.done"):
		if e["arguments"] != c.deltas[key] {
			c.t.Errorf("%s: %q, deltas %q", name, e["arguments"], c.deltas[key])
		}
	case name == "response.completed" || name == "response.incomplete":
		if len(c.open)+len(c.parts) > 0 {
			c.t.Errorf("open at the end: %v %v", c.open, c.parts)
		}
	}
}

// response returns the object in the last event.
func (c *checker) response() []byte {
	out, err := json.Marshal(c.last["response"])
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func encode(e *ChunkEncoder, list []stream.Event) []byte {
	var out []byte
	for i := range list {
		out = e.Append(out, &stream.Chunk{Events: list[i : i+1]})
	}
	return out
}

// However the texts are cut, the events are in order and the last one says the same.
func TestStream(t *testing.T) {
	for size := 1; size < 8; size++ {
		var kept *Response
		e := NewChunkEncoder(NewResponse(request(t, `,"stream":true`), NewID()), func(r *Response) { kept = r })
		raw := e.End(encode(e, events(full(), llmv1.FinishReason_FINISH_REASON_TOOL_CALLS, size)))
		c := check(t, raw)
		if c.last["type"] != "response.completed" || !bytes.Contains(c.response(), []byte(`"total_tokens":2`)) {
			t.Errorf("got %s", c.response())
		}
		if back := sendBack(t, c.response()); !proto.Equal(back, full()) {
			t.Errorf("got  %v\nwant %v", back, full())
		}
		if kept == nil || !proto.Equal(kept.Message(), full()) {
			t.Errorf("kept %v", kept)
		}
	}
}

func TestStreamProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
		for i := range rapid.IntRange(1, 6).Draw(rt, "parts") {
			text := rapid.StringN(1, 12, -1).Draw(rt, "text")
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				m.Parts = append(m.Parts, textPart(text))
			case 1:
				m.Parts = append(m.Parts, thinking(text, rapid.SampledFrom([]string{"", "S"}).Draw(rt, "signature"), ""))
			default:
				m.Parts = append(m.Parts, toolCall(fmt.Sprint("c", i), text, rapid.SampledFrom([]string{"", "S"}).Draw(rt, "signature")))
			}
		}
		e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), nil)
		c := check(t, e.End(encode(e, events(m, llmv1.FinishReason_FINISH_REASON_STOP, rapid.IntRange(1, 5).Draw(rt, "size")))))
		if back := sendBack(t, c.response()); !proto.Equal(back, m) {
			rt.Fatalf("got  %v\nwant %v", back, m)
		}
	})
}

func TestStreamCites(t *testing.T) {
	source := &llmv1.Citation{Marker: "1", Title: "T", Uri: "https://a"}
	cited := textPart("see [1] and")
	cited.GetText().Citations = []*llmv1.Citation{{Uri: "https://b"}}
	e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), nil)
	e.Sources([]*llmv1.Citation{source, {Marker: "2"}})
	raw := e.End(encode(e, events(&llmv1.Message{Parts: []*llmv1.Part{cited}}, llmv1.FinishReason_FINISH_REASON_STOP, 3)))
	check(t, raw)
	for _, want := range []string{`"annotation_index":1,"annotation":{"type":"url_citation","start_index":4,"end_index":7,"url":"https://a","title":"T"}`, `"url":"https://b"`} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
}

func TestStreamEnds(t *testing.T) {
	begun := func() (*ChunkEncoder, []byte) {
		e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), func(*Response) { t.Error("a response that failed is kept") })
		return e, encode(e, []stream.Event{{Kind: stream.Start, Model: "m"}, {Kind: stream.Text, Delta: []byte("half")}})
	}
	e, out := begun()
	out = e.Append(out, &stream.Chunk{Events: []stream.Event{{Kind: stream.Error, Failure: &llmv1.StreamError{
		Reason: llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, Message: "cut",
	}}}})
	got := string(e.End(out))
	if strings.Contains(got, "response.completed") || strings.Count(got, "event: response.failed\n") != 1 ||
		!strings.HasSuffix(got, `"code":"stream_interrupted","message":"cut","param":null,"error":{"message":"cut","type":"server_error","param":null,"code":"stream_interrupted"}}`+"\n\n") {
		t.Errorf("got %s", got)
	}
	for name, want := range map[llmv1.FinishReason]string{
		llmv1.FinishReason_FINISH_REASON_LENGTH: "max_output_tokens", llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER: "content_filter",
		llmv1.FinishReason_FINISH_REASON_PAUSE: "pause",
	} {
		e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), nil)
		c := check(t, e.End(encode(e, events(&llmv1.Message{Parts: []*llmv1.Part{textPart("a")}}, name, 1))))
		if c.last["type"] != "response.incomplete" || !strings.Contains(string(c.response()), `{"reason":"`+want+`"}`) {
			t.Errorf("%v: %s", name, c.response())
		}
	}
	// A policy's block is a filter's.
	kept := 0
	e = NewChunkEncoder(NewResponse(request(t, ""), NewID()), func(*Response) { kept++ })
	out = encode(e, []stream.Event{{Kind: stream.Start}, {Kind: stream.Text, Delta: []byte("half")}})
	c := check(t, e.Fail(out, errs.New(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, "")))
	if c.last["type"] != "response.incomplete" || kept != 1 || len(e.Fail(nil, errs.New(llmv1.ErrorReason_ERROR_REASON_INTERNAL, ""))) > 0 {
		t.Errorf("got %v", c.last)
	}
}

// Calls that are written side by side stay apart.
func TestStreamParallelCalls(t *testing.T) {
	start := func(i int32, id string) stream.Event {
		return stream.Event{Kind: stream.PartStart, Index: i, Part: toolCall(id, "", "")}
	}
	args := func(i int32, text string) stream.Event {
		return stream.Event{Kind: stream.ToolArguments, Index: i, Delta: []byte(text)}
	}
	e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), nil)
	list := []stream.Event{start(0, "a"), args(0, `{"x"`), start(1, "b"), args(1, `{}`), args(0, `:1}`), {Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS}}
	c := check(t, e.End(encode(e, list)))
	back := sendBack(t, c.response())
	if want := []string{`{"x":1}`, `{}`}; len(back.GetParts()) != 2 || !slices.Equal(want, []string{
		back.GetParts()[0].GetToolCall().GetArguments(), back.GetParts()[1].GetToolCall().GetArguments(),
	}) {
		t.Errorf("got %v", back)
	}
}

func TestStreamBound(t *testing.T) {
	e := NewChunkEncoder(NewResponse(request(t, ""), NewID()), nil)
	big := bytes.Repeat([]byte("x"), maxAnswer/4+1)
	var last []byte
	for range 5 {
		last = e.Append(last[:0], &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: big}}})
		if e.ended {
			break
		}
	}
	if !e.ended || !bytes.Contains(last, []byte("event: error\n")) {
		t.Error("a stream without an end is kept without a bound")
	}
}

func BenchmarkStream(b *testing.B) {
	e := NewChunkEncoder(NewResponse(request(b, ""), NewID()), nil)
	c := &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte(" word")}}}
	out := e.Append(nil, c)
	b.ReportAllocs()
	for b.Loop() {
		out = e.Append(out[:0], c)
		e.kept = 0
		it := e.response.items[0]
		it.content[0].text = it.content[0].text[:0]
	}
}
