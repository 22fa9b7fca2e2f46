package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"pgregory.net/rapid"
)

func mustEngine(t testing.TB, opts ...Option) *Engine {
	t.Helper()
	e, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustPolicy(t testing.TB, p policy.Policy) *policy.Compiled {
	t.Helper()
	c, err := policy.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// planted are entities that the default policy masks in answers.
var planted = []string{
	"jane.doe@example.co.uk", "o'brien+tag@sub.example.com", "4111 1111 1111 1111", "4111111111111111", "3782-822463-10005",
	"GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "BE68 5390 0754 7034", "078-05-1120", "+49 30 901820",
	"(212) 555-0182", "+1-415-555-2671x123", "sk-ant-api03-abcDEF123456ghiJKL7890mnopQRS", "AKIAIOSFODNN7EXAMPLE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nKs14IReLcYgADhoXk56ZzXI=\n-----END RSA PRIVATE KEY-----",
	"postgres://app:hunter22x@db.internal/x", "api_key = \"k3jh4w5qz34x8rm19kt7h3\"", "ｊａｎｅ@example.com", "4111\u200b1111 1111\u200d1111",
	"amFuZS5kb2VAZXhhbXBsZS5jby51aw==", "jane.doe%40example.com",
}

var filler = []string{
	"The quick brown fox", " ", "\n", ", ", ". ", "12", "2024-05-01", "3.14", "(see", "note)", "日本語のテキスト", "🎉👩‍👩‍👧", "naïve café", "-",
	"call me at ", "v1.2.3.4", "a=b&c=d", "\"quoted\"", "100 200 300 400 500 600 700 800 900", "-----BEGIN", "-----BEGIN CERTIFICATE-----", "GB82", "WEST", "привет",
	"\\n", "\u200b", "x@", "@y", "4111", "1111 1111", "%20", "eyJ", "sk-", "\xff", "{\"a\":1}",
}

func drawText(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(1, 14).Draw(t, "pieces") {
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			b.WriteString(rapid.SampledFrom(planted).Draw(t, "entity"))
		} else {
			b.WriteString(rapid.SampledFrom(filler).Draw(t, "filler"))
		}
		if rapid.Bool().Draw(t, "space") {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func streamed(e *Engine, pol *policy.Compiled, kind Kind, pieces []string) (out string, findings []Finding) {
	st := e.NewStream(pol, policy.Output, kind)
	var buf []byte
	for i, p := range pieces {
		buf = st.Push(buf, p, i == len(pieces)-1)
		findings = append(findings, st.Findings()...)
	}
	return string(buf), findings
}

// pieces cuts text at random byte positions.
func cutText(t *rapid.T, text string) []string {
	var pieces []string
	for rest := text; ; {
		n := rapid.IntRange(1, 12).Draw(t, "cut")
		if n >= len(rest) {
			return append(pieces, rest)
		}
		pieces, rest = append(pieces, rest[:n]), rest[n:]
	}
}

func sameFindings(t *rapid.T, text string, whole, stream []Finding) {
	if len(whole) != len(stream) {
		t.Fatalf("text %q: %d findings whole, %d streamed:\n%+v\n%+v", text, len(whole), len(stream), whole, stream)
	}
	for i := range whole {
		if whole[i] != stream[i] {
			t.Fatalf("text %q: finding %d: whole %+v, streamed %+v", text, i, whole[i], stream[i])
		}
	}
}

func TestStreamEqualsWhole(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		for _, kind := range []Kind{Text, JSON} {
			findings, ok := e.scan(pol, policy.Output, Part{Kind: kind, Text: text})
			if !ok {
				t.Fatalf("text %q: not scanned", text)
			}
			want := Apply(text, findings)
			got, found := streamed(e, pol, kind, cutText(t, text))
			if got != want {
				t.Fatalf("kind %d, text %q:\nwhole    %q\nstreamed %q", kind, text, want, got)
			}
			sameFindings(t, text, findings, found)
		}
	})
}

func TestStreamEverySplit(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	for _, entity := range planted {
		text := "Dear all, my phone: x. It is " + entity + " and 🎉 that is it."
		findings, _ := e.scan(pol, policy.Output, Part{Text: text})
		want := Apply(text, findings)
		if want == text {
			t.Errorf("%q is not masked at all", entity)
		}
		for i := range len(text) {
			for _, j := range []int{i, min(len(text), i+1), min(len(text), i+7)} {
				if got, _ := streamed(e, pol, Text, []string{text[:i], text[i:j], text[j:]}); got != want {
					t.Fatalf("split at %d, %d: got %q, want %q", i, j, got, want)
				}
			}
		}
		if valid := utf8.ValidString(want); !valid {
			t.Errorf("%q: torn UTF-8", want)
		}
	}
}

// Every entity masked on its own, between ordinary words.
func TestStreamHoldsNoProse(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	st := e.NewStream(pol, policy.Output, Text)
	text := "Clean prose has to flow: nobody waits for a whole sentence, much less for 2 or 3 of them. 日本語も流れる。"
	var out []byte
	for i, word := range strings.SplitAfter(text, " ") {
		out = st.Push(out, word, false)
		if held := st.Held(); held > len(word) {
			t.Errorf("after word %d (%q): %d bytes held", i, word, held)
		}
	}
	if out = st.Push(out, "", true); string(out) != text {
		t.Errorf("got %q", out)
	}
}

func TestStreamHoldIsBounded(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	for _, unit := range []string{"a", "1 ", "4111 ", "1", "\u200b", "x\u200b", "A+/9", "GB82 ", "-----BEGIN PRIVATE KEY-----\nMIIE", "eyJhb.eyJ"} {
		st := e.NewStream(pol, policy.Output, Text)
		text := strings.Repeat(unit, 200_000/len(unit))
		var out []byte
		for rest := text; rest != ""; {
			n := min(1000, len(rest))
			out = st.Push(out[:0], rest[:n], false)
			rest = rest[n:]
			if held := st.Held(); held > 24<<10 {
				t.Fatalf("%q: %d bytes held", unit, held)
			}
			if c := cap(st.raw) + cap(st.s.view.Text); c > 256<<10 {
				t.Fatalf("%q: %d bytes kept", unit, c)
			}
		}
	}
}

// A stream's memory does not grow with its pieces, its length or its findings.
func TestStreamMemoryIsBounded(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	st := e.NewStream(pol, policy.Output, Text)
	piece := strings.Repeat("word jane@example.com 日本語 ", 40_000)
	var out []byte
	for range 3 {
		out = st.Push(out[:0], piece, false)
	}
	if kept := cap(st.raw) + 9*cap(st.s.view.Text); kept > 512<<10 {
		t.Errorf("%d bytes kept after pieces of %d", kept, len(piece))
	}
	st.Findings()
	for range 3000 {
		out = st.Push(out[:0], "word jane@example.com ", false)
		st.Findings()
	}
	if n := len(st.s.findings); n > 2*maxKeptFindings {
		t.Errorf("%d findings kept", n)
	}
}

// Long texts cross every limit: pieces of segments, swallowing, compaction.
func TestStreamEqualsWholeLong(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "pieces") {
			unit := rapid.SampledFrom([]string{"a", "1 ", "4111 1111 1111 1111 ", "Aq9/", "eyJhbGci.eyJ0", "1234", "word ", "é", "\u200b"}).Draw(t, "unit")
			b.WriteString(strings.Repeat(unit, rapid.IntRange(1, 9000).Draw(t, "times")))
			b.WriteString(rapid.SampledFrom(planted).Draw(t, "entity"))
			b.WriteString(rapid.SampledFrom([]string{"", " ", "\n", "!"}).Draw(t, "after"))
		}
		text := b.String()
		findings, _ := e.scan(pol, policy.Output, Part{Text: text})
		var pieces []string
		for rest := text; ; {
			n := rapid.IntRange(1, 9000).Draw(t, "cut")
			if n >= len(rest) {
				pieces = append(pieces, rest)
				break
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got, found := streamed(e, pol, Text, pieces)
		if want := Apply(text, findings); got != want {
			t.Fatalf("streamed text differs: %d and %d bytes", len(got), len(want))
		}
		sameFindings(t, "long", findings, found)
	})
}
