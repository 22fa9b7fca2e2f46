package segment

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
	"pgregory.net/rapid"
)

// collector notes the segments that it gets.
type collector struct {
	buf []byte
	got []string
}

func (c *collector) Segment(s Segment) (int, bool) {
	c.got = append(c.got, string(c.buf[s.Start:s.End]))
	return s.Keep, false
}

func (c *collector) Extend(int) {}

func automaton(t interface{ Fatal(...any) }) *pattern.Automaton {
	a, ok := pattern.New([]pattern.Literal{{Text: "key", Groups: 1}})
	if !ok {
		t.Fatal("no automaton")
	}
	return a
}

func split(a *pattern.Automaton, text string, cuts ...int) []string {
	c := &collector{buf: []byte(text)}
	var s Splitter
	s.Reset()
	for _, cut := range cuts {
		s.Run(a, c.buf[:cut], nil, c)
	}
	s.Run(a, c.buf, nil, c)
	s.Finish(c)
	return c.got
}

func TestSegments(t *testing.T) {
	a := automaton(t)
	for text, want := range map[string][]string{
		"one two":                         {"one", "two"},
		"card 4111 1111 1111 1111 now":    {"card", "4111 1111 1111 1111", "now"},
		"(555) 123-4567":                  {"(555) 123-4567"},
		"+49 30 901820, ok":               {"+49 30 901820", "ok"},
		"GB82 WEST 1234 5698 7654 32 and": {"GB82 WEST 1234 5698 7654 32", "and"},
		"GB82 is here":                    {"GB82 is", "here"},
		"4111  1111   1111":               {"4111  1111", "1111"},
		"a\\n4111":                        {"a", "4111"},
		"C:\\temp\\new":                   {"C:", "emp", "ew"},
		"日本語a日":                           {"a"},
		"Grüße Köln":                      {"Grüße", "Köln"},
		"{\"a\":\"b\"}":                   {"a", ":", "b"},
		"-----BEGIN CERTIFICATE----- x":   {"-----BEGIN", "CERTIFICATE-----", "x"},
		"k:\n-----BEGIN PRIVATE KEY-----\nMIIE+/=\n-----END PRIVATE KEY-----\nbye": {"k:", "-----BEGIN PRIVATE KEY-----\nMIIE+/=\n-----END PRIVATE KEY-----", "bye"},
		"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----":           {"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"},
		"-----BEGIN PRIVATE KEY-----\nMIIE\nAnd so on":                             {"-----BEGIN PRIVATE KEY-----\nMIIE\n", "And", "so", "on"},
	} {
		if got := split(a, text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSegmentsDoNotDependOnChunks(t *testing.T) {
	a := automaton(t)
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
			"word", " ", "12", "4111", "GB82", "WEST", "-", "(", ")", "\n", "é", "日", "-----BEGIN", " PRIVATE KEY-----", "\nMIIE", "-----END", ".", "\\n", "key",
			strings.Repeat("12 ", 60), strings.Repeat("x", 20_000),
		}), 1, 12).Draw(t, "pieces")
		text := strings.Join(pieces, "")
		want := split(a, text)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), 0, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		if got := split(a, text, cuts...); !slices.Equal(got, want) {
			t.Fatalf("cuts %v of %.200q: %.300q, want %.300q", cuts, text, got, want)
		}
	})
}

func TestSegmentsAreBounded(t *testing.T) {
	a := automaton(t)
	for _, text := range []string{strings.Repeat("x", 100_000), strings.Repeat("12 ", 30_000), strings.Repeat("GB82 ", 10_000)} {
		for _, got := range split(a, text) {
			if len(got) > MaxLen+1 {
				t.Fatalf("a segment of %d bytes", len(got))
			}
		}
	}
}
