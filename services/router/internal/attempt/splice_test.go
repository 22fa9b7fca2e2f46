package attempt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// piece is one part of an answer as a model means it.
type piece struct {
	kind       stream.Kind // Thinking, Text or ToolArguments
	text, name string
}

func drawAnswer(t *rapid.T) []piece {
	var out []piece
	if rapid.Bool().Draw(t, "thinks") {
		out = append(out, piece{kind: stream.Thinking, text: rapid.StringMatching(`[a-zä 🙂]{1,20}`).Draw(t, "thinking")})
	}
	for range rapid.IntRange(1, 4).Draw(t, "pieces") {
		if rapid.Bool().Draw(t, "call") {
			value := rapid.StringMatching(`[a-zé"\\ 🙂\n]{0,12}`).Draw(t, "value")
			arguments, _ := json.Marshal(map[string]any{"a": value, "n": rapid.IntRange(0, 999).Draw(t, "n"), "list": []int{1, 2}})
			out = append(out, piece{stream.ToolArguments, string(arguments), rapid.SampledFrom([]string{"f", "g"}).Draw(t, "name")})
			continue
		}
		out = append(out, piece{kind: stream.Text, text: rapid.StringMatching(`[a-zä 🙂\n漢]{1,30}`).Draw(t, "text")})
	}
	return out
}

// form is how a provider writes an answer.
type form struct {
	from     int32 // the first index
	bare     bool  // texts begin with their first delta
	spaced   bool  // arguments have white space between their values
	splits   bool  // a text may come in more than one part
	thinking bool  // is shown
}

func drawForm(t *rapid.T, name string) form {
	return form{
		from: int32(rapid.IntRange(0, 2).Draw(t, name+" from")), bare: rapid.Bool().Draw(t, name+" bare"),
		spaced: rapid.Bool().Draw(t, name+" spaced"), splits: rapid.Bool().Draw(t, name+" splits"),
		thinking: rapid.Bool().Draw(t, name+" thinking"),
	}
}

// write writes an answer in a form, in chunks of any size.
func (f form) write(t *rapid.T, answer []piece) []*stream.Chunk {
	events := []stream.Event{{Kind: stream.Start, ID: "x"}}
	index := f.from
	for _, p := range answer {
		if p.kind == stream.Thinking && !f.thinking {
			continue
		}
		text := []byte(p.text)
		if p.kind == stream.ToolArguments && f.spaced {
			var out bytes.Buffer
			_ = json.Indent(&out, text, "", " ")
			text = out.Bytes()
		}
		if start := p.start(); start != nil && !(p.kind == stream.Text && f.bare) {
			events = append(events, stream.Event{Kind: stream.PartStart, Index: index, Part: start})
		}
		for runes := []rune(string(text)); len(runes) > 0; {
			n := rapid.IntRange(1, len(runes)).Draw(t, "delta")
			events = append(events, stream.Event{Kind: p.kind, Index: index, Delta: []byte(string(runes[:n]))})
			if runes = runes[n:]; p.kind == stream.Text && f.splits && len(runes) > 0 && rapid.Bool().Draw(t, "split") {
				events = append(events, stream.Event{Kind: stream.PartStop, Index: index})
				index++
			}
		}
		events = append(events, stream.Event{Kind: stream.PartStop, Index: index, Signature: signatureOf(p)})
		index++
	}
	events = append(events, stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP},
		stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{OutputTokens: 9}})
	return gather(t, events)
}

func (p piece) start() *llmv1.Part {
	switch p.kind {
	case stream.Thinking:
		return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}}}
	case stream.ToolArguments:
		return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "id", Name: p.name}}}
	default:
		return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{}}}
	}
}

func signatureOf(p piece) string {
	if p.kind == stream.Thinking {
		return "signs " + p.text
	}
	return ""
}

// gather puts events into chunks.
func gather(t *rapid.T, events []stream.Event) (out []*stream.Chunk) {
	for len(events) > 0 {
		n := rapid.IntRange(1, min(3, len(events))).Draw(t, "chunk")
		out = append(out, &stream.Chunk{Events: events[:n:n], Native: []byte("{}"), Dialect: "openai"})
		events = events[n:]
	}
	return out
}

// reading is what a client makes of a stream.
type reading struct {
	t        *rapid.T
	parts    []piece
	open     map[int32]int // part to place in parts
	ended    map[int32]bool
	starts   int
	finishes int
	foreign  bool // a recovered chunk still has bytes of its own stream
}

func (r *reading) chunk(c *stream.Chunk, recovered bool) {
	r.foreign = r.foreign || recovered && (len(c.Native) > 0 || c.Dialect != "")
	for i := range c.Events {
		e := &c.Events[i]
		switch e.Kind {
		case stream.Start:
			r.starts++
		case stream.PartStart:
			r.begin(e.Index, e)
		case stream.Text, stream.Thinking, stream.ToolArguments:
			at, ok := r.open[e.Index]
			if !ok && e.Kind != stream.ToolArguments {
				at = r.begin(e.Index, e)
			} else if !ok || r.ended[e.Index] {
				r.t.Fatalf("a delta of part %d, which is not open", e.Index)
			}
			if r.parts[at].kind != e.Kind {
				r.t.Fatalf("part %d is %d and gets %d", e.Index, r.parts[at].kind, e.Kind)
			}
			r.parts[at].text += string(e.Delta)
		case stream.PartStop:
			if at, ok := r.open[e.Index]; !ok || r.ended[e.Index] {
				r.t.Fatalf("part %d ends that is not open", e.Index)
			} else if s := e.Signature; s != "" && s != signatureOf(r.parts[at]) {
				r.t.Fatalf("%q is signed %q", r.parts[at].text, s)
			}
			r.ended[e.Index] = true
		case stream.Finish:
			r.finishes++
		}
	}
}

func (r *reading) begin(index int32, e *stream.Event) int {
	if _, again := r.open[index]; again {
		r.t.Fatalf("part %d begins twice", index)
	}
	p := piece{kind: e.Kind}
	if e.Kind == stream.PartStart {
		switch content := e.Part.GetContent().(type) {
		case *llmv1.Part_Thinking:
			p.kind = stream.Thinking
		case *llmv1.Part_ToolCall:
			p.kind, p.name = stream.ToolArguments, content.ToolCall.GetName()
		default:
			p.kind = stream.Text
		}
	}
	r.parts = append(r.parts, p)
	r.open[index] = len(r.parts) - 1
	return len(r.parts) - 1
}

// visible is the answer without its thinking, texts in a row as one.
func visible(parts []piece) (out []piece) {
	for _, p := range parts {
		switch n := len(out); {
		case p.kind == stream.Thinking, p.kind == stream.Text && p.text == "":
			continue
		case p.kind == stream.ToolArguments:
			var b bytes.Buffer
			if json.Compact(&b, []byte(p.text)) == nil {
				p.text = b.String()
			}
			out = append(out, p)
		case n > 0 && out[n-1].kind == stream.Text:
			out[n-1].text += p.text
		default:
			out = append(out, p)
		}
	}
	return out
}

// Wherever a stream is cut, in whatever pieces it comes, and however the next
// target writes the same answer: the client reads one legal stream that holds
// the whole answer, once.
func TestAnyCutOfAnyStream(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		answer := drawAnswer(rt)
		streams := make([][]read, 0, 3)
		for i := range rapid.IntRange(1, 2).Draw(rt, "breaks") {
			chunks := drawForm(rt, fmt.Sprint(i)).write(rt, answer)
			cut := rapid.IntRange(0, len(chunks)-1).Draw(rt, "cut")
			streams = append(streams, append(reads(chunks[:cut]), read{err: errs.New(interruptedReason, "")}))
		}
		streams = append(streams, reads(drawForm(rt, "last").write(rt, answer)))
		got := readSplice(rt, streams)
		want := visible(answer)
		have := visible(got.parts)
		if fmt.Sprint(have) != fmt.Sprint(want) {
			rt.Fatalf("read %q, want %q", have, want)
		}
		if got.starts != 1 || got.finishes != 1 || got.foreign {
			rt.Fatalf("%d starts, %d finishes, foreign bytes %v", got.starts, got.finishes, got.foreign)
		}
	})
}

func reads(chunks []*stream.Chunk) (out []read) {
	for _, c := range chunks {
		out = append(out, read{chunk: c.Clone()})
	}
	return out
}

// readSplice reads what is made of several attempts.
func readSplice(rt *rapid.T, streams [][]read) *reading {
	b := &books{t: &testing.T{}}
	j := job(b)
	for i, s := range streams {
		j.Order = append(j.Order, deployed(newTarget(fmt.Sprint(i), &adapter{plays: []play{answers(s...)}}), "m"))
	}
	zero := 0
	for i := range j.Order {
		j.Order[i].Target.Retries = &zero
	}
	j.Recovery = route.Recovery{Mode: "replay"}
	s, err := newRunner(policy).Open(context.Background(), j)
	if err != nil {
		rt.Fatal(err)
	}
	got := &reading{t: rt, open: map[int32]int{}, ended: map[int32]bool{}}
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			rt.Fatalf("ended with %v after %v", err, got.parts)
		}
		got.chunk(c, s.splice != nil)
	}
	succeed(s.Attempt)
	if len(b.ends) != len(b.order) || len(b.open) != 0 {
		rt.Fatalf("%d attempts, %d ended", len(b.order), len(b.ends))
	}
	return got
}

// An answer that differs from what the client has is not glued to it.
func TestAnotherAnswerIsNotGlued(t *testing.T) {
	call := func(name, arguments string) read {
		return read{chunk: &stream.Chunk{Events: []stream.Event{
			{Kind: stream.PartStart, Index: 1, Part: piece{kind: stream.ToolArguments, name: name}.start()},
			{Kind: stream.ToolArguments, Index: 1, Delta: []byte(arguments)},
		}}}
	}
	stopped := read{chunk: &stream.Chunk{Events: []stream.Event{{Kind: stream.PartStop, Index: 1}}}}
	for name, tc := range map[string]struct{ first, second []read }{
		"another text":           {[]read{text("one two")}, []read{text("one three"), finish()}},
		"another letter":         {[]read{text("né")}, []read{text("nè"), finish()}},
		"a shorter text":         {[]read{text("one two")}, []read{text("one"), finish()}},
		"a shorter text, no end": {[]read{text("one two")}, []read{text("one")}},
		"a call for a text":      {[]read{text("one")}, []read{call("f", "{}"), finish()}},
		"a text for a call":      {[]read{call("f", "{")}, []read{text("one"), finish()}},
		"another call":           {[]read{call("f", "{")}, []read{call("g", "{}"), finish()}},
		"other arguments":        {[]read{call("f", `{"a":1`)}, []read{call("f", `{"a":2}`), finish()}},
		"a longer number":        {[]read{call("f", `[1 `)}, []read{call("f", `[12]`), finish()}},
		"white space in a text":  {[]read{call("f", `{"a":"b c`)}, []read{call("f", `{"a":"bc d"}`), finish()}},
		"less of the arguments":  {[]read{call("f", `{"a":1`)}, []read{call("f", `{`), stopped, finish()}},
		"more of the arguments":  {[]read{call("f", `{}`), stopped}, []read{call("f", `{} []`), finish()}},
		"text before the call":   {[]read{text("a"), call("f", `{`)}, []read{text("a b"), call("f", `{}`), finish()}},
		"no second call":         {[]read{call("f", `{}`), stopped, text("x")}, []read{call("f", `{}`), stopped, finish()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{t: t}
				cut := append(tc.first, read{err: errs.New(interruptedReason, "")})
				j := job(b, newTarget("a", &adapter{plays: []play{answers(cut...)}}), newTarget("b", &adapter{plays: []play{answers(tc.second...)}}))
				j.Recovery = route.Recovery{Mode: "replay"}
				s, err := newRunner(policy).Open(context.Background(), j)
				if err != nil {
					t.Fatal(err)
				}
				before := ""
				for _, r := range tc.first {
					for _, e := range r.chunk.Events {
						before += string(e.Delta)
					}
				}
				got, err := readAll(s)
				if !errs.Is(err, interruptedReason) || got != before || s.Recoveries() != 0 {
					t.Errorf("read %q, had %q: %v", got, before, err)
				}
				checkEnds(t, b)
			})
		})
	}
}

// What recovers whom, and what does not.
func TestWhoGoesOn(t *testing.T) {
	cut := read{err: errs.New(interruptedReason, "")}
	begun := answers(text("one "), cut)
	whole := answers(text("one "), text("two"), finish())
	garbled := answers(text("one "), read{err: errs.New(down, "")})
	stalls := answers(text("one "), later(time.Minute, text("two")), finish())
	for _, tc := range []struct {
		name   string
		a, b   []play
		mode   route.Recovery
		text   string
		order  string
		reason llmv1.ErrorReason
	}{
		{"the next target", []play{begun}, []play{whole}, route.Recovery{}, "one two", "a b", 0},
		{"after a stall", []play{stalls}, []play{whole}, route.Recovery{}, "one two", "a b", 0},
		{"after an error in the stream", []play{answers(text("one "), read{chunk: errorChunk()})}, []play{whole}, route.Recovery{}, "one two", "a b", 0},
		{"after a malformed chunk", []play{garbled}, []play{whole}, route.Recovery{}, "one two", "a b", 0},
		{"the same, if there is no other", []play{begun, whole}, nil, route.Recovery{}, "one two", "a a", 0},
		{"not the same, if it was silent", []play{stalls, whole}, nil, route.Recovery{}, "one ", "a", interruptedReason},
		{"the same, if the other is down", []play{begun, whole}, []play{fails(down)}, route.Recovery{}, "one two", "a b a", 0},
		{"twice", []play{begun, begun, whole}, nil, route.Recovery{}, "one two", "a a a", 0},
		{"not three times", []play{begun}, nil, route.Recovery{}, "one ", "a a a", interruptedReason},
		{"not where it is off", []play{begun}, []play{whole}, route.Recovery{Mode: "off"}, "one ", "a", interruptedReason},
		{"not beyond what is kept", []play{begun}, []play{whole}, route.Recovery{MaxBytes: 3}, "one ", "a", interruptedReason},
		{"not after a filter's verdict", []play{answers(text("one "), read{err: errs.New(filtered, "")})}, []play{whole}, route.Recovery{}, "one ", "a", filtered},
		{"not after a panic", []play{answers(text("one "), read{panic: true})}, []play{whole}, route.Recovery{}, "one ", "a", interruptedReason},
		{"an end without its marker", []play{answers(text("one "), finish(), cut)}, []play{whole}, route.Recovery{}, "one ", "a", 0},
		{"silence behind the end", []play{answers(text("one "), finish(), later(time.Minute, text("x")))}, []play{whole}, route.Recovery{}, "one ", "a", 0},
		{"the other refuses", []play{begun, whole}, []play{fails(rejected)}, route.Recovery{}, "one two", "a b a", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{t: t}
				first := &adapter{plays: tc.a}
				j := job(b, newTarget("a", first))
				if tc.b != nil {
					j = job(b, newTarget("a", first), newTarget("b", &adapter{plays: tc.b}))
				}
				j.Recovery = tc.mode
				s, err := newRunner(policy).Open(context.Background(), j)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readAll(s)
				if !s.Ended() {
					succeed(s.Attempt)
				}
				if got != tc.text || strings.Join(b.order, " ") != tc.order {
					t.Errorf("read %q from %v, want %q from %s", got, b.order, tc.text, tc.order)
				}
				if tc.reason == 0 && err != nil || tc.reason != 0 && !errs.Is(err, tc.reason) {
					t.Errorf("ended with %v, want %v", err, tc.reason)
				}
				checkEnds(t, b)
				if first.live != 0 {
					t.Error("a reader is open")
				}
			})
		})
	}
}

// White space that was left out of what a target is given may come again.
func TestBlanksAtTheSeam(t *testing.T) {
	for _, tc := range []struct{ had, begun, comes, want string }{
		{"one ", "one", " two", "one two"},
		{"one", "one", " two", "one two"},
		{"one \n", "one", " \ntwo", "one \ntwo"},
		{"one ", "one", "two", "one two"},
		{"one\n\n", "one", "\n two", "one\n\n two"},
	} {
		script := newTranscript(100)
		script.add(text(tc.had).chunk)
		if got := script.prefill(); got != tc.begun {
			t.Errorf("%q is given as %q", tc.had, got)
		}
		s := newSplice(script, tc.begun)
		got := tc.had
		for _, c := range tc.comes { // letter by letter
			chunk, err := s.pass(text(string(c)).chunk)
			if err != nil {
				t.Fatal(err)
			}
			if chunk != nil {
				got += string(chunk.Events[0].Delta)
			}
		}
		if got != tc.want {
			t.Errorf("%q and %q make %q", tc.had, tc.comes, got)
		}
	}
}

// While nothing goes wrong, being ready to recover costs no allocation for a chunk.
func TestTranscriptsAllocateNothing(t *testing.T) {
	script := newTranscript(1 << 20)
	chunk := text("word ").chunk
	if n := testing.AllocsPerRun(10_000, func() { script.add(chunk) }); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
	s := newSplice(script, "")
	for s.seams[0].marks[0].at < s.seams[0].marks[0].goal {
		if _, err := s.pass(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(10_000, func() { _, _ = s.pass(chunk) }); n != 0 {
		t.Errorf("%v allocations a chunk behind a seam", n)
	}
}

// endless is a stream that always has one more word.
type endless struct{ chunk *stream.Chunk }

func (e endless) Next() (*stream.Chunk, error) { return e.chunk, nil }
func (endless) Close() error                   { return nil }

func BenchmarkNext(b *testing.B) {
	for name, mode := range map[string]string{"plain": "off", "recoverable": ""} {
		b.Run(name, func(b *testing.B) {
			j := job(&books{t: b}, newTarget("a", &adapter{plays: []play{answers(text("a"), finish())}}))
			j.Recovery = route.Recovery{Mode: mode}
			s, err := newRunner(policy).Open(context.Background(), j)
			if err != nil {
				b.Fatal(err)
			}
			s.source.reader, s.source.finishes = endless{text("word ").chunk}, 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
			succeed(s.Attempt)
		})
	}
}
