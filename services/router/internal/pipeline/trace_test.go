package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// traced runs f below a recorded span and returns the spans by name.
func traced(t *testing.T, f func(context.Context)) map[string][]sdktrace.ReadOnlySpan {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, root := provider.Tracer("test").Start(context.Background(), "root")
	f(ctx)
	root.End()
	spans := map[string][]sdktrace.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		spans[s.Name()] = append(spans[s.Name()], s)
	}
	if started, ended := len(recorder.Started()), len(recorder.Ended()); started != ended {
		t.Errorf("%d spans began, %d ended", started, ended)
	}
	return spans
}

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

func TestTraceShowsEveryStage(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		w := newWorld(t)
		w.enricher.text, w.route.Collections = "context", []string{"docs"}
		w.model.err = errs.New(down, "")
		spans := traced(t, func(ctx context.Context) {
			var err error
			if streamed {
				err = w.pipeline().Stream(ctx, w.call("prompt"), &client{t: t, recorder: w.recorder})
			} else {
				_, err = w.pipeline().Generate(ctx, w.call("prompt"))
			}
			if err != nil {
				t.Error(err)
			}
		})
		for name, n := range map[string]int{
			"router.hold": 1, "router.guard_input": 1, "router.enrich": 1, "router.route": 1, "router.attempt": 2,
			"chat m": 2, "router.guard_output": 1, "router.settle": 1,
		} {
			if len(spans[name]) != n {
				t.Fatalf("streamed %v: %d spans %s, want %d", streamed, len(spans[name]), name, n)
			}
		}
		chat := spans["chat m"][1]
		got := attributes(chat)
		for key, want := range map[string]string{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
			"gen_ai.response.model": "m-1", "gen_ai.usage.input_tokens": "11", "gen_ai.usage.output_tokens": "7",
			"gen_ai.response.finish_reasons": `["stop"]`, "tollgate.usage_source": "provider",
		} {
			if got[key] != want {
				t.Errorf("streamed %v: %s is %q, want %q", streamed, key, got[key], want)
			}
		}
		if chat.SpanKind() != trace.SpanKindClient || chat.Parent().SpanID() != spans["router.attempt"][1].SpanContext().SpanID() {
			t.Error("the call is no client span below its attempt")
		}
		if failed := spans["router.attempt"][0]; failed.Status().Code != codes.Error || attributes(failed)["error.type"] != "PROVIDER_UNAVAILABLE" {
			t.Errorf("the failed attempt: %v", failed.Status())
		}
		if got := attributes(spans["router.route"][0]); got["tollgate.route.chosen"] != "a" || got["tollgate.route.strategy"] != "priority" ||
			got["tollgate.route.candidates"] != "2" || got["tollgate.route.reason"] == "" {
			t.Errorf("the decision: %v", got)
		}
		if got := attributes(spans["router.settle"][0])["tollgate.cost_nanousd"]; got != "180" {
			t.Errorf("cost %s", got)
		}
		if r := w.recorder.final[1]; r.TraceId != chat.SpanContext().TraceID().String() {
			t.Errorf("the record's trace is %s", r.TraceId)
		}
	}
}

func TestTraceHoldsNoContent(t *testing.T) {
	w := newWorld(t)
	w.enricher.text, w.route.Collections = "CONFIDENTIAL passage", []string{"docs"}
	w.model.text = "CONFIDENTIAL answer"
	for name, list := range traced(t, func(ctx context.Context) {
		_, _ = w.pipeline().Generate(ctx, w.call("CONFIDENTIAL prompt"))
	}) {
		for _, s := range list {
			all := slices.Clone(s.Attributes())
			for _, e := range s.Events() {
				all = append(all, e.Attributes...)
				all = append(all, attribute.String("event", e.Name))
			}
			for _, a := range all {
				if strings.Contains(a.Value.String(), "CONFIDENTIAL") {
					t.Errorf("span %s holds content in %s", name, a.Key)
				}
			}
		}
	}
}

func TestCancellationIsNoFailureInTraces(t *testing.T) {
	w := newWorld(t)
	w.model.text = "one two three four"
	spans := traced(t, func(ctx context.Context) {
		c := &client{t: t, recorder: w.recorder, goneAt: 2}
		if err := w.pipeline().Stream(ctx, w.call("x"), c); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
			t.Error(err)
		}
	})
	for name, list := range spans {
		if list[0].Status().Code == codes.Error {
			t.Errorf("span %s is marked failed", name)
		}
	}
}
