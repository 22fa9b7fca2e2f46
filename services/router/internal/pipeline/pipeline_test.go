package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	down    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	peerOut = llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE
)

func unreachable() error { return errs.New(peerOut, "no route to 10.0.0.7") }

func TestGenerate(t *testing.T) {
	w := newWorld(t)
	w.enricher.text = "context"
	w.route.Collections = []string{"docs"}
	call := w.call("hello")
	call.Options.IncludeDecision = true
	got, err := w.pipeline().Generate(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	report := got.Report
	if report.RequestId != "req" || report.Target != "a" || report.Attempts != 1 || report.CostNanousd != 180 ||
		len(report.Citations) != 1 || report.Decision.GetRoute() != "m" {
		t.Errorf("report: %v", report)
	}
	r := w.recorder.final[0]
	if r.Outcome != billingv1.Outcome_OUTCOME_SUCCEEDED || r.Usage.OutputTokens != 7 ||
		r.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_PROVIDER || r.Hold != "holds/1" || !r.Last ||
		r.Scopes.Organization != "organizations/o" || r.Scopes.Team != "teams/t" || r.Scopes.User != "" ||
		r.PricedModel.Provider != "openai" || r.PricedModel.Model != "m" || r.Duration == nil {
		t.Errorf("record: %v", r)
	}
	if asked := w.model.asked[0]; asked.Context != "context" || len(asked.Passages) != 1 {
		t.Errorf("asked: %+v", asked)
	}
	w.settled()
}

// Each stage can end a request, and then no later one has run.
func TestStagesThatEndARequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		arm    func(*world, *Call)
		reason llmv1.ErrorReason
		asked  int
	}{
		{"nobody", func(_ *world, c *Call) { c.Principal = nil }, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, 0},
		{"no organisation", func(_ *world, c *Call) { c.Principal = &auth.Principal{} }, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, 0},
		{"another's model", func(_ *world, c *Call) { c.Conversation.Model = "x" }, llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED, 0},
		{"no such model", func(_ *world, c *Call) { c.Conversation.Model = "mm" }, llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, 0},
		{"too fast", func(w *world, _ *Call) { w.principal.Limits.TokensPerMinute = 10 }, 0, 1}, // larger than a minute passes once
		{"no budget", func(w *world, _ *Call) {
			w.holder.err = errs.New(llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, "")
		}, llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, 0},
		{"billing is down", func(w *world, _ *Call) { w.holder.err = unreachable() }, peerOut, 0},
		{"billing is down, open", func(w *world, _ *Call) { w.holder.err, w.options.BillingOpen = unreachable(), true }, 0, 1},
		{"an attack", func(_ *world, c *Call) { setText(c, "an attack") }, llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED, 0},
		{"guardrail is down", func(w *world, _ *Call) { w.checker.err = unreachable() }, peerOut, 0},
		{"guardrail is down, open", func(w *world, _ *Call) { w.checker.err, w.options.GuardrailOpen = unreachable(), true }, 0, 1},
		{"the policy is missing", func(w *world, _ *Call) {
			w.checker.err, w.options.GuardrailOpen = errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, ""), true
		}, peerOut, 0},
		{"rag is down", func(w *world, _ *Call) {
			w.enricher.err, w.route.Collections = unreachable(), []string{"c"}
		}, 0, 1},
		{"rag is down, closed", func(w *world, _ *Call) {
			w.enricher.err, w.route.Collections, w.options.RagOpen = unreachable(), []string{"c"}, false
		}, peerOut, 0},
		{"the route's collection is missing", func(w *world, _ *Call) {
			w.enricher.err, w.route.Collections = errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, ""), []string{"c"}
		}, 0, 1},
		{"the client's collection is missing", func(w *world, c *Call) {
			w.enricher.err, c.Options.Collections = errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, ""), []string{"c"}
		}, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, 0},
		{"the spool is full", func(w *world, _ *Call) { w.recorder.full = errs.New(peerOut, "full") }, peerOut, 0},
		{"every target is down", func(w *world, _ *Call) {
			w.model.err, w.second.err = errs.New(down, ""), errs.New(down, "")
		}, down, 2},
		{"the answer is an attack", func(w *world, _ *Call) { w.model.text = "an attack" }, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, 1},
		{"pricing is down", func(w *world, _ *Call) { w.pricer.err = unreachable() }, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, streamed := range []bool{false, true} {
				w := newWorld(t)
				call := w.call("hello")
				tc.arm(w, call)
				sink := &client{t: t, recorder: w.recorder}
				var err error
				if streamed {
					err = w.pipeline().Stream(context.Background(), call, sink)
				} else {
					_, err = w.pipeline().Generate(context.Background(), call)
				}
				if tc.reason == 0 && err != nil || tc.reason != 0 && !errs.Is(err, tc.reason) {
					t.Errorf("streamed %v: %v, want %v", streamed, err, tc.reason)
				}
				if err != nil && strings.Contains(err.Error(), "10.0.0.7") {
					t.Errorf("an address leaks: %v", err)
				}
				if got := len(w.model.asked) + len(w.second.asked); got != tc.asked {
					t.Errorf("streamed %v: targets were asked %d times, want %d", streamed, got, tc.asked)
				}
				if (sink.finished != nil) != (streamed && tc.reason == 0) {
					t.Errorf("finished: %v", sink.finished)
				}
				if w.model.live+w.second.live+w.scanner.open != 0 {
					t.Error("something is left open")
				}
				w.settled()
			}
		})
	}
}

func setText(c *Call, text string) { c.Conversation.Messages[1].Parts[0] = textPart(text) }

func TestRateLimitIsSettled(t *testing.T) {
	w := newWorld(t)
	w.principal.Limits.TokensPerMinute = 1000
	p := w.pipeline()
	for i := range 3 { // each reserves more than 500 and uses 18
		call := w.call("hello")
		call.RequestID = strings.Repeat("r", i+1)
		if _, err := p.Generate(context.Background(), call); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	w.principal.Key, w.principal.Limits.RequestsPerMinute = "another", 1
	for i := range 2 {
		call := w.call("hello")
		call.RequestID = strings.Repeat("s", i+1)
		_, err := p.Generate(context.Background(), call)
		if limited := errs.Is(err, llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED); limited != (i == 1) {
			t.Errorf("request %d at one a minute: %v", i, err)
		}
	}
}

func TestInputIsMasked(t *testing.T) {
	w := newWorld(t)
	call := w.call("my secret")
	before := proto.Clone(call.Conversation)
	got, err := w.pipeline().Generate(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	asked := w.model.asked[0]
	if text := asked.Conversation.Messages[1].Parts[0].GetText().GetText(); text != "my [X]" || asked.Revisions[1] != "my [X]" {
		t.Errorf("asked %q with revisions %v", text, asked.Revisions)
	}
	if !proto.Equal(before, call.Conversation) {
		t.Error("the client's own conversation was changed")
	}
	if n := got.Report.GuardrailNotices; len(n) != 1 || n[0].Check != "secrets" || n[0].Action != "mask" || n[0].Policy != "policies/strict" {
		t.Errorf("notices: %v", n)
	}
	if kind := w.checker.seen[0].Contents[0].Kind; kind != guardrailv1.ContentKind_CONTENT_KIND_INSTRUCTIONS {
		t.Errorf("the system message was checked as %v", kind)
	}
}

func TestContextIsGuarded(t *testing.T) {
	for _, tc := range []struct{ found, want string }{{"a secret", "a [X]"}, {"an attack", ""}, {"plain", "plain"}} {
		w := newWorld(t)
		w.enricher.text, w.route.Collections = tc.found, []string{"docs"}
		got, err := w.pipeline().Generate(context.Background(), w.call("hello"))
		if err != nil {
			t.Fatal(err)
		}
		asked := w.model.asked[0]
		if asked.Context != tc.want {
			t.Errorf("%q became %q, want %q", tc.found, asked.Context, tc.want)
		}
		if tc.want == "" && (len(asked.Passages) != 0 || len(got.Report.Citations) != 0 || len(got.Report.GuardrailNotices) != 1) {
			t.Errorf("blocked context leaves passages %v, report %v", asked.Passages, got.Report)
		}
		if tc.want != "" && asked.Passages[0].GetText() != tc.want {
			t.Errorf("the passage is %q", asked.Passages[0].GetText())
		}
		if !slices.ContainsFunc(w.checker.seen[1].Contents, func(c *guardrailv1.Content) bool {
			return c.Kind == guardrailv1.ContentKind_CONTENT_KIND_PASSAGE && c.Text == tc.found
		}) {
			t.Errorf("the passage was not checked as one: %v", w.checker.seen[1])
		}
	}
}

func TestNoContext(t *testing.T) {
	w := newWorld(t)
	w.route.Collections = []string{"docs"}
	call := w.call("hello")
	call.Options.NoContext = true
	if _, err := w.pipeline().Generate(context.Background(), call); err != nil || len(w.enricher.seen) != 0 {
		t.Errorf("%v, enriched %d times", err, len(w.enricher.seen))
	}
}

func TestOutputIsMasked(t *testing.T) {
	w := newWorld(t)
	w.model.text = "the secret"
	got, err := w.pipeline().Generate(context.Background(), w.call("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if text := got.Answer.Completion.Candidates[0].Message.Parts[0].GetText().GetText(); text != "the [X]" || got.Answer.Native != nil {
		t.Errorf("answer %q, native %q", text, got.Answer.Native)
	}
}

func TestBlockedOutputIsPaidFor(t *testing.T) {
	w := newWorld(t)
	w.model.text = "an attack"
	_, err := w.pipeline().Generate(context.Background(), w.call("hello"))
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED) || !strings.Contains(err.Error(), "injection") {
		t.Errorf("%v", err)
	}
	if r := w.recorder.final[0]; r.Outcome != billingv1.Outcome_OUTCOME_BLOCKED || r.Usage.OutputTokens != 7 ||
		r.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_PROVIDER {
		t.Errorf("record %v", r)
	}
}

func TestFailoverKeepsBothRecords(t *testing.T) {
	w := newWorld(t)
	w.model.err = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "")
	got, err := w.pipeline().Generate(context.Background(), w.call("hello"))
	if err != nil || got.Report.Target != "b" || got.Report.Attempts != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	first, second := w.recorder.final[0], w.recorder.final[1]
	if first.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED || first.Usage.InputTokens == 0 || first.Last ||
		second.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_PROVIDER || !second.Last {
		t.Errorf("records %v and %v", first, second)
	}
	if want := 10 * (first.Usage.InputTokens + 18); got.Report.CostNanousd != want {
		t.Errorf("cost %d, want that of both attempts, %d", got.Report.CostNanousd, want)
	}
	w.settled()
}

func TestRefusedAttemptIsFree(t *testing.T) {
	w := newWorld(t)
	w.model.err, w.second.err = errs.New(down, ""), errs.New(down, "")
	_, _ = w.pipeline().Generate(context.Background(), w.call("hello"))
	for _, r := range w.recorder.final {
		if r.Usage.Source != llmv1.UsageSource_USAGE_SOURCE_NONE || r.Usage.InputTokens != 0 || r.Outcome != billingv1.Outcome_OUTCOME_FAILED {
			t.Errorf("record %v", r)
		}
	}
}

func TestMissingUsageIsEstimated(t *testing.T) {
	w := newWorld(t)
	w.model.noUsage = true
	if _, err := w.pipeline().Generate(context.Background(), w.call("hello")); err != nil {
		t.Fatal(err)
	}
	whole := w.recorder.final[0].Usage
	if whole.Source != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED || whole.InputTokens == 0 || whole.OutputTokens == 0 {
		t.Errorf("usage %v", whole)
	}
	w.recorder.final = nil
	if err := w.pipeline().Stream(context.Background(), w.call("hello"), &client{t: t, recorder: w.recorder}); err != nil {
		t.Fatal(err)
	}
	if streamed := w.recorder.final[0].Usage; !proto.Equal(streamed, whole) {
		t.Errorf("streamed %v, whole %v", streamed, whole)
	}
}

func TestAZeroOfTheProviderStaysZero(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{say("hello"), events(
		stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{}}, stream.Event{Kind: stream.Finish})}
	if err := w.pipeline().Stream(context.Background(), w.call("hello"), &client{t: t, recorder: w.recorder}); err != nil {
		t.Fatal(err)
	}
	if u := w.recorder.final[0].Usage; u.Source != llmv1.UsageSource_USAGE_SOURCE_PROVIDER || u.InputTokens+u.OutputTokens != 0 {
		t.Errorf("usage %v", u)
	}
}

func TestPanicIsSettled(t *testing.T) {
	w := newWorld(t)
	w.model.panics = true
	_, err := w.pipeline().Generate(context.Background(), w.call("hello"))
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INTERNAL) || len(w.second.asked) != 0 {
		t.Errorf("after a panic, which another target does not mend: %v", err)
	}
	w.settled()

	w = newWorld(t)
	sink := &client{t: t, recorder: w.recorder, onOpen: func() { panic("a bug in a dialect") }}
	func() {
		defer func() { _ = recover() }()
		_ = w.pipeline().Stream(context.Background(), w.call("hello"), sink)
		t.Error("the panic was swallowed")
	}()
	w.settled()
	if len(w.recorder.final) != 1 || w.model.live != 0 {
		t.Errorf("after a panic: %v, %d readers", w.recorder.final, w.model.live)
	}
}

func TestEmbed(t *testing.T) {
	w := newWorld(t)
	got, err := w.pipeline().Embed(context.Background(), &EmbedCall{
		Principal: w.principal,
		Request:   &provider.EmbedRequest{Model: "m", Inputs: []string{"one", "a secret"}},
	})
	if err != nil || len(got.Embeddings.Vectors) != 2 || got.Report.Target != "a" || got.Report.RequestId == "" {
		t.Fatalf("%v, %v", got, err)
	}
	if asked := w.model.asked[0].Context; asked != "one|a [X]" {
		t.Errorf("asked %q", asked)
	}
	w.settled()
	_, err = w.pipeline().Embed(context.Background(), &EmbedCall{
		Principal: w.principal,
		Request:   &provider.EmbedRequest{Model: "m", Inputs: []string{"attack"}},
	})
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED) {
		t.Errorf("%v", err)
	}
	w.settled()
}

func TestHoldIsTheWorstCase(t *testing.T) {
	w := newWorld(t)
	w.route.Collections = []string{"docs"}
	w.route.MaxOutputTokens = 900
	if _, err := w.pipeline().Generate(context.Background(), w.call(strings.Repeat("word ", 100))); err != nil {
		t.Fatal(err)
	}
	r := w.holder.requests[0]
	if len(r.Candidates) != 2 || r.RequestId != "req" || r.Ttl.AsDuration() <= time.Minute {
		t.Fatalf("hold %v", r)
	}
	if worst := r.Candidates[0].WorstCase; worst.OutputTokens != 900 || worst.InputTokens < 200 {
		t.Errorf("worst case %v", worst)
	}
}

func TestExplainAndModels(t *testing.T) {
	w := newWorld(t)
	w.route.Strategy = "weighted"
	p := w.pipeline()
	for range 3 { // explaining changes nothing
		d, err := p.Explain(context.Background(), w.call("hello"), false)
		if err != nil || len(d.Candidates) != 2 || d.Candidates[0].Target != "a" || d.Candidates[0].ExpectedCostNanousd < 5000 || d.Confidence != .5 {
			t.Errorf("%v, %v", d, err)
		}
	}
	if m := p.Models(w.principal); len(m) != 1 || m[0].Id != "m" || len(m[0].Targets) != 2 {
		t.Errorf("models %v", m)
	}
	if m := p.Models(&auth.Principal{AllowedModels: []string{"x"}}); len(m) != 0 {
		t.Errorf("models of another %v", m)
	}
	if len(w.recorder.begun)+len(w.holder.requests)+len(w.model.asked) != 0 {
		t.Error("explaining did something")
	}
}

func TestCancelledBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	w.model.err = errors.New("connection reset")
	cancel()
	_, err := w.pipeline().Generate(ctx, w.call("hello"))
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
		t.Errorf("%v", err)
	}
	w.settled()
}
