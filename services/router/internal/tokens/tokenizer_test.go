package tokens

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

const prose = "The gateway holds budget for each request before it asks a provider. " // 13 tokens of o200k_base

func TestTokenizerOf(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4o": O200K, "openai/gpt-5.2": O200K, "o3-mini": O200K, "gpt-4.1": O200K, "gpt-4": CL100K, "gpt-4-turbo": CL100K, "gpt-4-0613": CL100K,
		"gpt-3.5-turbo": CL100K, "gpt-35-turbo": CL100K, "text-embedding-3-small": CL100K,
		"claude-sonnet-4-5": ByteClasses, "gemini-2.5-pro": ByteClasses, "nobody's": ByteClasses, "": ByteClasses,
	} {
		if got := Tokenizer(model); got != want {
			t.Errorf("%s is counted by %s, want %s", model, got, want)
		}
	}
}

// The counts are tiktoken's own.
func TestCountTexts(t *testing.T) {
	for _, c := range []struct {
		tokenizer, text string
		want            int64
		name            string
	}{
		{O200K, "", 0, O200K},
		{O200K, "hello world", 2, O200K},
		{CL100K, "hello world", 2, CL100K},
		{O200K, strings.Repeat(prose, 10), 131, O200K},
		{O200K, "<|endoftext|>", 7, O200K}, // words of the user's, not a mark of ours
		{ByteClasses, "hello world", 3, ByteClasses},
		{"", "hello world", 3, ByteClasses},
		{"no-such", "hello world", 3, ByteClasses},
	} {
		got := CountTexts(c.tokenizer, "gpt-4o", Brief, c.text)
		if got.Tokens != c.want || got.Tokenizer != c.name {
			t.Errorf("%s on %.20q: %+v, want %d by %s", c.tokenizer, c.text, got, c.want, c.name)
		}
	}
}

// A text is cut for the tokenizer at word boundaries, so that little is lost;
// one that is too long is sampled, and stays near the truth.
func TestLongTexts(t *testing.T) {
	for _, repeats := range []int{100, 200, 900, 20_000} {
		got := CountTexts(O200K, "gpt-4o", Brief, strings.Repeat(prose, repeats))
		want := int64(13 * repeats)
		if got.Tokens < want*98/100 || got.Tokens > want*102/100 {
			t.Errorf("%d repeats: %d tokens, want about %d", repeats, got.Tokens, want)
		}
		if sampled := strings.HasSuffix(got.Tokenizer, ", sampled"); sampled != (repeats*len(prose) > Brief) {
			t.Errorf("%d repeats: counted by %s", repeats, got.Tokenizer)
		}
	}
	// What stands behind a text that used up the bound is estimated by it.
	got := CountTexts(O200K, "gpt-4o", Brief, strings.Repeat(prose, 20_000), strings.Repeat(prose, 20_000))
	if want := int64(13 * 40_000); got.Tokens < want*97/100 || got.Tokens > want*103/100 {
		t.Errorf("two long texts: %d tokens, want about %d", got.Tokens, want)
	}
}

// No text may make the tokenizer work for long.
func TestWorkIsBounded(t *testing.T) {
	CountTexts(O200K, "gpt-4o", Brief, "x") // reads the vocabulary
	for name, text := range map[string]string{
		"one letter":      strings.Repeat("a", 4<<20),
		"spaces":          strings.Repeat(" ", 4<<20),
		"digits":          strings.Repeat("7", 4<<20),
		"emoji":           strings.Repeat("🦊", 1<<20),
		"broken UTF-8":    strings.Repeat("\xff\xfe", 2<<20),
		"continuations":   strings.Repeat("\x80", 4<<20),
		"no word ends":    strings.Repeat("déjàvu", 600_000),
		"newlines":        strings.Repeat("\n", 4<<20),
		"many short ones": strings.Repeat("a b ", 1<<20),
	} {
		start := time.Now()
		got := CountTexts(O200K, "gpt-4o", Brief, text)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if got.Tokens <= 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCountAddsFraming(t *testing.T) {
	c := &llmv1.Conversation{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: "hello world"}}},
		{Content: &llmv1.Part_Image{Image: &llmv1.Image{Detail: "low"}}},
	}}}}
	if got := Count(O200K, "gpt-4o", Brief, c, ""); got.Tokens != replyTokens+messageTokens+2+imageLowTokens || got.Tokenizer != O200K {
		t.Errorf("counted %+v", got)
	}
	if got := Count(O200K, "gpt-4o", Brief, c, "hello world"); got.Tokens != replyTokens+messageTokens+4+imageLowTokens {
		t.Errorf("with a context: %+v", got)
	}
	if got := CountMessages(O200K, "gpt-4o", Brief, c.GetMessages()); got.Tokens != 2+imageLowTokens {
		t.Errorf("counted %+v", got)
	}
}

func TestWritten(t *testing.T) {
	for _, repeats := range []int{0, 1, 50, 5000} {
		w := NewWritten(O200K, "gpt-4o")
		for range repeats {
			w.AddString(prose[:10])
			w.Add([]byte(prose[10:]))
		}
		got, want := w.Count(), int64(13*repeats)
		if got.Tokens < want*98/100 || got.Tokens > want*102/100+1 {
			t.Errorf("%d repeats: %+v, want about %d", repeats, got, want)
		}
		plain := NewCounter("gpt-4o")
		plain.AddString(strings.Repeat(prose, repeats))
		if w.Tokens() != plain.Tokens() {
			t.Errorf("%d repeats: the estimate is %d, want %d", repeats, w.Tokens(), plain.Tokens())
		}
		w.Release()
		w.Release() // a second time does nothing
	}
	w := NewWritten(ByteClasses, "claude-x")
	w.AddString(prose)
	if got := w.Count(); got.Tokenizer != ByteClasses || got.Tokens == 0 || w.kept != nil {
		t.Errorf("without a tokenizer: %+v", got)
	}
	var zero Written
	zero.Add([]byte("x"))
	if got := zero.Count(); got.Tokens != 0 {
		t.Errorf("the zero value counts %+v", got)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	w := NewWritten(O200K, "gpt-4o")
	piece := []byte("a piece")
	w.Add(piece)
	if n := testing.AllocsPerRun(1000, func() { w.Add(piece) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzWindow(f *testing.F) {
	f.Add(strings.Repeat("é", 3000))
	f.Add(strings.Repeat("a ", 3000))
	f.Add(strings.Repeat("\x80", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		for rest := text; rest != ""; {
			n := window(rest)
			if n <= 0 || n > len(rest) || n > windowBytes {
				t.Fatalf("a window of %d of %d", n, len(rest))
			}
			if utf8.ValidString(text) && !utf8.ValidString(rest[:n]) {
				t.Fatal("a character is torn")
			}
			rest = rest[n:]
		}
	})
}

func benchmarkCount(b *testing.B, size int) {
	text := strings.Repeat(prose, size/len(prose)+1)[:size]
	CountTexts(O200K, "gpt-4o", Brief, text)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		CountTexts(O200K, "gpt-4o", Brief, text)
	}
}

func BenchmarkCount1K(b *testing.B)  { benchmarkCount(b, 1<<10) }
func BenchmarkCount64K(b *testing.B) { benchmarkCount(b, 64<<10) }
func BenchmarkCount1M(b *testing.B)  { benchmarkCount(b, 1<<20) }

func BenchmarkEstimate64K(b *testing.B) {
	text := strings.Repeat(prose, 1000)[:64<<10]
	b.SetBytes(64 << 10)
	for b.Loop() {
		Text("gpt-4o", text)
	}
}

func BenchmarkVocabulary(b *testing.B) {
	start := time.Now()
	codec(O200K)
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-first")
	for b.Loop() {
		codec(O200K)
	}
}
