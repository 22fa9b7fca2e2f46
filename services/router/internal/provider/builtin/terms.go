package builtin

import (
	"strings"
	"unicode"

	"github.com/kljensen/snowball/english"
)

// soft words say little about what a question is about, but more than nothing.
var soft = stems(`make use work handle happen get keep need take give go let stop prevent ensure allow
	support thing way kind add set find type different good best exactly actually please about`)

// stop words say nothing at all. Question words are among them.
var stopWords = set(`a an the and or but if of to in on at by for with from as into onto than then so is are was
	were be been being am it its this that these those there here he she they them we us our you your i me my mine
	what which who whom whose when where why how do does did doing done has have had having can could should would
	will shall may might must not no nor any all some each both more most other such only own same too very just
	tell explain describe show say know want like hello hi hey thanks thank s t re ve ll d m mean question answer
	being also per via e.g i.e etc`)

// irregular forms that stemming does not bring together.
var irregular = map[string]string{
	"held": "hold", "kept": "keep", "sent": "send", "written": "write", "wrote": "write", "ran": "run",
	"overshot": "overshoot", "lost": "lose", "chosen": "choose", "chose": "choose", "built": "build",
	"paid": "pay", "spent": "spend", "found": "find", "broken": "break", "broke": "break", "fell": "fall",
	"fallen": "fall", "began": "begin", "begun": "begin", "costs": "cost", "caught": "catch", "hidden": "hide",
	"seen": "see", "saw": "see", "split": "split", "stored": "store", "databases": "database",
}

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

func stems(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range set(words) {
		m[term(w)] = true
	}
	return m
}

// rawWords gives the words of a text in lower case. A placeholder such as
// [EMAIL] or <PHONE_1>, left by masking, is none. "e-mail" is one word,
// "first-token" two: a short first half belongs to the second.
func rawWords(text string) []string {
	text = strings.ToLower(dropPlaceholders(text))
	fields := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '\'' && r != '’'
	})
	out := make([]string, 0, len(fields))
	for _, f := range fields {
		f, _, _ = strings.Cut(strings.ReplaceAll(f, "’", "'"), "'")
		parts := strings.Split(strings.Trim(f, "-"), "-")
		if len(parts) == 2 && len(parts[0]) <= 2 && len(parts[1]) > 2 {
			parts = []string{parts[0] + parts[1]}
		}
		for _, p := range parts {
			if p != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

// dropPlaceholders removes bracketed words in capitals.
func dropPlaceholders(text string) string {
	var b strings.Builder
	for text != "" {
		i := strings.IndexAny(text, "[<")
		if i < 0 {
			break
		}
		j := strings.IndexAny(text[i:], "]>")
		if j < 0 {
			break
		}
		b.WriteString(text[:i])
		inside := text[i+1 : i+j]
		if inside == "" || strings.ToUpper(inside) != inside || strings.ToLower(inside) == inside {
			b.WriteString(text[i : i+j+1])
		}
		text = text[i+j+1:]
	}
	b.WriteString(text)
	return b.String()
}

// term is a word in the form in which words are compared.
func term(word string) string {
	if base, ok := irregular[word]; ok {
		word = base
	}
	return english.Stem(word, false)
}

// terms gives the comparable words of a text, stop words left out, in order.
func terms(text string) []string {
	words := rawWords(text)
	out := words[:0]
	for _, w := range words {
		if !stopWords[w] {
			out = append(out, term(w))
		}
	}
	return out
}

// near says whether one term is another form of the other, such as "config" and
// "configur": a shared beginning, and an ending of at most four letters.
func near(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 4 && len(b)-len(a) <= 4 && strings.HasPrefix(b, a)
}

// asides takes what stands in brackets out of a text and returns both.
func asides(text string) (main, aside string) {
	var out, in strings.Builder
	depth := 0
	for _, r := range text {
		switch {
		case r == '(' || r == '[':
			depth++
			in.WriteByte(' ')
		case r == ')' || r == ']':
			depth = max(0, depth-1)
		case depth > 0:
			in.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String(), in.String()
}
