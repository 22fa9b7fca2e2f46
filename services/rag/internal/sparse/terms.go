package sparse

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
	"golang.org/x/text/unicode/norm"
)

// maxWord is the longest word that is indexed, in bytes; longer runs are data.
const maxWord = 64

// Terms calls visit with each term of the text, in order. Words are folded to
// lower case and stemmed (English Snowball); stop words are left out. An
// identifier such as retry_after, maxTokens or net.http gives itself and its
// parts. Scripts without spaces give pairs of characters.
func Terms(text string, visit func(term string)) {
	if !isASCII(text) {
		text = norm.NFKC.String(text)
	}
	for len(text) > 0 {
		start := strings.IndexFunc(text, isWordRune)
		if start < 0 {
			return
		}
		text = text[start:]
		end := wordEnd(text)
		word(text[:end], visit)
		text = text[end:]
	}
}

// wordEnd finds the end of a run of word characters; the joints of
// identifiers count where word characters stand on both sides.
func wordEnd(text string) int {
	end := 0
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if isWordRune(r) {
			end += n
			continue
		}
		if !isJoint(r) {
			return end
		}
		next, m := utf8.DecodeRuneInString(text[end+n:])
		if m == 0 || !isWordRune(next) {
			return end
		}
		end += n
	}
	return end
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

func isJoint(r rune) bool { return r == '_' || r == '.' || r == '\'' || r == '’' || r == '-' }

func word(w string, visit func(string)) {
	if spaceless(w) {
		pairs(w, visit)
		return
	}
	w = strings.ReplaceAll(w, "’", "'")
	if i := strings.IndexByte(w, '\''); i > 0 && !strings.ContainsAny(w, "_.-") {
		w = w[:i] + strings.TrimPrefix(w[i+1:], "s") // reader's → reader, don't → dont
		w = strings.ReplaceAll(w, "'", "")
	}
	parts := split(w)
	if len(parts) == 1 {
		emit(parts[0], visit)
		return
	}
	if whole := strings.ToLower(w); len(whole) <= maxWord {
		visit(whole)
	}
	for _, p := range parts {
		emit(p, visit)
	}
}

// split cuts an identifier at its joints and where a capital follows a small
// letter.
func split(w string) []string {
	var parts []string
	start := 0
	var prev rune
	for i, r := range w {
		switch {
		case isJoint(r):
			if i > start {
				parts = append(parts, w[start:i])
			}
			start = i + utf8.RuneLen(r)
		case unicode.IsUpper(r) && unicode.IsLower(prev):
			if i > start {
				parts = append(parts, w[start:i])
			}
			start = i
		}
		prev = r
	}
	if start < len(w) {
		parts = append(parts, w[start:])
	}
	if len(parts) == 0 {
		return []string{w}
	}
	return parts
}

func emit(w string, visit func(string)) {
	w = strings.ToLower(w)
	if stopWords[w] || len(w) > maxWord {
		return
	}
	if isASCII(w) && len(w) > 2 {
		w = english.Stem(w, false)
	}
	visit(w)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// spaceless reports whether the word is in a script that is written without
// spaces, judged by its first letter.
func spaceless(w string) bool {
	r, _ := utf8.DecodeRuneInString(w)
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer)
}

func pairs(w string, visit func(string)) {
	runes := []rune(w)
	if len(runes) == 1 {
		visit(w)
		return
	}
	for i := range len(runes) - 1 {
		visit(string(runes[i : i+2]))
	}
}
