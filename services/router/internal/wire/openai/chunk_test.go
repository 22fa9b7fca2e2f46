package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// decodeAll decodes frames and writes their events down.
func decodeAll(frames ...string) ([]string, *ChunkDecoder, error) {
	d := &ChunkDecoder{}
	var c stream.Chunk
	var out []string
	for _, f := range frames {
		data := []byte(f)
		if err := d.Decode(data, &c); err != nil {
			return out, d, err
		}
		for i := range c.Events {
			out = append(out, describe(&c.Events[i]))
		}
		for i := range data { // nothing may rest on the reader's buffer
			data[i] = '!'
		}
	}
	return out, d, nil
}

func describe(e *stream.Event) string {
	text := describeEvent(e)
	for _, more := range []string{e.Signature, e.Stop, e.Part.GetToolCall().GetSignature(), string(e.Part.GetThinking().GetRedacted())} {
		if more != "" {
			text += " (" + more + ")"
		}
	}
	return text
}

func describeEvent(e *stream.Event) string {
	at := fmt.Sprintf("%d.%d ", e.Candidate, e.Index)
	switch e.Kind {
	case stream.Start:
		return "start " + e.ID + " " + e.Model
	case stream.PartStart:
		if call := e.Part.GetToolCall(); call != nil {
			return at + "call " + call.GetId() + " " + call.GetName()
		}
		return at + "begin"
	case stream.Text:
		return at + "text " + string(e.Delta)
	case stream.Thinking:
		return at + "think " + string(e.Delta)
	case stream.ToolArguments:
		return at + "args " + string(e.Delta)
	case stream.PartStop:
		return strings.TrimSpace(at + "end " + strings.Repeat("cite ", len(e.Citations)))
	case stream.Usage:
		return fmt.Sprintf("usage %d+%d", e.Tokens.GetInputTokens(), e.Tokens.GetOutputTokens())
	case stream.Finish:
		return fmt.Sprintf("%d finish %s", e.Candidate, strings.TrimPrefix(e.Reason.String(), "FINISH_REASON_"))
	default:
		return "?"
	}
}

func delta(i int, members string) string {
	return fmt.Sprintf(`{"id":"x","model":"m","choices":[{"index":%d,"delta":{%s},"finish_reason":null}]}`, i, members)
}

func finish(i int, reason string) string {
	return fmt.Sprintf(`{"id":"x","model":"m","choices":[{"index":%d,"delta":{},"finish_reason":%q}],"usage":null}`, i, reason)
}

func TestDecodeChunks(t *testing.T) {
	tests := []struct {
		name     string
		frames   []string
		want     []string
		finished bool
	}{
		{
			"text",
			[]string{
				delta(0, `"role":"assistant","content":""`), delta(0, `"content":"Hi\n\ud83d\ude00"`), delta(0, `"content":" you"`),
				finish(0, "stop"), `{"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
			},
			[]string{"start x m", "0.0 text Hi\n😀", "0.0 text  you", "0.0 end", "0 finish STOP", "usage 3+2"},
			true,
		},
		{
			"thinking, text, tools",
			[]string{
				delta(0, `"reasoning_content":"hm"`), delta(0, `"content":"a"`),
				delta(0, `"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":""}}]`),
				delta(0, `"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]`),
				delta(0, `"tool_calls":[{"index":1,"id":"c1","function":{"name":"g","arguments":"{}"}}]`),
				delta(0, `"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]`), finish(0, "tool_calls"),
			},
			[]string{
				"start x m", "0.0 begin", "0.0 think hm", "0.0 end", "0.1 text a", "0.1 end", "0.2 call c0 f", `0.2 args {"a":`,
				"0.3 call c1 g", "0.3 args {}", "0.2 args 1}", "0.2 end", "0.3 end", "0 finish TOOL_CALLS",
			},
			true,
		},
		{
			"calls that share an index",
			[]string{
				delta(0, `"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"g","arguments":"[]"}}]`),
			},
			[]string{"start x m", "0.0 call a f", "0.0 args {}", "0.1 call b g", "0.1 args []"},
			false,
		},
		{
			"calls without an index",
			[]string{
				delta(0, `"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}}]`), delta(0, `"tool_calls":[{"function":{"arguments":"2"}}]`),
				delta(0, `"tool_calls":[{"id":"b","function":{"name":"g","arguments":"3"}}]`),
			},
			[]string{"start x m", "0.0 call a f", "0.0 args 1", "0.0 args 2", "0.1 call b g", "0.1 args 3"},
			false,
		},
		{
			"two candidates",
			[]string{delta(1, `"content":"b"`), delta(0, `"content":"a"`), finish(1, "length"), finish(0, "content_filter")},
			[]string{"start x m", "1.0 text b", "0.0 text a", "1.0 end", "1 finish LENGTH", "0.0 end", "0 finish CONTENT_FILTER"},
			true,
		},
		{
			"one of two",
			[]string{delta(0, `"content":"a"`), delta(1, `"content":"b"`), finish(0, "stop")},
			[]string{"start x m", "0.0 text a", "1.0 text b", "0.0 end", "0 finish STOP"},
			false,
		},
		{
			"members in alphabetical order",
			[]string{`{"choices":[{"delta":{"content":"b"},"finish_reason":"stop","index":1}],"id":"x","model":"m"}`},
			[]string{"start x m", "1.0 text b", "1.0 end", "1 finish STOP"},
			false,
		},
		{
			"refusal",
			[]string{delta(0, `"refusal":"no"`), finish(0, "stop")},
			[]string{"start x m", "0.0 text no", "0.0 end", "0 finish REFUSAL"},
			true,
		},
		{
			"annotations",
			[]string{delta(0, `"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]`), finish(0, "stop")},
			[]string{"start x m", "0.0 text a", "0.0 end cite", "0 finish STOP"},
			true,
		},
		{
			"parts as content",
			[]string{delta(0, `"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"}]},{"type":"text","text":"a"}]`)},
			[]string{"start x m", "0.0 begin", "0.0 think h", "0.0 end", "0.1 text a"},
			false,
		},
		{"filter results first", []string{`{"id":"","choices":[],"prompt_filter_results":[]}`, delta(0, `"content":"a"`)}, []string{"start x m", "0.0 text a"}, false},
		{"finish twice", []string{delta(0, `"content":"a"`), finish(0, "stop"), finish(0, "stop")}, []string{"start x m", "0.0 text a", "0.0 end", "0 finish STOP"}, true},
		{"half a pair", []string{delta(0, `"content":"\ud83d"`)}, []string{"start x m", "0.0 text \uFFFD"}, false},
		{"broken utf-8", []string{delta(0, "\"content\":\"a\xff\"")}, []string{"start x m", "0.0 text a\uFFFD"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, d, err := decodeAll(tt.frames...)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got  %q, %v\nwant %q", got, err, tt.want)
			}
			if d.Finished(1) != tt.finished {
				t.Errorf("finished: %v", d.Finished(1))
			}
			if d.Finished(3) {
				t.Error("three candidates finished")
			}
		})
	}
}

func TestDecodeChunkFails(t *testing.T) {
	const unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	tests := []struct {
		name, frame string
		reason      llmv1.ErrorReason
	}{
		{"cut", `{"choices":[{"index":0,"delta":{"content":"a`, unavailable},
		{"no object", `"x"`, unavailable},
		{"tail", `{}{}`, unavailable},
		{"candidate out of range", delta(128, `"content":"a"`), unavailable},
		{"candidate below range", delta(-1, `"content":"a"`), unavailable},
		{"error", `{"error":{"message":"sk-secret","type":"server_error"}}`, unavailable},
		{"error with a status", `{"error":{"message":"m","code":429}}`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED},
		{"error by code", `{"error":{"message":"m","code":"context_length_exceeded"}}`, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
		{"error as text", `{"error":"sk-secret"}`, unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := decodeAll(tt.frame)
			if e := errs.From(err); e == nil || e.Reason != tt.reason || strings.Contains(e.Message, "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, _, err := decodeAll(delta(0, `"content":"a"`), finish(0, "stop"), delta(0, `"content":"late"`)); err == nil {
		t.Error("content behind the finish was accepted")
	}
}

// sample is a stream with all that a chunk can hold.
var sample = []string{
	delta(0, `"role":"assistant","content":""`), delta(0, `"reasoning_content":"h\u00e9"`), delta(0, `"content":"Hi \"you\" 😀"`),
	delta(1, `"content":"b"`), delta(0, `"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]`),
	delta(0, `"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]`), finish(0, "tool_calls"), finish(1, "length"),
	`{"id":"x","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
}

// thoughtful is a stream whose thinking must come back as it was.
var thoughtful = []string{
	delta(0, `"reasoning":"h\u00e9","reasoning_details":[{"type":"reasoning.text","text":"h\u00e9","index":0}]`),
	delta(0, `"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]`),
	delta(0, `"reasoning_details":[{"type":"reasoning.encrypted","data":"base64:AP8=","index":1}]`), delta(0, `"content":"a [1]"`),
	delta(0, `"tool_calls":[{"index":0,"id":"c","extra_content":{"google":{"thought_signature":"T"}},"function":{"name":"f","arguments":"{}"}}]`),
	`{"id":"x","citations":["https://a"],"choices":[{"index":0,"delta":{},"finish_reason":"length","native_finish_reason":"pause","stop_reason":"E"}]}`,
}

func wire(frames []string) []byte {
	return []byte("data: " + strings.Join(frames, "\n\ndata: ") + "\n\ndata: [DONE]\n\n")
}

// However the bytes are split, the events are the same.
func TestDecodeEverySplit(t *testing.T) {
	for _, frames := range [][]string{sample, thoughtful} {
		everySplit(t, frames)
	}
}

func everySplit(t *testing.T, frames []string) {
	want, _, err := decodeAll(frames...)
	if err != nil {
		t.Fatal(err)
	}
	all := wire(frames)
	for cut := 1; cut <= len(all); cut++ {
		got, err := decodeStream(io.MultiReader(bytes.NewReader(all[:cut]), bytes.NewReader(all[cut:])))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("cut at %d: got %q, %v", cut, got, err)
		}
	}
}

func decodeStream(src io.Reader) ([]string, error) {
	r, d := sse.NewReader(src), &ChunkDecoder{}
	var c stream.Chunk
	var out []string
	for {
		data, err := r.Next()
		if err != nil || string(data) == sse.Done {
			return out, err
		}
		if err := d.Decode(data, &c); err != nil {
			return out, err
		}
		for i := range c.Events {
			out = append(out, describe(&c.Events[i]))
		}
	}
}

// encodeAll decodes frames and writes them out again; change may revise a chunk.
func encodeAll(t *testing.T, includeUsage bool, change func(*stream.Chunk), frames ...string) []string {
	t.Helper()
	d, e := &ChunkDecoder{}, NewChunkEncoder(includeUsage)
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
	got, err := readEvents(e.End(out))
	if err != nil || len(got) == 0 || got[len(got)-1] != sse.Done {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, frame := range got[:len(got)-1] {
		if !json.Valid([]byte(frame)) {
			t.Fatalf("not JSON: %s", frame)
		}
	}
	return got[:len(got)-1]
}

func TestEncodeNativeUntouched(t *testing.T) {
	if got := encodeAll(t, true, nil, sample...); !slices.Equal(got, sample) {
		t.Errorf("got %q", got)
	}
	spread := "{\n\"id\":\"x\",\n\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]\n}"
	if got := encodeAll(t, true, nil, spread); !slices.Equal(got, []string{spread}) {
		t.Errorf("got %q", got)
	}
}

func TestEncodeWithoutUsage(t *testing.T) {
	tests := []struct{ frame, want string }{
		{`{"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, ""},
		{`{"id":"x","choices":[{"index":0,"delta":{"content":"\"usage\""}}]}`, `{"id":"x","choices":[{"index":0,"delta":{"content":"\"usage\""}}]}`},
		{`{"id":"x","choices":[{"index":0,"delta":{}}],"usage":null}`, `{"id":"x","choices":[{"index":0,"delta":{}}]}`},
		{`{"usage" : null , "id":"x","choices":[{"index":0,"delta":{}}]}`, `{ "id":"x","choices":[{"index":0,"delta":{}}]}`},
		{`{"id":"x" , "usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[{"index":0,"delta":{}}]}`, `{"id":"x" ,"choices":[{"index":0,"delta":{}}]}`},
		{`{"id":"x","choices":[],"usage":null}`, `{"id":"x","choices":[]}`},
	}
	for _, tt := range tests {
		want := []string{tt.want}
		if tt.want == "" {
			want = []string{}
		}
		if got := encodeAll(t, false, nil, tt.frame); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.frame, got, want)
		}
	}
}

// Whatever is written anew reads back as the same events.
func TestEncodeEventsRoundTrip(t *testing.T) {
	want, _, err := decodeAll(sample...)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*stream.Chunk){
		"revised": func(c *stream.Chunk) { c.Revised = true },
		"foreign": func(c *stream.Chunk) { c.Native, c.Dialect = nil, "" },
	} {
		t.Run(name, func(t *testing.T) {
			got, d, err := decodeAll(encodeAll(t, true, change, sample...)...)
			if err != nil || !slices.Equal(got, want) || !d.Finished(2) {
				t.Errorf("got  %q, %v\nwant %q", got, err, want)
			}
			for _, frame := range encodeAll(t, false, change, sample...) {
				if strings.Contains(frame, "usage") {
					t.Errorf("usage that was not asked for: %s", frame)
				}
			}
		})
	}
}

func TestEncodeRevisedKeepsUnknown(t *testing.T) {
	frame := `{"id":"x", "x_top": {"a": [1]},"model":"m","choices":[{"index":0,"x_choice":{"k":1},"delta":{"content":"secret"},"logprobs":{"content":[{"token":"secret"}]},"finish_reason":"stop"}],"usage":null}`
	got := encodeAll(t, true, func(c *stream.Chunk) {
		c.Revised = true
		for i := range c.Events {
			if c.Events[i].Kind == stream.Text {
				c.Events[i].Delta = []byte("[masked]")
			}
		}
	}, frame)
	all := strings.Join(got, "\n")
	if strings.Contains(all, "secret") {
		t.Errorf("the masked text got out: %s", all)
	}
	if strings.Count(all, `"x_choice":{"k":1}`) != 1 || !strings.Contains(all, `"x_top": {"a": [1]}`) || !strings.Contains(all, "[masked]") {
		t.Errorf("got %s", all)
	}
}

func TestEncodeFailure(t *testing.T) {
	begun := func() (*ChunkEncoder, []byte) {
		d, e := &ChunkDecoder{}, NewChunkEncoder(true)
		var c stream.Chunk
		if err := d.Decode([]byte(delta(0, `"content":"a"`)), &c); err != nil {
			t.Fatal(err)
		}
		return e, e.Append(nil, &c)
	}
	failed := func(reason llmv1.ErrorReason) string {
		e, out := begun()
		out = e.Append(out, &stream.Chunk{Events: []stream.Event{{Kind: stream.Error, Failure: &llmv1.StreamError{Reason: reason, Message: "text"}}}})
		return string(e.End(out))
	}
	cut := failed(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED)
	if strings.Contains(cut, sse.Done) || !strings.HasSuffix(cut, `data: {"error":{"message":"text","type":"server_error","param":null,"code":"stream_interrupted"}}`+"\n\n") {
		t.Errorf("got %s", cut)
	}
	blocked := failed(llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED)
	if strings.Count(blocked, sse.Done) != 1 || !strings.Contains(blocked, `"finish_reason":"content_filter"`) || strings.Contains(blocked, `"error"`) {
		t.Errorf("got %s", blocked)
	}
}

func TestSteadyStateAllocations(t *testing.T) {
	frame := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":" wor\nd \"é\""},"logprobs":null,"finish_reason":null}],"usage":null}`)
	data := append(append([]byte("data: "), frame...), "\n\n"...)
	src := &repeating{data: data}
	r, d, e := sse.NewReader(src), &ChunkDecoder{}, NewChunkEncoder(false)
	var c stream.Chunk
	var out []byte
	step := func(revised bool) func() {
		return func() {
			event, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(event, &c); err != nil {
				t.Fatal(err)
			}
			c.Revised = revised
			out = e.Append(out[:0], &c)
		}
	}
	for range 10 {
		step(true)()
	}
	if n := testing.AllocsPerRun(1000, step(false)); n > 0 {
		t.Errorf("a chunk that passes through allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, step(true)); n > 0 {
		t.Errorf("a revised chunk allocates %v times", n)
	}
	if !bytes.Contains(out, []byte(`\"é\"`)) {
		t.Errorf("got %s", out)
	}
}

// repeating gives the same bytes for ever.
type repeating struct {
	data []byte
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	return n, nil
}

func readEvents(text []byte) ([]string, error) {
	r := sse.NewReader(bytes.NewReader(text))
	var out []string
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, string(data))
	}
}
