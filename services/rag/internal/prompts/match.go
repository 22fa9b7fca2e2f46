package prompts

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Matches reports whether a request meets the rule's conditions. The question
// must be in lower case.
func (r Rule) Matches(model, team, question string) bool {
	if r.Model != "" && !glob(r.Model, model) || r.Team != "" && r.Team != team {
		return false
	}
	if len(r.Keywords) == 0 {
		return true
	}
	for _, k := range r.Keywords {
		if containsWord(question, strings.ToLower(k)) {
			return true
		}
	}
	return false
}

// glob matches with * for any text, slashes included, and ? for one
// character. It takes time in proportion to the product of the lengths.
func glob(pattern, s string) bool {
	p, text := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// containsWord finds a word or phrase that does not stand within a longer word.
func containsWord(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 || word == "" {
			return false
		}
		start := at + i
		end := start + len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if !inWord(before) && !inWord(after) {
			return true
		}
		_, n := utf8.DecodeRuneInString(text[start:])
		at = start + n
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}
