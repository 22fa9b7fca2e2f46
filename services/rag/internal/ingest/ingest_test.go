package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func small() Limits {
	return Limits{
		Bytes: 1 << 20, Depth: 8, Chunks: 1000,
		MinWords: 6, TargetWords: 20, MaxWords: 30, WholeWords: 60, OverlapWords: 8,
	}
}

func mustCut(t testing.TB, src, mediaType string, limits Limits) Result {
	t.Helper()
	r, err := Cut([]byte(src), mediaType, limits)
	if err != nil {
		t.Fatal(err)
	}
	checkSpans(t, src, mediaType, r)
	return r
}

// checkSpans holds for every document: spans lie in the source, rise, do not
// begin or end with white space, and of unmarked sources are the text.
func checkSpans(t testing.TB, src, mediaType string, r Result) {
	t.Helper()
	last := -1
	for i, c := range r.Chunks {
		if c.Start < 0 || c.End > len(src) || c.Start >= c.End || c.Start <= last {
			t.Fatalf("chunk %d spans %d to %d of %d, the one before began at %d", i, c.Start, c.End, len(src), last)
		}
		last = c.Start
		if strings.TrimSpace(c.Text) == "" || !utf8.ValidString(c.Text) {
			t.Fatalf("chunk %d has text %q", i, c.Text)
		}
		if mediaType != HTML && c.Text != src[c.Start:c.End] {
			t.Fatalf("chunk %d: text %q is not its source %q", i, c.Text, src[c.Start:c.End])
		}
	}
}

// checkCovered holds for sources without mark-up: nothing but white space
// lies outside the chunks.
func checkCovered(t testing.TB, src string, r Result) {
	t.Helper()
	at := 0
	for _, c := range r.Chunks {
		if c.Start > at && strings.TrimSpace(src[at:c.Start]) != "" {
			t.Fatalf("lost %q", src[at:c.Start])
		}
		at = max(at, c.End)
	}
	if strings.TrimSpace(src[at:]) != "" {
		t.Fatalf("lost %q at the end", src[at:])
	}
}

const guide = `---
title: "The guide"
---
# Routing

Tollgate picks a target. It looks at the rules first, then at the strategy of the route.

## Retries

A failed attempt is tried again with backoff, unless the request was sent in part already.

| setting | default |
|---------|---------|
| retries | 2       |
| backoff | 100ms   |

### Budget

` + "```yaml\nretries: 2\n\nbackoff: 100ms\n```" + `

- one item
- another item
  with a second line

# Metering

Every attempt ends in one usage record.
`

func TestMarkdownFollowsStructure(t *testing.T) {
	r := mustCut(t, guide, Markdown, small())
	if r.Title != "The guide" {
		t.Errorf("title %q", r.Title)
	}
	find := func(text string) Chunk {
		for _, c := range r.Chunks {
			if strings.Contains(c.Text, text) {
				return c
			}
		}
		t.Fatalf("no chunk holds %q", text)
		return Chunk{}
	}
	cases := []struct{ text, headings, with string }{
		{"picks a target", "Routing", "# Routing"},
		{"tried again", "Routing/Retries", "## Retries"},
		{"| setting | default |", "Routing/Retries", "| backoff | 100ms   |"},
		{"```yaml", "Routing/Retries/Budget", "backoff: 100ms\n```"},
		{"another item", "Routing/Retries/Budget", "with a second line"},
		{"usage record", "Metering", "# Metering"},
	}
	for _, tc := range cases {
		c := find(tc.text)
		if got := strings.Join(c.Headings, "/"); got != tc.headings {
			t.Errorf("%q stands under %q, want %q", tc.text, got, tc.headings)
		}
		if !strings.Contains(c.Text, tc.with) {
			t.Errorf("%q was cut from %q", tc.with, c.Text)
		}
	}
}

func TestTableStaysWholeUpToItsLimit(t *testing.T) {
	row := "| name | a value of some length here |\n"
	table := "| k | v |\n|---|---|\n" + strings.Repeat(row, 4)
	src := "# T\n\n" + strings.Repeat("Some words go before it. ", 5) + "\n\n" + table + "\nAfter.\n"
	held := false
	for _, c := range mustCut(t, src, Markdown, small()).Chunks {
		held = held || strings.Contains(c.Text, strings.TrimSpace(table))
	}
	if !held {
		t.Error("a table within the limit was cut")
	}
	big := "| k | v |\n|---|---|\n" + strings.Repeat(row, 60)
	r := mustCut(t, big, Markdown, small())
	if len(r.Chunks) < 5 {
		t.Errorf("a huge table gave %d chunks", len(r.Chunks))
	}
	for _, c := range r.Chunks {
		if !strings.HasPrefix(c.Text, "|") || !strings.HasSuffix(c.Text, "|") {
			t.Errorf("a table was cut within a row: %q", c.Text)
		}
	}
	checkCovered(t, big, r)
}

func TestLongParagraphOverlaps(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "Sentence number %d says little. ", i)
	}
	r := mustCut(t, b.String(), Text, small())
	checkCovered(t, b.String(), r)
	if len(r.Chunks) < 5 {
		t.Fatalf("%d chunks", len(r.Chunks))
	}
	for i, c := range r.Chunks {
		if n := words(c.Text); n > small().MaxWords {
			t.Errorf("chunk %d has %d words", i, n)
		}
		if !strings.HasPrefix(c.Text, "Sentence") || !strings.HasSuffix(c.Text, ".") {
			t.Errorf("chunk %d was cut in a sentence: %q", i, c.Text)
		}
		if i > 0 && c.Start >= r.Chunks[i-1].End {
			t.Errorf("chunk %d does not overlap the one before", i)
		}
	}
}

func TestHTML(t *testing.T) {
	src := `<!doctype html><html><head><title>The &amp; page</title><style>p{}</style></head><body>
<h1>Top <em>thing</em></h1><p>First para&shy;graph with a <a href="x">lin</a>k &lt;here&gt;.</p>
<script>alert("never")</script><h2>Sub</h2><ul><li>one</li><li>two</li></ul>
<table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table><pre>x = 1
  y = 2</pre></body></html>`
	r := mustCut(t, src, HTML, DefaultLimits())
	if r.Title != "The & page" {
		t.Errorf("title %q", r.Title)
	}
	all := ""
	for _, c := range r.Chunks {
		all += c.Text + "\n"
	}
	for _, want := range []string{"Top thing", "with a link <here>.", "one\n- two", "k | v\na | 1", "x = 1\n  y = 2"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %q", want, all)
		}
	}
	for _, never := range []string{"alert", "p{}", "<p>"} {
		if strings.Contains(all, never) {
			t.Errorf("%q is in %q", never, all)
		}
	}
	r = mustCut(t, src, HTML, small())
	last := r.Chunks[len(r.Chunks)-1]
	if got := strings.Join(last.Headings, "/"); got != "Top thing/Sub" {
		t.Errorf("last chunk stands under %q", got)
	}
	first := r.Chunks[0]
	if !strings.Contains(src[first.Start:first.End], "<em>thing</em>") {
		t.Errorf("span of the first chunk is %q", src[first.Start:first.End])
	}
}

func TestRefusals(t *testing.T) {
	tight := small()
	tight.Bytes, tight.Chunks = 2000, 3
	cases := []struct{ name, src, mediaType, want string }{
		{"empty", "", Text, "empty"},
		{"blank", " \n\t\n", Text, "no text"},
		{"blank page", "<html><body><script>x</script></body></html>", HTML, "no text"},
		{"large", strings.Repeat("x", 2001), Text, "2001 bytes"},
		{"not UTF-8", "ab\xffc", Text, "bad byte at 2"},
		{"binary", "ab\x00c", Text, "zero byte at 2"},
		{"deep", strings.Repeat(">", 100) + " x", Markdown, "nest deeper"},
		{"deep list", strings.Repeat("- ", 100) + " x", Markdown, "nest deeper"},
		{"many chunks", strings.Repeat("word ", 300), Text, "more than 3 chunks"},
		{"type", "x", "application/pdf", "cannot be ingested"},
	}
	for _, tc := range cases {
		_, err := Cut([]byte(tc.src), tc.mediaType, tight)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := Cut([]byte(strings.Repeat("* ", 40)+"\n\ntext\n"), Markdown, small()); err != nil {
		t.Errorf("a rule of stars: %v", err)
	}
}

func TestMediaType(t *testing.T) {
	for name, want := range map[string]string{"a.MD": Markdown, "a~b.html": HTML, "x.txt": Text, "README": Text} {
		if got := MediaType(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLongWordIsCutBetweenCharacters(t *testing.T) {
	src := strings.Repeat("é", 2000)
	r := mustCut(t, src, Text, small())
	checkCovered(t, src, r)
	for _, c := range r.Chunks {
		if words(c.Text) > small().MaxWords+1 {
			t.Errorf("a chunk of %d words", words(c.Text))
		}
	}
}

func fuzz(f *testing.F, mediaType string, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		r, err := Cut([]byte(src), mediaType, small())
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		checkSpans(t, src, mediaType, r)
		switch mediaType {
		case Text:
			checkCovered(t, strings.TrimPrefix(src, "\ufeff"), shifted(r, src))
		case Markdown:
			if begin, _ := frontMatter([]byte(src)); begin == 0 {
				checkCovered(t, src, r)
			}
		}
	})
}

// shifted moves the spans to the left by the byte order mark.
func shifted(r Result, src string) Result {
	n := bom([]byte(src))
	for i := range r.Chunks {
		r.Chunks[i].Start -= n
		r.Chunks[i].End -= n
	}
	return r
}

func FuzzMarkdown(f *testing.F) {
	fuzz(f, Markdown, guide, "# a\n\n> b\n> - c\n\n[x]: y\n", "a\n===\n\n\tcode\n\n***\n<div>\n\n1. x\n   2. y", "|a|\n|-|\n|b|\n")
}

func FuzzHTML(f *testing.F) {
	fuzz(f, HTML, "<p>a<b>b</b></p><table><tr><td>x", "<head><body>t", "<svg><title>x</svg>y", "<pre>a\nb", "<h1><p>x</h1>&amp;&#x41;")
}

func FuzzText(f *testing.F) {
	fuzz(f, Text, "One. Two! Three?\n\nFour", "\ufeffx", "a\r\n\r\nb", "東京。京都！")
}

func BenchmarkMarkdown(b *testing.B) {
	src := []byte(strings.Repeat(guide[strings.Index(guide, "# Routing"):], 50))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Cut(src, Markdown, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
