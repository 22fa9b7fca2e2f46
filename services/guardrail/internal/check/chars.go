package check

import "bytes"

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func isAlnum(b byte) bool { return isDigit(b) || isLetter(b) }

// at returns the byte at i, or 0 outside the text.
func at(text []byte, i int) byte {
	if i < 0 || i >= len(text) {
		return 0
	}
	return text[i]
}

// wordByte reports whether a byte continues a word; every byte of a non-ASCII
// rune does.
func wordByte(b byte) bool { return isAlnum(b) || b == '_' || b >= 0x80 }

func lower(dst, src []byte) []byte {
	for _, b := range src {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}

// hasWord reports whether one of the words stands in the text, lower-cased, as
// a word or as the beginning of one that ends there ("phone" in "phones", not
// in "microphone").
func hasWord(text []byte, words [][]byte) bool {
	for _, w := range words {
		for from := 0; ; {
			i := bytes.Index(text[from:], w)
			if i < 0 {
				break
			}
			i += from
			end := i + len(w)
			before := i == 0 || !wordByte(text[i-1])
			after := !isLetter(at(text, end)) || at(text, end) == 's' && !isLetter(at(text, end+1))
			if before && after {
				return true
			}
			from = i + 1
		}
	}
	return false
}

func words(list ...string) [][]byte {
	out := make([][]byte, len(list))
	for i, w := range list {
		out[i] = []byte(w)
	}
	return out
}

// leftHas reports whether one of the words stands in the context left of the
// position i of the segment.
func (s *Segment) leftHas(i int, list [][]byte) bool {
	head := s.Text[max(0, i-LeftContext):i]
	if !hasLetter(s.Left) && !hasLetter(head) {
		return false
	}
	var buf [2 * LeftContext]byte
	return hasWord(lower(lower(buf[:0], s.Left), head), list)
}

func hasLetter(t []byte) bool {
	for _, b := range t {
		if isLetter(b) {
			return true
		}
	}
	return false
}
