package pack

import "unicode"

// Estimate says how many tokens a text takes, without a model's tokenizer. It
// follows how byte-pair tokenizers of today's models cut English and code, and
// rather counts too many: a word is a token per six letters, a number one per
// three digits, a punctuation mark one, a run of line breaks one, single
// spaces none; of longer runs of spaces every fourth. A character of a script
// without spaces is a token, two characters of other scripts are one.
func Estimate(text string) int {
	n, other := 0, 0
	var run rune // class of the current run: letter 'a', digit '0', else itself
	length := 0
	flush := func() {
		switch run {
		case 'a':
			n += (length + 5) / 6
		case '0':
			n += (length + 2) / 3
		case ' ':
			n += (length - 1 + 3) / 4
		case '\n':
			n++
		}
		run, length = 0, 0
	}
	for _, r := range text {
		class := classOf(r)
		if class != run {
			flush()
			run = class
		}
		length++
		switch class {
		case '.':
			n++
		case 'w':
			n++
		case 'o':
			other++
		}
	}
	flush()
	return n + (other+1)/2
}

func classOf(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return 'a'
	case r >= '0' && r <= '9':
		return '0'
	case r == ' ' || r == '\t':
		return ' '
	case r == '\n' || r == '\r':
		return '\n'
	case r < 0x80:
		return '.'
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai):
		return 'w'
	}
	return 'o'
}
