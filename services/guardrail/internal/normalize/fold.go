package normalize

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// IsASCII reports whether folding would leave the text as it is.
func IsASCII(s []byte) bool {
	for len(s) >= 8 {
		if (s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7])&0x80 != 0 {
			return false
		}
		s = s[8:]
	}
	for _, b := range s {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Fold appends the folded form of src to v. base is the original offset of
// src[0]. When more text may follow, final is false and a rune cut at the end
// is left alone; used says how many bytes were taken.
func Fold(v *View, src []byte, base int, final bool) (used int) {
	for i := 0; i < len(src); {
		if n := asciiRun(src[i:]); n > 0 {
			v.addRun(src[i:i+n], base+i)
			i += n
			continue
		}
		if !final && !utf8.FullRune(src[i:]) {
			return i
		}
		_, size := utf8.DecodeRune(src[i:])
		foldRune(v, src[i:i+size], base+i, base+i+size)
		i += size
	}
	return len(src)
}

func asciiRun(src []byte) int {
	n := 0
	for n < len(src) && src[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// FoldText returns the folded view of a whole text. ASCII text is returned as
// it is, without a copy of anything.
func FoldText(v *View, src []byte) {
	v.Reset()
	if IsASCII(src) {
		*v = View{Text: src}
		return
	}
	Fold(v, src, 0, true)
}

// foldRune folds one rune, or one byte that is no rune: it becomes U+FFFD,
// which is a break to every check.
func foldRune(v *View, src []byte, start, end int) {
	r, size := utf8.DecodeRune(src)
	if r == utf8.RuneError && size <= 1 {
		v.add("\uFFFD", start, end)
		return
	}
	if invisible(r) {
		v.skip(start, end)
		return
	}
	if to, ok := confusable(r); ok {
		v.add(to, start, end)
		return
	}
	d := norm.NFKD.Properties(src).Decomposition()
	if d == nil {
		v.add(string(src), start, end)
		return
	}
	for len(d) > 0 {
		r, n := utf8.DecodeRune(d)
		switch to, ok := confusable(r); {
		case r < utf8.RuneSelf:
			v.addByte(byte(r), start, end)
		case invisible(r):
		case ok:
			v.add(to, start, end)
		default:
			v.add(string(d[:n]), start, end)
		}
		d = d[n:]
	}
}

// invisible reports whether a rune leaves no trace of its own: format and tag
// characters, combining marks, variation selectors and fillers.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0, r == 0x17B4, r == 0x17B5:
		return true
	case r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf)
}
