package pack

import "unicode"

// Estimate says how many tokens a text takes, without a model's tokenizer. It
// follows how byte-pair tokenizers of today's models cut English and code, and
// rather counts too many: a word is a token per six letters, a number one per
// three digits, a punctuation mark one, a run of line breaks one, single
// spaces none; of longer runs of spaces every fourth. A character of a script
// without spaces is a token, two characters of other scripts are one.
func Estimate(text string) int {
	n, other, length := 0, 0, 0
	run := classNone
	for _, r := range text {
		class := classOf(r)
		if class == run {
			length++
		} else {
			n += run.tokens(length)
			run, length = class, 1
		}
		if class == classOther {
			other++
		}
	}
	return n + run.tokens(length) + (other+1)/2
}

// class is the kind of a character.
type class uint8

const (
	classNone class = iota
	classLetter
	classDigit
	classSpace
	classBreak
	classMark
	classSpaceless // a script without spaces between words
	classOther     // counted over the whole text
)

// tokens is what a run of characters of one kind takes.
func (c class) tokens(length int) int {
	switch c {
	case classLetter:
		return (length + 5) / 6
	case classDigit:
		return (length + 2) / 3
	case classSpace:
		return (length + 2) / 4
	case classBreak:
		return 1
	case classMark, classSpaceless:
		return length
	}
	return 0
}

var asciiClass = func() (t [128]class) {
	for r := range t {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			t[r] = classLetter
		case r >= '0' && r <= '9':
			t[r] = classDigit
		case r == ' ' || r == '\t':
			t[r] = classSpace
		case r == '\n' || r == '\r':
			t[r] = classBreak
		default:
			t[r] = classMark
		}
	}
	return t
}()

func classOf(r rune) class {
	if r < 128 {
		return asciiClass[r]
	}
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai) {
		return classSpaceless
	}
	return classOther
}
