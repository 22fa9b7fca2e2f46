package pattern

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// naive says where literals end, by looking for each at each place.
func naive(literals []Literal, text string) []Groups {
	read := func(s string) string {
		b := []byte(s)
		for i := range b {
			b[i] = Reads(b[i])
		}
		return string(b)
	}
	text = read(text)
	out := make([]Groups, len(text))
	for _, l := range literals {
		for i := range text {
			if strings.HasSuffix(text[:i+1], read(l.Text)) {
				out[i] |= l.Groups
			}
		}
	}
	return out
}

func TestAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	letters := []byte("abcl1-")
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	for range 300 {
		var literals []Literal
		for i := range 1 + rng.IntN(6) {
			literals = append(literals, Literal{random(1 + rng.IntN(4)), 1 << (i % 4)})
		}
		a, ok := New(literals)
		if !ok {
			t.Fatal("refused")
		}
		text := random(40)
		var s State
		for i, want := range naive(literals, text) {
			s = a.Step(s, text[i])
			if got := a.Out(s); got != want {
				t.Fatalf("literals %v, text %q, at %d: %b, want %b", literals, text, i, got, want)
			}
		}
	}
}

func TestReadsLeet(t *testing.T) {
	a, _ := New([]Literal{{"instructions", 1}})
	for _, text := range []string{"instructions", "INSTRUCTIONS", "1n57ruct10n5", "!nstruct!0ns"} {
		var s State
		var got Groups
		for i := range len(text) {
			s = a.Step(s, text[i])
			got |= a.Out(s)
		}
		if got != 1 {
			t.Errorf("%q is not seen", text)
		}
	}
}

func TestTooManyStates(t *testing.T) {
	if _, ok := New([]Literal{{strings.Repeat("ab", 1<<15), 1}}); ok {
		t.Error("65,536 states were accepted")
	}
}

func BenchmarkStep(b *testing.B) {
	a, _ := New([]Literal{{"instructions", 1}, {"ghp_", 2}, {"password", 4}})
	text := strings.Repeat("ordinary text ", 73)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var s State
		for i := range len(text) {
			s = a.Step(s, text[i])
		}
	}
}
