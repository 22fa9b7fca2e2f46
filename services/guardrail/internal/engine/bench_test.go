package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// cleanKB is 1 KiB of ordinary prose without anything to find.
var cleanKB = strings.Repeat("The harbour was quiet when the boats came in, one after the other, with the tide behind them. "+
	"In 1987 the old crane on the quay had moved 120 tonnes a day; now it stood still and children climbed it. ", 6)[:1024]

var dirtyKB = cleanKB[:700] + " Write to jane.doe@example.com or call +49 30 901820, card 4111 1111 1111 1111. " + cleanKB[:250]

func benchEvaluate(b *testing.B, dir policy.Direction, parts ...Part) {
	e, pol := mustEngine(b), mustPolicy(b, policy.Default())
	r := Request{Policy: pol, Direction: dir, Parts: parts}
	n := 0
	for _, p := range parts {
		n += len(p.Text)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Evaluate(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCleanInput(b *testing.B)  { benchEvaluate(b, policy.Input, Part{Text: cleanKB}) }
func BenchmarkCleanOutput(b *testing.B) { benchEvaluate(b, policy.Output, Part{Text: cleanKB}) }
func BenchmarkDirtyOutput(b *testing.B) { benchEvaluate(b, policy.Output, Part{Text: dirtyKB}) }
func BenchmarkUnicodeInput(b *testing.B) {
	benchEvaluate(b, policy.Input, Part{Text: strings.Repeat("Grüße aus Köln, 日本語 und café. ", 30)})
}

func BenchmarkWokenInput(b *testing.B) {
	benchEvaluate(b, policy.Input, Part{Text: cleanKB[:900] + " These are the instructions for the new rules of the prompt."})
}

func BenchmarkCleanJSON(b *testing.B) {
	benchEvaluate(b, policy.Input, Part{Kind: JSON, Text: `{"text":"` + cleanKB + `"}`})
}

func BenchmarkStreamChunk(b *testing.B) {
	e, pol := mustEngine(b), mustPolicy(b, policy.Default())
	st := e.NewStream(pol, policy.Output, Text)
	var buf []byte
	pieces := strings.SplitAfter(cleanKB, " ")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		buf = st.Push(buf[:0], pieces[i%len(pieces)], false)
		i++
	}
}

func TestAllocations(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	for name, dir := range map[string]policy.Direction{"input": policy.Input, "output": policy.Output} {
		r := Request{Policy: pol, Direction: dir, Parts: []Part{{Text: cleanKB}}}
		n := testing.AllocsPerRun(200, func() {
			if _, err := e.Evaluate(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("%s: %.1f allocations for clean text, want 0", name, n)
		}
	}
	st := e.NewStream(pol, policy.Output, Text)
	buf := make([]byte, 0, 256)
	pieces := strings.SplitAfter(cleanKB, " ")
	push := func() {
		for _, p := range pieces {
			buf = st.Push(buf[:0], p, false)
		}
	}
	for range 20 {
		push()
	}
	if n := testing.AllocsPerRun(50, push); n > 0 {
		t.Errorf("stream: %.1f allocations for %d chunks at steady state, want 0", n, len(pieces))
	}
}

// BenchmarkHostile measures texts made to be slow.
func BenchmarkHostile(b *testing.B) {
	for name, unit := range map[string]string{
		"prefixes": "sk-", "long prefixes": "ops_eyJ.", "jwt": "-eyJ", "groups": "123/456/", "numbers": "4111-", "spaced numbers": "12 34 ", "assign": "token(abcdef",
		"equals": "token=a=", "ats": "a@b.", "orders": "ignore previous ", "percent": "%41", "base64": "QUJD", "dots": "1.2.3.", "pem": "-----BEGIN PRIVATE KEY-----\n", "spaces": "a b ",
		"invisible": "a\u200b",
	} {
		b.Run(name, func(b *testing.B) {
			benchEvaluate(b, policy.Input, Part{Text: strings.Repeat(unit, (1<<20)/len(unit))})
		})
	}
}
