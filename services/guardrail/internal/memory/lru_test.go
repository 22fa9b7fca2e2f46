package memory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

func TestMemoryIsBoundedAndUsed(t *testing.T) {
	m := New(64)
	e, err := engine.New(engine.WithMemory(m))
	if err != nil {
		t.Fatal(err)
	}
	pol, err := policy.Compile(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(i int) engine.Verdict {
		text := fmt.Sprintf("%s user%d@example.com", strings.Repeat("words ", 50), i)
		v, err := e.Evaluate(t.Context(), engine.Request{Tenant: "t", Policy: pol, Parts: []engine.Part{{Text: text}}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i := range 1000 {
		ask(i)
		first, again := ask(i), ask(i)
		if len(first.Findings) != 1 || first.Masked[0] != again.Masked[0] || strings.Contains(again.Masked[0], "@") {
			t.Fatalf("text %d: %+v, then %+v", i, first, again)
		}
	}
	if n := m.Len(); n > 64 || n < 16 {
		t.Errorf("%d entries, want at most 64", n)
	}
}

func BenchmarkRemembered(b *testing.B) {
	e, err := engine.New(engine.WithMemory(New(1000)))
	if err != nil {
		b.Fatal(err)
	}
	pol, err := policy.Compile(policy.Default())
	if err != nil {
		b.Fatal(err)
	}
	r := engine.Request{Tenant: "t", Policy: pol, Parts: []engine.Part{{Text: strings.Repeat("history ", 512)}}}
	b.SetBytes(int64(len(r.Parts[0].Text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Evaluate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
