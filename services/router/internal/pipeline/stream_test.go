package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func streamed(w *world) (*client, error) {
	c := &client{t: w.t, recorder: w.recorder}
	err := w.pipeline().Stream(context.Background(), w.call("hello"), c)
	w.settled()
	if w.model.live != 0 || w.scanner.open != 0 {
		w.t.Error("something is left open")
	}
	return c, err
}

func TestStreamPassesOn(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		w := newWorld(t)
		w.checker.output = guarded
		c, err := streamed(w)
		if err != nil || c.text != "hello there" || c.revised != 0 {
			t.Errorf("guarded %v: %q, %d revised, %v", guarded, c.text, c.revised, err)
		}
		if want := "start text text finish usage"; strings.Join(c.log, " ") != want {
			t.Errorf("guarded %v: %v, want %s", guarded, c.log, want)
		}
		if c.opened.Target != "a" || c.finished.CostNanousd != 180 || len(w.scanner.deltas) > 0 != guarded {
			t.Errorf("opened %v, finished %v, %d deltas were checked", c.opened, c.finished, len(w.scanner.deltas))
		}
		if r := w.recorder.final[0]; !r.Streamed || r.TimeToFirstToken == nil || r.Usage.OutputTokens != 7 {
			t.Errorf("record %v", r)
		}
	}
}

func TestStreamFailsOverUnseen(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{events(stream.Event{Kind: stream.Start, ID: "dead"})}
	w.model.cut = errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "")
	c, err := streamed(w)
	if err != nil || c.text != "from the second" || c.opened.Target != "b" || c.finished.Attempts != 2 {
		t.Errorf("%q from %v, %v", c.text, c.opened, err)
	}
	if n := len(slices.DeleteFunc(c.log, func(s string) bool { return s != "start" })); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestStreamCutAfterContentEndsInBand(t *testing.T) {
	w := newWorld(t)
	w.route.Recovery.Mode = "off"
	w.model.chunks = []*stream.Chunk{say("half an ")}
	w.model.cut = errs.New(down, "")
	c, err := streamed(w)
	interrupted := llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	if !errs.Is(err, interrupted) || c.failure.GetReason() != interrupted || c.finished != nil || c.text != "half an " {
		t.Errorf("%v; in band %v, finished %v, text %q", err, c.failure, c.finished, c.text)
	}
	r := w.recorder.final[0]
	if r.Outcome != billingv1.Outcome_OUTCOME_FAILED || r.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED || r.Usage.OutputTokens == 0 {
		t.Errorf("record %v", r)
	}
	if len(w.second.asked) != 0 {
		t.Error("another target was asked after the first content")
	}
}

func TestClientGoesAwayMidStream(t *testing.T) {
	for name, arm := range map[string]func(*world, *client, context.CancelFunc){
		"the write fails":    func(_ *world, c *client, _ context.CancelFunc) { c.goneAt = 2 },
		"the context is cut": func(w *world, _ *client, cancel context.CancelFunc) { w.model.onChunk = cutAt(2, cancel) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.model.text = "one two three four"
			c := &client{t: t, recorder: w.recorder}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			arm(w, c, cancel)
			err := w.pipeline().Stream(ctx, w.call("hello"), c)
			w.settled()
			if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) || c.failure != nil || c.finished != nil || w.model.live != 0 {
				t.Errorf("%v, in band %v, finished %v", err, c.failure, c.finished)
			}
			r := w.recorder.final[0]
			if r.Outcome != billingv1.Outcome_OUTCOME_CANCELLED || r.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED ||
				r.Usage.OutputTokens == 0 || r.Usage.OutputTokens > 3 {
				t.Errorf("record %v", r)
			}
		})
	}
}

func cutAt(n int, cancel func()) func(int) {
	return func(i int) {
		if i == n {
			cancel()
		}
	}
}

func TestUsageReportedEarlyIsCompleted(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{
		events(stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 100, CacheReadTokens: 50, OutputTokens: 1}}),
		say("many words that nobody has counted yet"),
	}
	w.model.cut = errs.New(down, "")
	_, _ = streamed(w)
	u := w.recorder.final[0].Usage
	if u.InputTokens != 100 || u.CacheReadTokens != 50 || u.OutputTokens < 5 || u.Source != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED {
		t.Errorf("usage %v", u)
	}
}

func TestStreamIsMasked(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{
		events(stream.Event{Kind: stream.Start}), say("se"), say("cr"), say("et one, se"), say("cond"), say(" sec"),
		events(stream.Event{Kind: stream.Finish}),
	}
	c, err := streamed(w)
	if err != nil || c.text != "[X] one, second sec" {
		t.Errorf("%q, %v", c.text, err)
	}
	if c.log[0] != "start" || c.log[len(c.log)-1] != "finish" || !slices.Contains(c.log, "notice") {
		t.Errorf("events %v", c.log)
	}
	if n := c.finished.GuardrailNotices; len(n) != 1 || n[0].Count != 1 {
		t.Errorf("notices %v", n)
	}
}

func TestBlockBeforeAnythingIsReleasedIsAPlainError(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{events(stream.Event{Kind: stream.Start}), say("att"), say("ack"), events(stream.Event{Kind: stream.Finish})}
	c, err := streamed(w)
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED) || c.opened != nil {
		t.Errorf("%v, opened %v", err, c.opened)
	}
	if r := w.recorder.final[0]; r.Outcome != billingv1.Outcome_OUTCOME_BLOCKED || r.Usage.OutputTokens == 0 {
		t.Errorf("record %v", r)
	}
}

func TestBlockMidStream(t *testing.T) {
	w := newWorld(t)
	w.model.text = "here is an attack plan"
	c, err := streamed(w)
	blocked := llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
	if !errs.Is(err, blocked) || c.failure.GetReason() != blocked || c.text != "here is an " {
		t.Errorf("%v, in band %v, text %q", err, c.failure, c.text)
	}
}

func TestGuardrailFailsOnStreams(t *testing.T) {
	w := newWorld(t)
	w.scanner.err = unreachable()
	if c, err := streamed(w); !errs.Is(err, peerOut) || c.opened != nil {
		t.Errorf("closed: %v, opened %v", err, c.opened)
	}
	w = newWorld(t)
	w.scanner.err, w.options.GuardrailOpen = unreachable(), true
	if c, err := streamed(w); err != nil || c.text != "hello there" {
		t.Errorf("open: %v, %q", err, c.text)
	}
	w = newWorld(t)
	w.scanner.breaks, w.options.GuardrailOpen = 2, true
	if c, err := streamed(w); !errs.Is(err, peerOut) || c.failure.GetReason() != peerOut {
		t.Errorf("a scan that breaks: %v, in band %v", err, c.failure)
	}
}

func TestPartsAreCheckedApart(t *testing.T) {
	call := &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "1", Name: "f", Arguments: `{"a":"sec`}}}
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{
		say("sec"),
		events(stream.Event{Kind: stream.PartStart, Index: 1, Part: call}),
		events(stream.Event{Kind: stream.ToolArguments, Index: 1, Delta: []byte(`ret"}`)}),
		events(stream.Event{Kind: stream.PartStop, Index: 1}),
		events(stream.Event{Kind: stream.Text, Candidate: 1, Delta: []byte("rets")}),
		events(stream.Event{Kind: stream.Finish}), events(stream.Event{Kind: stream.Finish, Candidate: 1}),
	}
	c, err := streamed(w)
	if err != nil || c.text != "secrets" || c.tools != `{"a":"[X]"}` {
		t.Errorf("text %q, arguments %q, %v", c.text, c.tools, err)
	}
	if want := "text part args args notice stop text finish text finish"; strings.Join(c.log, " ") != want {
		t.Errorf("events %v, want %s", c.log, want)
	}
	for _, d := range w.scanner.deltas {
		if json := d.Kind == guardrailv1.ContentKind_CONTENT_KIND_JSON; json != (d.Part == 1) {
			t.Errorf("part %d is checked as %v", d.Part, d.Kind)
		}
	}
	if call.GetToolCall().GetArguments() == "" {
		t.Error("the adapter's part was changed")
	}
}

// Some providers go on with a text after a tool call.
func TestPartMayGoOnAfterItsEnd(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{
		say("one sec"),
		events(stream.Event{Kind: stream.PartStart, Index: 1, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: "f"}}}}),
		say("ret se"), events(stream.Event{Kind: stream.PartStop}), say("cret"), events(stream.Event{Kind: stream.Finish}),
	}
	if c, err := streamed(w); err != nil || c.text != "one secret secret" {
		t.Errorf("%q, %v", c.text, err)
	}
}

func TestLargeDeltaIsCheckedInPieces(t *testing.T) {
	text := strings.Repeat("€", maxPiece) + "secret"
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{say(text), events(stream.Event{Kind: stream.Finish})}
	c, err := streamed(w)
	if want := strings.Repeat("€", maxPiece) + "[X]"; err != nil || c.text != want {
		t.Errorf("%d bytes became %d, want %d: %v", len(text), len(c.text), len(want), err)
	}
	for _, d := range w.scanner.deltas {
		if len(d.Text) > maxPiece || !utf8.ValidString(d.Text) {
			t.Errorf("a piece of %d bytes, valid %v", len(d.Text), utf8.ValidString(d.Text))
		}
	}
}

// However a text is cut, what the client gets is the masked whole.
func TestAnyCut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"secret", "se", "cret", " ", "ä", "s", "secre", "x"}), 1, 20).Draw(rt, "text"), "")
		w := newWorld(t)
		w.model.chunks = nil
		for rest := []rune(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "cut")
			w.model.chunks = append(w.model.chunks, say(string(rest[:n])))
			rest = rest[n:]
		}
		if rapid.Bool().Draw(rt, "finish") {
			w.model.chunks = append(w.model.chunks, events(stream.Event{Kind: stream.Finish}))
		}
		c, err := streamed(w)
		if want := strings.ReplaceAll(text, "secret", "[X]"); err != nil || c.text != want {
			rt.Fatalf("%q became %q, want %q (%v)", text, c.text, want, err)
		}
	})
}

// endless is a reader that gives the same chunk for ever.
type endless struct{ chunk *stream.Chunk }

func (e endless) Next() (*stream.Chunk, error) { return e.chunk, nil }
func (endless) Close() error                   { return nil }

// endlessModel never ends its answer.
type endlessModel struct{ *model }

func (endlessModel) Stream(context.Context, *provider.Request) (stream.Reader, error) {
	return endless{say("word ")}, nil
}

type nowhere struct{ client }

func (nowhere) WriteChunk(*stream.Chunk) error { return nil }

func TestUnguardedChunkDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	r := &request{pipeline: w.pipeline(), sink: &nowhere{}, opened: true}
	s := openEndless(t, w)
	defer s.End(attempt.End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED, Last: true})
	if n := testing.AllocsPerRun(1000, func() {
		c, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.deliver(c)
	}); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

func openEndless(t testing.TB, w *world) *attempt.Stream {
	p := w.pipeline()
	r, ctx := p.begin(context.Background(), w.call("hello"))
	t.Cleanup(r.cancel)
	if err := r.pass(ctx, authorise, reserve, hold, decide); err != nil {
		t.Fatal(err)
	}
	job := r.job()
	deployment := *job.Order[0].Deployment
	target := *deployment.Target
	target.Adapter = endlessModel{w.model}
	deployment.Target = &target
	job.Order = []*route.Candidate{{Deployment: &deployment}}
	s, err := p.runner.Open(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The fakes make about 15 of these.
func TestGenerateStaysCheap(t *testing.T) {
	w := newWorld(t)
	w.checker.input, w.checker.output = false, false
	p, call := w.pipeline(), w.call("hello, how are you today?")
	if n := testing.AllocsPerRun(200, func() {
		w.recorder.final, w.model.asked, w.holder.requests = w.recorder.final[:0], w.model.asked[:0], w.holder.requests[:0]
		if _, err := p.Generate(context.Background(), call); err != nil {
			t.Fatal(err)
		}
	}); n > 80 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkGenerate(b *testing.B) {
	w := newWorld(b)
	w.checker.input, w.checker.output = false, false
	p := w.pipeline()
	call := w.call("hello, how are you today?")
	b.ReportAllocs()
	for b.Loop() {
		w.recorder.final, w.model.asked, w.holder.requests = w.recorder.final[:0], w.model.asked[:0], w.holder.requests[:0]
		if _, err := p.Generate(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	w := newWorld(b)
	r := &request{pipeline: w.pipeline(), sink: &nowhere{}, opened: true}
	s := openEndless(b, w)
	defer s.End(attempt.End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED, Last: true})
	b.ReportAllocs()
	for b.Loop() {
		c, _ := s.Next()
		_ = r.deliver(c)
	}
}

// passing is a scan that lets everything pass.
type passing struct {
	response guardrailv1.CheckStreamResponse
}

func (p *passing) Delta(d Delta) (*guardrailv1.CheckStreamResponse, error) {
	p.response.Released = d.Text
	return &p.response, nil
}
func (*passing) Close() {}

func TestGuardedChunkAllocatesItsTextOnly(t *testing.T) {
	g := &guard{scan: &passing{}, r: &request{}}
	c := say("word ")
	if n := testing.AllocsPerRun(1000, func() { _, _ = g.chunk(c) }); n > 2 {
		t.Errorf("%v allocations a chunk", n)
	}
}

func BenchmarkGuardedChunk(b *testing.B) {
	g := &guard{scan: &passing{}, r: &request{}}
	c := say("word ")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = g.chunk(c)
	}
}
