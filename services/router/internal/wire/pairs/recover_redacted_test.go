package pairs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// veiled is an answer in Converse's format, with encrypted thinking in its middle.
var veiled = [][2]string{
	{"messageStart", `{"role":"assistant"}`},
	{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Let me see. "}}`},
	{"contentBlockStop", `{"contentBlockIndex":0}`},
	{"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"c2Vj"}}}`},
	{"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"cmV0"}}}`},
	{"contentBlockStop", `{"contentBlockIndex":1}`},
	{"contentBlockDelta", `{"contentBlockIndex":2,"delta":{"text":"Done."}}`},
	{"contentBlockStop", `{"contentBlockIndex":2}`},
	{"messageStop", `{"stopReason":"end_turn"}`},
}

func framed(messages [][2]string) (raw []byte) {
	for _, p := range messages {
		raw = eventstream.Append(raw, p[0], []byte(p[1]))
	}
	return raw
}

// Wherever a stream breaks off, also within encrypted thinking, each block that a
// client of Converse's format gets has an index of its own, and is whole.
func TestRecoveryWithinEncryptedThinking(t *testing.T) {
	r := runner(t)
	from := targets[slices.IndexFunc(targets, func(f target) bool { return f.name == "converse" })]
	to := clients[slices.IndexFunc(clients, func(c client) bool { return c.name == "converse" })]
	whole := framed(veiled)
	for n := 2; n < len(veiled)-1; n++ { // from the first content on
		out, recoveries := recovering(t, r, [2]target{from, from}, [2][]byte{framed(veiled[:n]), whole}, to)
		if recoveries != 1 {
			t.Errorf("%d messages: %d recoveries", n, recoveries)
		}
		want := []string{"text Let me see. ", "redactedContent c2VjcmV0", "text Done."}
		if n == 6 { // it was whole, so it stays; the other answer has its own
			want = slices.Insert(want, 1, want[1])
		}
		if got := blocks(t, out); !slices.Equal(got, want) {
			t.Errorf("%d messages: got %q, want %q", n, got, want)
		}
	}
}

// blocks reads a stream as a client of Converse's format does: the blocks in the
// order in which they end, each of one kind.
func blocks(t *testing.T, raw []byte) (ended []string) {
	t.Helper()
	open, seen := map[int]string{}, map[int]bool{}
	for in := eventstream.NewReader(bytes.NewReader(raw)); ; {
		frame, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		m, parseErr := eventstream.Parse(frame)
		if err = errors.Join(err, parseErr); err != nil {
			t.Fatal(err)
		}
		var e struct {
			ContentBlockIndex int
			Delta             struct {
				Text             string
				ReasoningContent struct{ RedactedContent string }
			}
		}
		if err := json.Unmarshal(m.Payload, &e); err != nil {
			t.Fatal(err)
		}
		switch i := e.ContentBlockIndex; string(m.Type) {
		case "contentBlockDelta":
			if seen[i] {
				t.Errorf("block %d goes on after its end", i)
			}
			if open[i] == "" && e.Delta.Text != "" {
				open[i] = "text "
			} else if open[i] == "" {
				open[i] = "redactedContent "
			}
			open[i] += e.Delta.Text + e.Delta.ReasoningContent.RedactedContent
		case "contentBlockStop":
			ended, seen[i] = append(ended, open[i]), true
			delete(open, i)
		}
	}
	if len(open) > 0 {
		t.Errorf("blocks without an end: %v", open)
	}
	return ended
}
