package builtin

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// abbreviations end in a full stop that ends no sentence.
var abbreviations = map[string]bool{
	"e.g": true, "i.e": true, "etc": true, "vs": true, "cf": true, "approx": true, "no": true, "fig": true,
	"mr": true, "mrs": true, "ms": true, "dr": true, "prof": true, "st": true, "inc": true, "ltd": true, "al": true,
}

// sentences cuts running text after full stops, question and exclamation marks
// that end a sentence: not inside code or brackets, not after an abbreviation or
// an initial, and only before what can begin a sentence.
func sentences(text string) []string {
	var out []string
	start, depth, code := 0, 0, false
	for i, r := range text {
		switch r {
		case '`':
			code = !code
		case '(', '[':
			depth++
		case ')', ']':
			depth = max(0, depth-1)
		case '。', '！', '？':
			if !code {
				end := i + utf8.RuneLen(r)
				out = appendSentence(out, text[start:end])
				start, depth = end, 0
			}
		case '.', '!', '?':
			end := i + 1
			for end < len(text) && strings.ContainsRune(`"')”’*`, rune(text[end])) {
				end++
			}
			if !code && depth == 0 && endsSentence(text[start:i], text[end:], r) {
				out = appendSentence(out, text[start:end])
				start = end
			}
		}
	}
	return appendSentence(out, text[start:])
}

func appendSentence(out []string, s string) []string {
	if s = strings.TrimSpace(s); s != "" {
		out = append(out, s)
	}
	return out
}

// endsSentence looks at what stands before and after a mark.
func endsSentence(before, after string, mark rune) bool {
	if after != "" && after[0] != ' ' {
		return false
	}
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(after, " \"'“‘(*"))
	if after != "" && unicode.IsLower(next) {
		return false
	}
	if mark != '.' {
		return true
	}
	word := before[strings.LastIndexAny(before, " (")+1:]
	if abbreviations[strings.ToLower(word)] {
		return false
	}
	first, size := utf8.DecodeRuneInString(word)
	return !(size == len(word) && unicode.IsUpper(first) && first != 'I') // an initial
}

// complete says whether a unit reads as a whole sentence.
func complete(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text, "\"')”’`"))
	return !unicode.IsLower(first) && strings.ContainsRune(".!?:。！？", last)
}
