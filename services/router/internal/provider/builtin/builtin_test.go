package builtin

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func adapter(t testing.TB) provider.Adapter {
	t.Helper()
	a, err := New(provider.Target{Name: "local", Provider: Name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// collected is what a legal stream adds up to.
type collected struct {
	id, model string
	texts     map[int32]string
	stops     map[int32][]*llmv1.Citation
	finishes  map[int32]llmv1.FinishReason
	usage     *llmv1.Usage
	chunks    int
}

// collect reads a stream and fails if its events are out of order.
func collect(t rapid.TB, r stream.Reader) collected {
	c := collected{texts: map[int32]string{}, stops: map[int32][]*llmv1.Citation{}, finishes: map[int32]llmv1.FinishReason{}}
	for {
		chunk, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		c.chunks++
		for _, e := range chunk.Events {
			if _, done := c.finishes[e.Candidate]; done {
				t.Fatalf("event %d after the finish of candidate %d", e.Kind, e.Candidate)
			}
			if (e.Kind == stream.Start) != (c.id == "") {
				t.Fatalf("event %d out of order", e.Kind)
			}
			switch e.Kind {
			case stream.Start:
				c.id, c.model = e.ID, e.Model
			case stream.Text:
				if _, stopped := c.stops[e.Candidate]; stopped || len(e.Delta) == 0 {
					t.Fatalf("bad text event %+v", e)
				}
				c.texts[e.Candidate] += string(e.Delta)
			case stream.PartStop:
				c.stops[e.Candidate] = e.Citations
			case stream.Usage:
				c.usage = e.Tokens
			case stream.Finish:
				c.finishes[e.Candidate] = e.Reason
			default:
				t.Fatalf("unexpected event %d", e.Kind)
			}
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the end: %v", err)
	}
	return c
}

func TestStreamAddsUpToGenerate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		questions := []string{"What is a hold?", "hello", "Which port does the server listen on?", "Which scopes can a budget belong to?"}
		r := asked(rapid.SampledFrom(questions).Draw(rt, "question"), handbook[:rapid.IntRange(0, len(handbook)).Draw(rt, "passages")]...)
		r.Context = "<context>…</context>"
		r.Conversation.Sampling = &llmv1.Sampling{CandidateCount: proto.Int32(rapid.Int32Range(1, 4).Draw(rt, "n"))}
		if rapid.Bool().Draw(rt, "limited") {
			r.Conversation.Sampling.MaxOutputTokens = proto.Int64(rapid.Int64Range(1, 120).Draw(rt, "limit"))
		}
		if rapid.Bool().Draw(rt, "stopped") {
			r.Conversation.Sampling.Stop = []string{rapid.SampledFrom([]string{"hold", "Quoted", "[", "\n\n", "never there"}).Draw(rt, "stop")}
		}
		whole, err := adapter(t).Generate(t.Context(), r)
		if err != nil {
			rt.Fatal(err)
		}
		reader, err := adapter(t).Stream(t.Context(), r)
		if err != nil {
			rt.Fatal(err)
		}
		got, want := collect(rt, reader), whole.Completion
		if len(got.finishes) != len(want.GetCandidates()) || !proto.Equal(got.usage, want.GetUsage()) || got.model != want.GetModel() {
			rt.Fatalf("got %+v, want %v", got, want)
		}
		for i, c := range want.GetCandidates() {
			text := c.GetMessage().GetParts()[0].GetText()
			n := int32(i)
			if got.texts[n] != text.GetText() || len(got.stops[n]) != len(text.GetCitations()) || got.finishes[n] != c.GetFinishReason() {
				rt.Fatalf("candidate %d: got %q, want %q", i, got.texts[n], text.GetText())
			}
		}
	})
}

func TestLimitsAndUsage(t *testing.T) {
	r := asked("What is a hold?", handbook...)
	full, err := adapter(t).Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	all := full.Completion.GetUsage()
	if all.GetSource() != llmv1.UsageSource_USAGE_SOURCE_PROVIDER || all.GetInputTokens() <= 0 {
		t.Fatalf("usage %v", all)
	}
	r.Context = "twelve more words"
	r.Conversation.Sampling = &llmv1.Sampling{MaxOutputTokens: proto.Int64(10), CandidateCount: proto.Int32(3)}
	cut, err := adapter(t).Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c := cut.Completion
	if got := c.GetUsage(); got.GetInputTokens() != all.GetInputTokens()+countTokens(r.Context) || got.GetOutputTokens() > 30 || got.GetOutputTokens() < 24 {
		t.Errorf("usage %v", got)
	}
	text := c.GetCandidates()[2].GetMessage().GetParts()[0].GetText()
	if c.GetCandidates()[2].GetFinishReason() != llmv1.FinishReason_FINISH_REASON_LENGTH || len(text.GetCitations()) != 0 {
		t.Errorf("cut candidate %v", c.GetCandidates()[2])
	}
	r.Conversation.Sampling = &llmv1.Sampling{Stop: []string{"never", "without"}}
	stopped, err := adapter(t).Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got := stopped.Completion.GetCandidates()[0]
	if text := got.GetMessage().GetParts()[0].GetText().GetText(); text != opening[:strings.Index(opening, "without")] ||
		got.GetFinishReason() != llmv1.FinishReason_FINISH_REASON_STOP {
		t.Errorf("stopped %v", got)
	}
}

func TestRefusals(t *testing.T) {
	image := &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{}}}
	tests := map[string]struct {
		change func(*llmv1.Conversation)
		field  string
	}{
		"tool required": {func(c *llmv1.Conversation) {
			c.ToolChoice = &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_REQUIRED}
		}, "tool_choice"},
		"tool named": {func(c *llmv1.Conversation) {
			c.ToolChoice = &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_NAMED, Name: "x"}
		}, "tool_choice"},
		"json": {func(c *llmv1.Conversation) {
			c.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{}}
		}, "response_format"},
		"image": {func(c *llmv1.Conversation) { c.Messages[1].Parts = append(c.Messages[1].Parts, image) }, "messages"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := asked("What is a hold?", handbook...)
			tt.change(r.Conversation)
			_, gerr := adapter(t).Generate(t.Context(), r)
			_, serr := adapter(t).Stream(t.Context(), r)
			for _, err := range []error{gerr, serr} {
				if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) || errs.From(err).Field != tt.field {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	if _, err := adapter(t).Embed(t.Context(), &provider.EmbedRequest{}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
		t.Errorf("embed: %v", err)
	}
	r := asked("What is a hold?", handbook...)
	r.Conversation.Tools = []*llmv1.Tool{{Name: "x"}}
	r.Conversation.ToolChoice = &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_AUTO}
	if _, err := adapter(t).Generate(t.Context(), r); err != nil {
		t.Errorf("tools that may be called: %v", err)
	}
}

func TestCancelAndClose(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := adapter(t).Stream(ctx, asked("What is a hold?", handbook...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Next(); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
		t.Errorf("after cancel: %v", err)
	}
	if _, err := adapter(t).Generate(ctx, asked("x")); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
		t.Errorf("cancelled before: %v", err)
	}
	r, _ = adapter(t).Stream(t.Context(), asked("x"))
	for range 2 {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after close: %v", err)
	}
}

func TestCountTokens(t *testing.T) {
	tests := map[string]int64{
		"": 0, " \n": 0, "word": 1, "gateways": 2, "Hello, world!": 4, "a b c": 3, "价格": 2, "x=1": 3,
		"The quick brown fox jumps over the lazy dog.": 10,
	}
	for text, want := range tests {
		if got := countTokens(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		if got := countPieces(words(text)); got != countTokens(text) {
			rt.Fatalf("%q: words count %d, text %d", text, got, countTokens(text))
		}
	})
}

func TestNextAllocatesNothing(t *testing.T) {
	d := &draft{id: "x", candidates: 1, pieces: words(strings.Repeat("word ", 3000))}
	r := newReader(t.Context(), d)
	for range 10 {
		_, _ = r.Next()
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = r.Next() }); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

func BenchmarkGenerate(b *testing.B) {
	a, r := adapter(b), asked("How does a hold keep budgets from being overshot?", handbook...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Generate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamChunk(b *testing.B) {
	d := &draft{id: "x", candidates: 1, pieces: words(strings.Repeat("word ", b.N+1))}
	r := newReader(b.Context(), d)
	b.ReportAllocs()
	for range b.N {
		_, _ = r.Next()
	}
}
