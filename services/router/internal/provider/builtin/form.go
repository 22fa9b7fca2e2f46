package builtin

import (
	"slices"
	"strings"
	"unicode"
)

// form is how well a unit reads on its own and suits the kind of question. The
// passages come best first, and a section says first what it is about.
func (x *index) form(u *scored) float64 {
	f := 1 + 0.2/float64(1+u.passage) + 0.15/float64(1+u.place)
	words := len(strings.Fields(u.text))
	switch {
	case words < 5 && u.code == "":
		f *= 0.6
	case words > 70:
		f *= 0.5
	case words > 45:
		f *= 0.8
	}
	switch {
	case u.kind == sentence && !complete(u.text):
		f *= 0.55
	case u.kind == row:
		f *= 0.85
	case strings.HasSuffix(u.text, "?"):
		f *= 0.4
	case strings.HasSuffix(u.text, ":") && u.code == "" && len(x.itemsOf(u)) == 0:
		f *= 0.3 // it introduces what would not be quoted
	}
	if dangling(u.text) {
		f *= 0.85
	}
	if x.q.defines && x.defines(*u) {
		f *= 1.5
	}
	switch code := codeShare(u); {
	case x.q.does && code > 0:
		f *= 1.25
	case !x.q.does && code > 0.4:
		f *= 0.45
	}
	if x.q.counts && strings.IndexFunc(u.text, unicode.IsDigit) >= 0 {
		f *= 1.25
	}
	return f
}

// codeShare is how much of a unit is code, from 0 to 1.
func codeShare(u *scored) float64 {
	if u.code != "" {
		return 1
	}
	n := 0
	for i, part := range strings.Split(u.text, "`") {
		if i%2 == 1 {
			n += len(part)
		}
	}
	return float64(n) / float64(max(1, len(u.text)))
}

// defines says whether a unit begins with the thing asked for and says what it
// is, or says that something is called so.
func (x *index) defines(u scored) bool {
	words := slices.DeleteFunc(rawWords(u.text), func(w string) bool { return w == "a" || w == "an" || w == "the" })
	asked := func(i int) bool { return i < len(words) && x.q.weight[term(words[i])] >= weightQuestion }
	for i, w := range words {
		switch w {
		case "called", "named":
			if asked(i + 1) {
				return true
			}
		case "is", "are", "means", "holds", "keeps", "owns":
			if i > 0 && i < 4 && asked(0) {
				return true
			}
		}
	}
	return false
}

// openers begin a sentence that leans on the one before.
var openers = set(`it its they them their this that these those he she however therefore thus hence so then
	otherwise instead also but and or such there both afterwards`)

func dangling(text string) bool {
	words := rawWords(text)
	return len(words) > 0 && openers[words[0]]
}
