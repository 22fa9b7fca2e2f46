package pipeline

import (
	"context"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
)

// A full router turns a request away before it costs anything, and says when to
// come again; a place is given back whatever ends a request.
func TestAFullRouterShedsLoad(t *testing.T) {
	w := newWorld(t)
	w.options.Concurrency.Max = 1
	p := w.pipeline()
	if err := p.places.Acquire(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	_, err := p.Generate(context.Background(), w.call("hello"))
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OVERLOADED) || errs.From(err).RetryAfter == 0 {
		t.Fatalf("in a full router: %v", err)
	}
	if len(w.holder.requests) != 0 || len(w.recorder.begun) != 0 {
		t.Error("a request that was turned away held budget or was sent")
	}
	p.places.Release("another", concurrency.Sample{})
	if _, err := p.Generate(context.Background(), w.call("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Generate(context.Background(), w.call("an attack")); err == nil {
		t.Fatal("the attack passed")
	}
	if n := p.places.InFlight(); n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}
