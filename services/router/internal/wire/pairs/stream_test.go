package pairs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// told is what a stream says, and how it ended.
type told struct {
	text, thinking string
	calls          []*called
	finish         []llmv1.FinishReason
	tokens         string
	torn           bool // a delta is not valid UTF-8
	others         bool // candidates, or output that is not text
	err            error
}

type called struct {
	index           int32
	name, arguments string
}

func (s *told) see(c *stream.Chunk) {
	for i := range c.Events {
		e := &c.Events[i]
		s.torn = s.torn || !utf8.Valid(e.Delta)
		if e.Candidate != 0 {
			s.others = true
			continue
		}
		switch e.Kind {
		case stream.Text:
			s.text += string(e.Delta)
		case stream.Thinking:
			s.thinking += string(e.Delta)
		case stream.PartStart:
			if call := e.Part.GetToolCall(); call != nil {
				s.calls = append(s.calls, &called{e.Index, call.GetName(), ""})
			}
			s.others = s.others || e.Part.GetImage() != nil || e.Part.GetAudio() != nil
		case stream.ToolArguments:
			for _, call := range slices.Backward(s.calls) {
				if call.index == e.Index {
					call.arguments += string(e.Delta)
					break
				}
			}
		case stream.Finish:
			s.finish = append(s.finish, e.Reason)
		case stream.Usage:
			s.tokens = tokens(e.Tokens)
		}
	}
}

func (s *told) called() (out []string) {
	for _, c := range s.calls {
		out = append(out, c.name+c.arguments)
	}
	return out
}

// pieces gives data in pieces, cut at places.
type pieces struct {
	data []byte
	cuts []int // in order
	at   int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.at == len(p.data) {
		return 0, io.EOF
	}
	end := len(p.data)
	for _, cut := range p.cuts {
		if cut > p.at {
			end = min(cut, end)
			break
		}
	}
	n := copy(b, p.data[p.at:end])
	p.at += n
	return n, nil
}

// read reads a stream to its end: nil if it ended well.
func read(from target, src io.Reader, each func(*stream.Chunk)) error {
	in, d := from.frames(src), from.decoder()
	var c stream.Chunk
	for {
		frame, err := in.Next()
		if err == nil {
			err = d.Decode(frame, &c)
			if errors.Is(err, io.EOF) && d.Started() {
				return nil
			}
		} else if d.Finished(1) {
			return nil
		}
		if err != nil {
			return err
		}
		each(&c)
	}
}

// retell hands a stream to a client of another format: what it said, what the
// client is told, and the bytes in between.
func retell(from target, to client, src io.Reader) (said told, out []byte) {
	e := to.encoder()
	said.err = read(from, src, func(c *stream.Chunk) {
		said.see(c)
		out = e.Append(out, c)
	})
	if said.err != nil {
		return said, e.Fail(out, errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, ""))
	}
	return said, e.End(out)
}

func hear(to target, raw []byte) (heard told) {
	heard.err = read(to, bytes.NewReader(raw), heard.see)
	return heard
}

func sameStory(t *testing.T, pair string, got, want told, out []byte) {
	t.Helper()
	if got.err != nil || want.err != nil {
		t.Fatalf("%s: %v, %v\n%s", pair, got.err, want.err, out)
	}
	if got.torn {
		t.Fatalf("%s: UTF-8 is torn\n%s", pair, out)
	}
	if got.text != want.text || got.thinking != want.thinking {
		t.Fatalf("%s:\ngot  %q %q\nwant %q %q\n%s", pair, got.text, got.thinking, want.text, want.thinking, out)
	}
	differ(t, pair+": calls", got.called(), want.called(), out)
	if !slices.Equal(got.finish, want.finish) || got.tokens != want.tokens {
		t.Fatalf("%s: %v %s, not %v %s\n%s", pair, got.finish, got.tokens, want.finish, want.tokens, out)
	}
}

// streams are the recorded streams of a format.
func streams(t testing.TB, from target) map[string][]byte {
	return map[string][]byte{
		"text":     from.wire(textLines(t, from.name)),
		"tools":    from.wire(string(recorded(t, from.name, "tools.frames"))),
		"thinking": from.wire(string(recorded(t, from.name, "thinking.frames"))),
	}
}

func TestStreams(t *testing.T) {
	for _, from := range targets {
		for name, raw := range streams(t, from) {
			want := hear(from, raw)
			switch {
			case want.tokens != "303 128 64" || want.torn:
				t.Errorf("%s: %+v", from.name, want)
			case name == "text" && (want.text != said || want.finish[0] != llmv1.FinishReason_FINISH_REASON_STOP):
				t.Errorf("%s: %+v", from.name, want)
			case name == "thinking" && (want.thinking != "Two cities… 😀\n" || want.text != "Zürich it is." || want.finish[0] != llmv1.FinishReason_FINISH_REASON_LENGTH):
				t.Errorf("%s: %+v", from.name, want)
			case name == "tools" && (len(want.calls) != 2 || want.calls[0].arguments != `{"city": "Zürich", "days": 1.0}` ||
				want.calls[1].arguments != `{"city":"S\u00e3o Paulo"}` || want.finish[0] != llmv1.FinishReason_FINISH_REASON_TOOL_CALLS):
				t.Errorf("%s: %+v", from.name, want)
			}
			for _, to := range clients {
				t.Run(fmt.Sprint(from.name, "→", to.name, "/", name), func(t *testing.T) { cutAnywhere(t, from, to, raw) })
			}
		}
	}
}

// cutAnywhere cuts a stream at some near and some far places, and hears it from
// behind the translator each time. That no byte is special to a reader, each
// format's own tests hold.
func cutAnywhere(t *testing.T, from target, to client, raw []byte) {
	for at := 0; at < len(raw); at += 1 + len(raw)/100 {
		said, out := retell(from, to, &pieces{data: raw, cuts: []int{at, at + 1, at + 7}})
		if said.err != nil || said.torn {
			t.Fatalf("cut at %d: %v, torn %v", at, said.err, said.torn)
		}
		sameStory(t, from.name+"→"+to.name, hear(to.ear(), out), said, out)
	}
}

// A stream that is cut short never reads as if it were whole.
func TestCutShort(t *testing.T) {
	for _, from := range targets {
		for name, raw := range streams(t, from) {
			for _, to := range clients {
				for at := 0; at < len(raw); at += 1 + len(raw)/100 {
					said, out := retell(from, to, bytes.NewReader(raw[:at]))
					if said.err == nil { // the rest says nothing more
						continue
					}
					heard := hear(to.ear(), out)
					if heard.err == nil {
						t.Fatalf("%s→%s/%s cut at %d reads as whole:\n%s", from.name, to.name, name, at, out)
					}
					if !strings.HasPrefix(said.text, heard.text) {
						t.Fatalf("%s→%s/%s cut at %d: %q is no beginning of %q", from.name, to.name, name, at, heard.text, said.text)
					}
				}
			}
		}
	}
}
