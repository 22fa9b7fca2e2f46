package converse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// frames makes a stream of events, each written "type payload".
func frames(events ...string) []byte {
	var raw []byte
	for _, event := range events {
		kind, payload, _ := strings.Cut(event, " ")
		raw = eventstream.Append(raw, kind, []byte(payload))
	}
	return raw
}

// recorded is a stream of everything that a model says, as Bedrock sends it.
var recorded = frames(
	`messageStart {"p":"abcd","role":"assistant"}`,
	`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"let "}},"p":"ab"}`,
	`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"me"}}}`,
	`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}`,
	`contentBlockStop {"contentBlockIndex":0}`,
	`contentBlockDelta {"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"c2VjcmV0"}}}`,
	`contentBlockStop {"contentBlockIndex":1}`,
	`contentBlockDelta {"delta":{"text":""},"contentBlockIndex":2}`,
	`contentBlockDelta {"delta":{"text":"Gr\u00fc"},"contentBlockIndex":2,"p":"abcdefghijk"}`,
	`contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"ße 🌍 [1]"}}`,
	`contentBlockDelta {"contentBlockIndex":2,"delta":{"citation":{"title":"T","location":{"web":{"url":"https://e.org/"}}}}}`,
	`contentBlockStop {"contentBlockIndex":2}`,
	`contentBlockStart {"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"c1","name":"find"}}}`,
	`contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":""}}}`,
	`contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"q\" :"}}}`,
	`contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":" 1.0}"}}}`,
	`contentBlockStop {"contentBlockIndex":3}`,
	`contentBlockStart {"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"c2","name":"now"}}}`,
	`contentBlockStop {"contentBlockIndex":4}`,
	`messageStop {"stopReason":"tool_use","additionalModelResponseFields":{"stop_sequence":"END","x":1}}`,
	`metadata {"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15,"cacheReadInputTokens":3},"metrics":{"latencyMs":7},"trace":{"x":1}}`,
)

const recordedEvents = `start "" ""
part 0 thinking
thinking 0 "let "
thinking 0 "me"
stop 0 "sig" []
part 1 redacted "secret"
stop 1 "" []
text 2 "Grü"
text 2 "ße 🌍 [1]"
stop 2 "" [T https://e.org/]
part 3 call c1 find
arguments 3 "{\"q\" :"
arguments 3 " 1.0}"
stop 3 "" []
part 4 call c2 now
stop 4 "" []
finish FINISH_REASON_TOOL_CALLS "END"
usage 10 3 0 0 5
`

func show(ev *stream.Event) string {
	switch ev.Kind {
	case stream.Start:
		return fmt.Sprintf("start %q %q\n", ev.ID, ev.Model)
	case stream.PartStart:
		if call := ev.Part.GetToolCall(); call != nil {
			return fmt.Sprintf("part %d call %s %s\n", ev.Index, call.GetId(), call.GetName())
		}
		if data := ev.Part.GetThinking().GetRedacted(); len(data) > 0 {
			return fmt.Sprintf("part %d redacted %q\n", ev.Index, data)
		}
		return fmt.Sprintf("part %d thinking\n", ev.Index)
	case stream.Text:
		return fmt.Sprintf("text %d %q\n", ev.Index, ev.Delta)
	case stream.Thinking:
		return fmt.Sprintf("thinking %d %q\n", ev.Index, ev.Delta)
	case stream.ToolArguments:
		return fmt.Sprintf("arguments %d %q\n", ev.Index, ev.Delta)
	case stream.PartStop:
		var cites []string
		for _, c := range ev.Citations {
			cites = append(cites, c.GetTitle()+" "+c.GetUri())
		}
		return fmt.Sprintf("stop %d %q %v\n", ev.Index, ev.Signature, cites)
	case stream.Usage:
		u := ev.Tokens
		return fmt.Sprintln("usage", u.GetInputTokens(), u.GetCacheReadTokens(), u.GetCacheWrite_5MTokens(), u.GetCacheWrite_1HTokens(), u.GetOutputTokens())
	case stream.Finish:
		return fmt.Sprintf("finish %v %q\n", ev.Reason, ev.Stop)
	default:
		return fmt.Sprintf("kind %d\n", ev.Kind)
	}
}

// decodeAll reads a stream; each chunk is handed to look, too.
func decodeAll(src io.Reader, look func(*stream.Chunk)) (string, *ChunkDecoder, error) {
	var out strings.Builder
	var c stream.Chunk
	d, r := &ChunkDecoder{}, eventstream.NewReader(src)
	for {
		raw, err := r.Next()
		if err == nil {
			err = d.Decode(raw, &c)
		}
		if err != nil {
			return out.String(), d, err
		}
		for i := range c.Events {
			out.WriteString(show(&c.Events[i]))
		}
		if look != nil {
			look(&c)
		}
	}
}

func TestDecodeStream(t *testing.T) {
	got, d, err := decodeAll(bytes.NewReader(recorded), nil)
	if got != recordedEvents || !errors.Is(err, io.EOF) || !d.Started() || !d.Finished(1) {
		t.Errorf("got %s\n%v", got, err)
	}
}

// A stream reads the same wherever it is cut, and one that ends early is not finished.
func TestDecodeStreamAnySplit(t *testing.T) {
	stop := bytes.Index(recorded, []byte("metadata")) - 24 // about the end of messageStop
	for i := range recorded {
		got, _, err := decodeAll(io.MultiReader(bytes.NewReader(recorded[:i]), bytes.NewReader(recorded[i:])), nil)
		if got != recordedEvents || !errors.Is(err, io.EOF) {
			t.Fatalf("split at %d: got %s\n%v", i, got, err)
		}
		if _, d, _ := decodeAll(bytes.NewReader(recorded[:i]), nil); i < stop-30 && d.Finished(1) {
			t.Fatalf("cut at %d: finished", i)
		}
	}
}

func TestDecodeExceptions(t *testing.T) {
	for name, want := range map[string]llmv1.ErrorReason{
		"throttlingException":         llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
		"internalServerException":     llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		"modelStreamErrorException":   llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		"serviceUnavailableException": llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		"modelTimeoutException":       llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
		"validationException":         llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED,
		"newException":                llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	} {
		raw := eventstream.AppendException(frames(`messageStart {"role":"assistant"}`), name, []byte(`{"message":"Input is too long, sk-1"}`))
		_, _, err := decodeAll(bytes.NewReader(raw), nil)
		if !errs.Is(err, want) || strings.Contains(err.Error()+errs.From(err).Message, "sk-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeStreamRefuses(t *testing.T) {
	const start, stop = `messageStart {"role":"assistant"}`, `messageStop {"stopReason":"end_turn"}`
	for _, events := range [][]string{
		{`messageStart `},
		{`messageStart []`},
		{start, `contentBlockStop 1`},
		{start, `metadata "x"`},
		{start, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}`},
		{start, `contentBlockDelta {"contentBlockIndex":-1,"delta":{"text":"a"}}`},
		{start, `contentBlockDelta {"contentBlockIndex":4096,"delta":{"text":"a"}}`},
		{start, `contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}`},
		{start, stop, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}}`},
	} {
		if got, _, err := decodeAll(bytes.NewReader(frames(events...)), nil); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%q: got %s, %v", events, got, err)
		}
	}
}

// Of encrypted thinking a client gets all or nothing, and of what came with it
// only what is known.
func TestEncryptedThinkingComesWhole(t *testing.T) {
	redacted := func(data, more string) string {
		return `contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"` + data + `"}` + more + `},"p":"ab"}`
	}
	const start, stop = `messageStart {"role":"assistant"}`, `contentBlockStop {"contentBlockIndex":0}`
	for _, c := range []struct {
		events []string
		want   []byte
	}{
		{[]string{start, redacted("c2Vj", ""), redacted("cmV0", "")}, frames(start)},
		{[]string{start, redacted("c2Vj", ""), redacted("cmV0", ""), stop}, frames(start, redacted("c2Vj", ""), redacted("cmV0", ""), stop)},
		{[]string{start, redacted("c2Vj", ""), redacted("cmV0", `,"image":"bad"`), stop}, frames(start,
			`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"c2VjcmV0"}}}`, stop)},
	} {
		var out []byte
		e := NewChunkEncoder()
		if _, _, err := decodeAll(bytes.NewReader(frames(c.events...)), func(c *stream.Chunk) { out = e.Append(out, c) }); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(out, c.want) {
			t.Errorf("%q: got %q", c.events, out)
		}
	}
}

// Content that is not known has been looked at by nobody: it is withheld.
func TestUnknownContentIsWithheld(t *testing.T) {
	raw := frames(
		`messageStart {"role":"assistant"}`,
		`contentBlockStart {"contentBlockIndex":0,"start":{"image":{"format":"png"}}}`,
		`contentBlockDelta {"contentBlockIndex":0,"delta":{"image":{"source":{"bytes":"bad"}}}}`,
		`contentBlockStop {"contentBlockIndex":0}`,
		`newThing {"text":"bad"}`,
		`newer bad`,
		`contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"good"},"x":1}`,
		`contentBlockStop {"contentBlockIndex":1}`,
		`messageStop {"stopReason":"end_turn"}`,
	)
	e := NewChunkEncoder()
	var out []byte
	if _, _, err := decodeAll(bytes.NewReader(raw), func(c *stream.Chunk) { out = e.Append(out, c) }); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("bad")) || !bytes.Contains(out, []byte(`"good"},"x":1}`)) {
		t.Errorf("got %q", out)
	}
}

func FuzzDecodeStream(f *testing.F) {
	f.Add([]byte("contentBlockDelta"), []byte(`{"contentBlockIndex":2,"delta":{"text":"a","citation":{},"reasoningContent":{"text":"b","signature":"c","redactedContent":"d"}}}`))
	f.Add([]byte("contentBlockStart"), []byte(`{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a\u0000","name":"\ud800"}}}`))
	f.Add([]byte("messageStop"), []byte(`{"stopReason":"end_turn","additionalModelResponseFields":{"stop_sequence":"x"}}`))
	f.Add([]byte("metadata"), []byte(`{"usage":{"inputTokens":-1,"outputTokens":1e3,"cacheWriteInputTokens":4,"cacheDetails":[{"ttl":"1h","inputTokens":9}]}}`))
	f.Fuzz(func(t *testing.T, kind, payload []byte) {
		if len(kind) == 0 || len(kind) > 100 {
			return
		}
		// Behind a whole stream, before one, and alone.
		one := eventstream.Append(nil, string(kind), payload)
		whole := frames(`messageStart {"role":"assistant"}`, `contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"c","name":"f"}}}`)
		raw := append(append(append(bytes.Clone(whole), one...), one...), frames(`messageStop {"stopReason":"end_turn"}`)...)
		native, anew := NewChunkEncoder(), NewChunkEncoder()
		var passed, written []byte
		_, d, err := decodeAll(bytes.NewReader(raw), func(c *stream.Chunk) {
			passed = native.Append(passed, c)
			c.Revised = true
			written = anew.Append(written, c)
		})
		if !errors.Is(err, io.EOF) {
			return
		}
		if !d.Finished(1) {
			t.Fatal("not finished")
		}
		written = anew.End(written)
		// What is written anew says the same as what came.
		want, _, _ := decodeAll(bytes.NewReader(passed), nil)
		got, _, err := decodeAll(bytes.NewReader(written), nil)
		if !errors.Is(err, io.EOF) || texts(got) != texts(want) {
			t.Fatalf("got %s\nwant %s\n%v", got, want, err)
		}
	})
}

// texts keeps the lines of a shown stream that hold content.
func texts(shown string) string {
	var out strings.Builder
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "text") || strings.HasPrefix(line, "thinking") || strings.HasPrefix(line, "arguments") || strings.HasPrefix(line, "finish") {
			out.WriteString(line)
		}
	}
	return out.String()
}
