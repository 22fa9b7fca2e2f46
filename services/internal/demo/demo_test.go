package demo

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestDemo plays the demo: everything that it shows must hold, and nothing may
// be left running.
func TestDemo(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	var out strings.Builder
	if err := Run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"[1]", "email=1", "router.guard_input", "injection", "attempt 3 on builtin", "Everything held"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colours are written to what is no terminal")
	}
	goleak.VerifyNone(t, leaks)
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		offset, took, total time.Duration
		want                string
	}{
		{0, 10, 10, "██████████"},
		{5, 5, 10, "·····█████"},
		{9, 1, 10, "·········█"},
		{10, 5, 10, "·········█"}, // ended after its root
		{0, 0, 10, "█·········"},  // too short to see
		{0, 0, 0, "          "},
	} {
		if got := bar(c.offset, c.took, c.total, 10); got != c.want {
			t.Errorf("bar(%d, %d, %d) = %q, want %q", c.offset, c.took, c.total, got, c.want)
		}
	}
}
