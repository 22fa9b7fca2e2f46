package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// sixty is an answer of sixty words.
var sixty = strings.TrimSpace(strings.Repeat("one two three ", 20))

// cutAfter has the first target break off after n words of an answer.
func cutAfter(w *world, n int) {
	words := strings.SplitAfter(sixty, " ")
	w.model.chunks = []*stream.Chunk{events(stream.Event{Kind: stream.Start, ID: "id", Model: "m-1"})}
	for _, word := range words[:n] {
		w.model.chunks = append(w.model.chunks, say(word))
	}
	w.model.cut = errs.New(down, "")
}

func TestAStreamCutInTheMiddleGoesOn(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		w := newWorld(t)
		w.checker.output = guarded
		cutAfter(w, 40)
		w.second.text = sixty
		c, err := streamed(w)
		if err != nil || c.text != sixty || c.finished.GetRecoveries() != 1 || c.finished.GetAttempts() != 2 || c.finished.GetTarget() != "b" {
			t.Fatalf("guarded %v: %d words of %d, %v, %v", guarded, len(strings.Fields(c.text)), 60, c.finished, err)
		}
		if n := len(slices.DeleteFunc(slices.Clone(c.log), func(s string) bool { return s != "start" && s != "finish" && s != "usage" })); n != 3 {
			t.Errorf("the client sees %v", c.log)
		}
		if got := strings.Join(texts(w.scanner.deltas), ""); guarded && got != sixty {
			t.Errorf("the guardrail saw %q", got)
		}
		checkRecoveredBooks(t, w)
	}
}

func texts(deltas []Delta) (out []string) {
	for _, d := range deltas {
		out = append(out, d.Text)
	}
	return out
}

// Both attempts have their row: the first is no completion, and both are paid.
func checkRecoveredBooks(t *testing.T, w *world) {
	t.Helper()
	if len(w.recorder.final) != 2 {
		t.Fatalf("%d rows", len(w.recorder.final))
	}
	first, second := w.recorder.final[0], w.recorder.final[1]
	if first.Outcome != billingv1.Outcome_OUTCOME_FAILED || first.Usage.GetOutputTokens() == 0 || first.Metadata["tollgate.role"] != "" {
		t.Errorf("the attempt that broke off: %v", first)
	}
	if second.Outcome != billingv1.Outcome_OUTCOME_SUCCEEDED || second.Metadata["tollgate.role"] != "recovery" || second.Usage.GetOutputTokens() != 7 {
		t.Errorf("the attempt that went on: %v", second)
	}
}

// What the guardrail holds back at the break comes out as what it is.
func TestAMaskAcrossTheSeam(t *testing.T) {
	w := newWorld(t)
	w.model.chunks = []*stream.Chunk{say("the sec")}
	w.model.cut = errs.New(down, "")
	w.second.text = "the secret is out"
	if c, err := streamed(w); err != nil || c.text != "the [X] is out" {
		t.Errorf("%q, %v", c.text, err)
	}
}

// Where the texts part, somebody who can be given a beginning goes on from it.
func TestPrefillWhereTheTextsPart(t *testing.T) {
	prefills := func(name string) func(*target.Target) {
		return func(t *target.Target) {
			if t.Name != name {
				t.Lacks |= capability.Prefill
			}
		}
	}
	for _, target := range []string{"a", "b"} {
		w := newWorld(t)
		w.shape = prefills(target)
		w.route.Defaults.Temperature = new(float64)
		w.model.chunks = []*stream.Chunk{say("The answer is ")}
		w.model.cut = errs.New(down, "")
		w.second.text = "An other answer"
		asked := &w.second.asked
		if target == "b" {
			w.second.onAsk = func(m *model, r *provider.Request) { m.goOn(r, " forty-two.") }
		} else {
			w.model.onAsk = func(m *model, r *provider.Request) { m.goOn(r, " forty-two.") }
			asked = &w.model.asked
		}
		c, err := streamed(w)
		if err != nil || c.text != "The answer is forty-two." || c.finished.GetRecoveries() != 1 || c.finished.GetAttempts() != 3 {
			t.Fatalf("%s: %q, %v, %v", target, c.text, c.finished, err)
		}
		request := (*asked)[len(*asked)-1]
		messages := request.Conversation.GetMessages()
		last := messages[len(messages)-1]
		if last.GetRole() != llmv1.Role_ROLE_ASSISTANT || last.GetParts()[0].GetText().GetText() != "The answer is" || request.Native != nil {
			t.Errorf("%s was asked %v", target, request)
		}
		if n := len(w.call("hello").Conversation.GetMessages()); len(messages) != n+1 {
			t.Errorf("%d messages of %d", len(messages), n)
		}
		if r := w.recorder.final[1]; r.Outcome != billingv1.Outcome_OUTCOME_CANCELLED || r.Usage.GetOutputTokens() == 0 {
			t.Errorf("the attempt whose text differs: %v", r)
		}
	}
}

func TestNobodyGoesOn(t *testing.T) {
	interrupted := llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	for name, arm := range map[string]func(*world){
		"another answer": func(w *world) { w.second.text = "An other answer" },
		"a shorter one":  func(w *world) { w.second.text = "one two" },
		"none":           func(w *world) { w.second.err = errs.New(down, "") },
		"not wanted":     func(w *world) { w.route.Recovery.Mode = "off"; w.second.text = sixty },
		"nobody else, who was silent": func(w *world) {
			w.model.cut = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "")
			w.route.Targets = w.route.Targets[:1]
		},
	} {
		w := newWorld(t)
		w.shape = func(t *target.Target) { t.Lacks |= capability.Prefill }
		w.route.Targets = append([]route.Ref(nil), w.route.Targets...)
		cutAfter(w, 40)
		arm(w)
		c, err := streamed(w)
		if !errs.Is(err, interrupted) || c.failure.GetReason() != interrupted || c.finished != nil {
			t.Errorf("%s: %v, in band %v", name, err, c.failure)
		}
		if !strings.HasPrefix(sixty, c.text) || len(c.text) == 0 {
			t.Errorf("%s: the client was given %q", name, c.text)
		}
	}
}

// A trace shows that an answer was recovered, by whom and how, and no word of it.
func TestTraceShowsARecovery(t *testing.T) {
	w := newWorld(t)
	cutAfter(w, 40)
	w.second.text = sixty
	spans := traced(t, func(ctx context.Context) {
		if err := w.pipeline().Stream(ctx, w.call("prompt"), &client{t: t, recorder: w.recorder}); err != nil {
			t.Error(err)
		}
	})
	events := spans["root"][0].Events()
	i := slices.IndexFunc(events, func(e sdktrace.Event) bool { return e.Name == "stream recovered" })
	if i < 0 {
		t.Fatalf("events %v", events)
	}
	got := map[string]string{}
	for _, a := range events[i].Attributes {
		got[string(a.Key)] = a.Value.String()
	}
	if len(got) != 2 || got["tollgate.target"] != "b" || got["tollgate.recovery"] != "replay" {
		t.Errorf("the recovery: %v", got)
	}
	attempts := spans["router.attempt"]
	if len(attempts) != 2 || attributes(attempts[1])["tollgate.role"] != "recovery" || attributes(attempts[0])["error.type"] != "STREAM_INTERRUPTED" {
		t.Errorf("the attempts: %v", attempts)
	}
}
