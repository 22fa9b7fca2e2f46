package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// document is what a parser makes of a source.
type document struct {
	title  string
	blocks []block
}

type blockKind int

const (
	paragraph blockKind = iota
	heading
	list
	whole // a table or code: kept in one piece where it fits
)

// block is a structural element. Its units are where it may be cut; they are
// in order, do not overlap, and all text is in one of them.
type block struct {
	kind     blockKind
	headings []string
	units    []unit
}

// unit is a stretch of the source with its text. Without text the source is
// the text.
type unit struct {
	start, end int
	text       string
	marked     bool // text differs from the source
}

func (b block) words(src []byte) int {
	n := 0
	for _, u := range b.units {
		n += u.words(src)
	}
	return n
}

func (u unit) words(src []byte) int { return words(u.textOf(src)) }

func (u unit) textOf(src []byte) string {
	if u.marked {
		return u.text
	}
	return string(src[u.start:u.end])
}

// words is the size of a text; see Limits.
func words(s string) int {
	n := 0
	for range strings.FieldsSeq(s) {
		n++
	}
	return max(n, (len(s)+7)/8)
}

// sentences cuts a stretch of the source behind the end of each sentence. A
// sentence's trailing space is part of it, so that the units tile the stretch.
func sentences(src []byte, start, end int) []unit {
	var out []unit
	from := start
	for i := start; i < end; {
		r, n := utf8.DecodeRune(src[i:end])
		i += n
		if r == '。' || r == '！' || r == '？' {
			out, from = append(out, unit{start: from, end: i}), i
			continue
		}
		if r != '.' && r != '!' && r != '?' && r != '…' {
			continue
		}
		next := afterSentence(src, i, end)
		if next > i {
			out, from = append(out, unit{start: from, end: next}), next
			i = next
		}
	}
	if from < end {
		out = append(out, unit{start: from, end: end})
	}
	return out
}

// afterSentence is where the next sentence starts if one ends at i, else i.
func afterSentence(src []byte, i, end int) int {
	j := i
	for j < end && strings.IndexByte(`"')]*_`, src[j]) >= 0 {
		j++
	}
	space := j
	for space < end && isSpace(src[space]) {
		space++
	}
	if space == j || space == end {
		return i
	}
	if r, _ := utf8.DecodeRune(src[space:end]); unicode.IsLower(r) {
		return i
	}
	return space
}

// lines cuts a stretch of the source behind each line break.
func lines(src []byte, start, end int) []unit {
	var out []unit
	from := start
	for i := start; i < end; i++ {
		if src[i] == '\n' {
			out, from = append(out, unit{start: from, end: i + 1}), i+1
		}
	}
	if from < end {
		out = append(out, unit{start: from, end: end})
	}
	return out
}

func isSpace(b byte) bool {
	return b == ' ' || b == '\n' || b == '\t' || b == '\r' || b == '\f' || b == '\v'
}

// trim narrows a stretch to what is not white space.
func trim(src []byte, start, end int) (int, int) {
	for start < end && isSpace(src[start]) {
		start++
	}
	for end > start && isSpace(src[end-1]) {
		end--
	}
	return start, end
}
