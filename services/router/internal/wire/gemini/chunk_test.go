package gemini

import (
	"bytes"
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
	at := fmt.Sprintf("%d.%d ", e.Candidate, e.Index)
	switch e.Kind {
	case stream.Start:
		return "start " + e.ID + " " + e.Model
	case stream.PartStart:
		switch {
		case e.Part.GetToolCall() != nil:
			id := e.Part.GetToolCall().GetId()
			if madeUp(id) {
				id = "?"
			}
			return at + "call " + id + " " + e.Part.GetToolCall().GetName()
		case e.Part.GetImage() != nil:
			return at + "image " + e.Part.GetImage().GetBlob().GetMediaType() + " " + string(e.Part.GetImage().GetBlob().GetData())
		}
		return at + "begin"
	case stream.Text:
		return at + "text " + string(e.Delta)
	case stream.Thinking:
		return at + "think " + string(e.Delta)
	case stream.ToolArguments:
		return at + "args " + string(e.Delta)
	case stream.PartStop:
		return strings.TrimSpace(at + "end " + e.Signature + strings.Repeat("cite ", len(e.Citations)))
	case stream.Usage:
		return fmt.Sprintf("usage %d+%d+%d", e.Tokens.GetInputTokens(), e.Tokens.GetOutputTokens(), e.Tokens.GetReasoningTokens())
	case stream.Finish:
		return fmt.Sprintf("%d finish %s", e.Candidate, strings.TrimPrefix(e.Reason.String(), "FINISH_REASON_"))
	default:
		return "?"
	}
}

// frame is a chunk of candidate i with the parts given.
func frame(i int, parts string, members ...string) string {
	return fmt.Sprintf(`{"candidates":[{"content":{"parts":[%s],"role":"model"},"index":%d%s}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2},"modelVersion":"m","responseId":"x"}`,
		parts, i, strings.Join(append([]string{""}, members...), ","))
}

// strip takes what every frame says out of what was written down.
func strip(events []string) []string {
	return slices.DeleteFunc(slices.Clone(events), func(e string) bool { return e == "usage 3+2+0" || e == "start x m" })
}

const stop = `"finishReason":"STOP"`

func TestDecodeChunks(t *testing.T) {
	tests := []struct {
		name     string
		frames   []string
		want     []string
		finished bool
	}{
		{
			"text goes on",
			[]string{frame(0, `{"text":"Hi\n\ud83d\ude00"}`), frame(0, `{"text":" you"},{"text":"!"}`), frame(0, `{"text":""}`, stop)},
			[]string{"0.0 text Hi\n😀", "0.0 text  you", "0.0 text !", "0.0 end", "0 finish STOP"},
			true,
		},
		{
			"thoughts, text, calls",
			[]string{
				frame(0, `{"text":"h","thought":true}`), frame(0, `{"thought":true,"text":"m","thoughtSignature":"c2ln"}`), frame(0, `{"text":"a"}`),
				frame(0, `{"functionCall":{"name":"f","args":{"a": 1.0}},"thoughtSignature":"eA=="},{"functionCall":{"id":"y","name":"g"}}`, stop),
			},
			[]string{
				"0.0 begin", "0.0 think h", "0.0 think m", "0.0 end c2ln", "0.1 text a", "0.1 end", "0.2 call ? f", `0.2 args {"a": 1.0}`, "0.2 end eA==",
				"0.3 call y g", "0.3 args {}", "0.3 end", "0 finish TOOL_CALLS",
			},
			true,
		},
		{
			"two candidates",
			[]string{frame(1, `{"text":"b"}`), frame(0, `{"text":"a"}`), frame(1, ``, `"finishReason":"MAX_TOKENS"`), frame(0, ``, `"finishReason":"RECITATION"`)},
			[]string{"1.0 text b", "0.0 text a", "1.0 end", "1 finish LENGTH", "0.0 end", "0 finish CONTENT_FILTER"},
			true,
		},
		{"one of two", []string{frame(0, `{"text":"a"}`), frame(1, `{"text":"b"}`), frame(0, ``, stop)}, []string{"0.0 text a", "1.0 text b", "0.0 end", "0 finish STOP"}, false},
		{"finish twice, and one that says nothing", []string{frame(0, `{"text":"a"}`, `"finishReason":"FINISH_REASON_UNSPECIFIED"`), frame(0, ``, stop), frame(0, ``, stop)}, []string{"0.0 text a", "0.0 end", "0 finish STOP"}, true},
		{
			"sources",
			[]string{frame(0, `{"text":"a"}`), frame(0, ``, stop, `"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"retrievedContext":{"uri":"v"}}]}`)},
			[]string{"0.0 text a", "0.0 end cite cite", "0 finish STOP"},
			true,
		},
		{"a picture, and what Google ran", []string{frame(0, `{"inlineData":{"mimeType":"image/png","data":"YQ=="}}`), frame(0, `{"executableCode":{"code":"1"}},{"toolCall":{"id":"z"}}`)}, []string{"0.0 image image/png a", "0.0 end", "0.1 text 1", `0.1 text {"id":"z"}`}, false},
		{"half a pair", []string{frame(0, `{"text":"\ud83d"}`)}, []string{"0.0 text \uFFFD"}, false},
		{"broken utf-8", []string{frame(0, "{\"text\":\"a\xff\"}"), frame(0, "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"\xff\"}}}")}, []string{"0.0 text a\uFFFD", "0.0 end", "0.1 call ? f", "0.1 args {\"a\":\"\uFFFD\"}", "0.1 end"}, false},
		{"parts before the index, members first", []string{`{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"a"}]},"index":1}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":1}}`}, []string{"start  ", "1.0 text a", "1.0 end", "1 finish STOP", "usage 3+2+1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, d, err := decodeAll(tt.frames...)
			if got = strip(got); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got  %q, %v\nwant %q", got, err, tt.want)
			}
			if d.Finished(1) != tt.finished || d.Finished(3) || !d.Started() {
				t.Errorf("finished: %v", d.Finished(1))
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
		{"cut", `{"candidates":[{"content":{"parts":[{"text":"a`, unavailable},
		{"no object", `"x"`, unavailable},
		{"tail", `{}{}`, unavailable},
		{"candidate out of range", frame(128, `{"text":"a"}`), unavailable},
		{"candidate below range", frame(-1, `{"text":"a"}`), unavailable},
		{"a call in pieces", frame(0, `{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.a"}]}}`), unavailable},
		{"a call that makes no sense", frame(0, ``, `"finishReason":"MALFORMED_FUNCTION_CALL"`), unavailable},
		{"blocked prompt", `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED},
		{"error", `{"error":{"code":503,"message":"secret","status":"UNAVAILABLE"}}`, unavailable},
		{"error by its code", `{"error":{"code":429,"message":"secret"}}`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := decodeAll(tt.frame)
			if e := errs.From(err); e == nil || e.Reason != tt.reason || strings.Contains(e.LogValue().String(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, _, err := decodeAll(frame(0, `{"text":"a"}`, stop), frame(0, `{"text":"late"}`)); err == nil {
		t.Error("content behind the finish was accepted")
	}
}

// sample is a stream with all that a chunk can hold.
var sample = []string{
	frame(0, `{"text":"h\u00e9","thought":true}`), frame(0, `{"text":"Hi \"you\" 😀"}`), frame(1, `{"text":"b"}`, `"safetyRatings":[{"x":1}]`),
	frame(0, `{"functionCall":{"name":"f","args":{"a": 1.0,"b":"é"}},"thoughtSignature":"eA=="},{"functionCall":{"name":"g","args":{}}}`),
	frame(0, `{"text":"","thoughtSignature":"eA=="}`, stop), frame(1, ``, `"finishReason":"MAX_TOKENS"`),
}

// wire writes frames as the provider does, or with other line ends.
func wire(frames []string, end string) []byte {
	return []byte("data: " + strings.Join(frames, end+end+"data: ") + end + end)
}

// However the bytes are split, the events are the same.
func TestDecodeEverySplit(t *testing.T) {
	want, _, err := decodeAll(sample...)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"\r\n", "\n"} {
		all := wire(sample, end)
		for cut := 1; cut <= len(all); cut++ {
			got, err := decodeStream(io.MultiReader(bytes.NewReader(all[:cut]), bytes.NewReader(all[cut:])))
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("cut at %d: got %q, %v", cut, got, err)
			}
		}
	}
}

func decodeStream(src io.Reader) ([]string, error) {
	r, d := sse.NewReader(src), &ChunkDecoder{}
	var c stream.Chunk
	var out []string
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
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

func FuzzChunk(f *testing.F) {
	for _, s := range sample {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d := &ChunkDecoder{}
		same, anew := NewChunkEncoder(true), NewChunkEncoder(false)
		var c stream.Chunk
		var out []byte
		for _, data := range [][]byte{a, b} {
			if d.Decode(data, &c) != nil {
				return
			}
			checkOrder(t, &c)
			out = same.Append(out[:0], &c)
			if got := readFrames(t, out); bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 && (len(got) != 1 || got[0] != string(data)) {
				t.Fatalf("got %q of %q", got, data)
			}
			c.Revised = true
			out = anew.Append(nil, &c)
		}
		checkArray(t, append(anew.Append(nil, &stream.Chunk{}), out...), anew)
	})
}

// checkOrder checks that deltas stand within their part.
func checkOrder(t *testing.T, c *stream.Chunk) {
	t.Helper()
	for i := range c.Events {
		if e := &c.Events[i]; e.Index < 0 || e.Candidate < 0 || e.Candidate >= maxCandidates {
			t.Fatalf("event %+v", e)
		}
	}
}
