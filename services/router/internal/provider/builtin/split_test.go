package builtin

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"paragraph", "One stands here. Two follows\non the next line! Three?", []string{"One stands here.", "Two follows on the next line!", "Three?"}},
		{"abbreviations", "Use a key, e.g. one of Dr. J. Smith's. Next.", []string{"Use a key, e.g. one of Dr. J. Smith's.", "Next."}},
		{"versions and brackets", "Version 1.2 works (not 1.1. It fails). Done.", []string{"Version 1.2 works (not 1.1. It fails).", "Done."}},
		{"headings", "# Title #\nText.\n\nUnder\n=====\nMore.", []string{"Text.", "More."}},
		{"list", "Three:\n- one\n* [x] **two**\n  goes on\n3. `three`", []string{"Three:", "one", "two goes on", "`three`"}},
		{"code goes with its line", "Run:\n\n```sh\nmake\n```\nDone.", []string{"Run:", "Done."}},
		{"code alone goes", "Text.\n~~~\nx = 1. Y.\n~~~\n", []string{"Text."}},
		{"open fence", "Text.\n```\nnever closed", []string{"Text."}},
		{"table", "| A | B | C |\n|---|:-:|---|\n| 1 | 2 | – |\n\nAfter.", []string{"1 — B: 2", "After."}},
		{"quote", "> Said so.\n> And so.", []string{"Said so.", "And so."}},
		{"marks", "A [link](http://x/y_z), ![pic](p.png) a note[^1] and [2], *soft* __strong__ snake_case_name `a*b*c`.", []string{"A link, a note and, soft strong snake_case_name `a*b*c`."}},
		{"front matter and rules", "---\ntitle: x\n---\nText.\n\n***\n\n[ref]: http://x\n", []string{"Text."}},
		{"html", "<h1>T</h1><p>A &amp; <b>b</b>.</p><!-- no --><ul><li>c</ul>", []string{"A & b.", "c"}},
		{"chinese", "你好。再见。", []string{"你好。", "再见。"}},
		{"windows lines", "One.\r\n\r\nTwo.\r\n", []string{"One.", "Two."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, u := range split(0, "", tt.text) {
				got = append(got, u.text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestNear(t *testing.T) {
	for _, pair := range [][2]string{{"configur", "config"}, {"rout", "router"}} {
		if !near(pair[0], pair[1]) || !near(pair[1], pair[0]) {
			t.Errorf("%v are not near", pair)
		}
	}
	for _, pair := range [][2]string{{"rag", "rage"}, {"hold", "ledger"}, {"stat", "statistics"}} {
		if near(pair[0], pair[1]) {
			t.Errorf("%v are near", pair)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("What is a hold?", handbook[0].GetText(), handbook[1].GetText())
	f.Add("a", "|a|\n|-|\n|", "```\n")
	f.Add("<", "- \n> - [x] \n1) :", "<li></li><!--")
	f.Fuzz(func(t *testing.T, question, first, second string) {
		if !utf8.ValidString(question + first + second) {
			return // messages are valid UTF-8
		}
		text, citations := answer(asked(question, passage("a", "A", nil, first), passage("b", "B", nil, second)))
		if !utf8.ValidString(text) || text == "" {
			t.Fatalf("not a text: %q", text)
		}
		for _, c := range citations {
			if !strings.Contains(text, "["+c.GetMarker()+"]") {
				t.Fatalf("cites [%s] without a marker:\n%s", c.GetMarker(), text)
			}
		}
		if got := strings.Join(words(text), ""); got != text {
			t.Fatalf("words do not add up to the text")
		}
	})
}
