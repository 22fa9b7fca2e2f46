package normalize

import (
	"unicode/utf16"
	"unicode/utf8"
)

// JSON folds JSON text as it arrives: string contents are unescaped, and what
// lies outside strings is marked bare, so that a mask can be written in the
// form its place needs. It is a lexer, not a parser: broken JSON folds too.
type JSON struct {
	inString bool
}

// Fold is Fold for JSON text: it keeps back a rune or an escape that is cut at
// the end unless final is set.
func (j *JSON) Fold(v *View, src []byte, base int, final bool) (used int) {
	for i := 0; i < len(src); {
		if n := j.plainRun(src[i:]); n > 0 {
			v.addRun(src[i:i+n], base+i)
			v.mark(!j.inString)
			i += n
			continue
		}
		size, bare := j.unit(v, src[i:], base+i, final)
		if size == 0 {
			return i
		}
		v.mark(bare)
		i += size
	}
	return len(src)
}

// plainRun is how many bytes stand for themselves.
func (j *JSON) plainRun(src []byte) int {
	n := 0
	for n < len(src) {
		b := src[n]
		if b >= utf8.RuneSelf || b == '"' || j.inString && b == '\\' || !j.inString && b == ':' {
			break
		}
		n++
	}
	return n
}

// mark says of the bytes added last whether they lie outside a string.
func (v *View) mark(bare bool) {
	for len(v.Bare) < len(v.Text) {
		v.Bare = append(v.Bare, bare)
	}
}

func (j *JSON) unit(v *View, src []byte, at int, final bool) (size int, bare bool) {
	b := src[0]
	switch {
	case b == '"':
		j.inString = !j.inString
		v.addByte(b, at, at+1)
		return 1, true
	case j.inString && b == '\\':
		return j.escape(v, src, at, final), false
	case !j.inString && b == ':':
		// A colon is part of tokens in text; here it separates key and value.
		v.addByte('\n', at, at+1)
		return 1, true
	case b < utf8.RuneSelf:
		v.addByte(b, at, at+1)
		return 1, !j.inString
	case !final && !utf8.FullRune(src):
		return 0, false
	}
	_, size = utf8.DecodeRune(src)
	foldRune(v, src[:size], at, at+size)
	return size, !j.inString
}

var shortEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\n', 'f': '\n', 'n': '\n', 'r': '\n', 't': '\t'}

func (j *JSON) escape(v *View, src []byte, at int, final bool) int {
	if len(src) < 2 {
		if !final {
			return 0
		}
		v.addByte('\\', at, at+1)
		return 1
	}
	if to := shortEscapes[src[1]]; to != 0 {
		v.addByte(to, at, at+2)
		return 2
	}
	if src[1] != 'u' {
		v.addByte('\\', at, at+1)
		return 1
	}
	if len(src) < 6 && !final {
		return 0
	}
	r, ok := hex4(src)
	if !ok {
		v.addByte('\\', at, at+1)
		return 1
	}
	size := 6
	if utf16.IsSurrogate(r) {
		if len(src) < 12 && !final && couldPair(src[6:]) {
			return 0
		}
		low, ok := hex4(src[6:])
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			size = 12
		} else {
			r = utf8.RuneError
		}
	}
	var buf [utf8.UTFMax]byte
	n := utf8.EncodeRune(buf[:], r)
	if n == 1 {
		v.addByte(buf[0], at, at+size)
	} else {
		foldRune(v, buf[:n], at, at+size)
	}
	return size
}

// couldPair reports whether the text may be the beginning of \uXXXX.
func couldPair(src []byte) bool {
	return len(src) == 0 || src[0] == '\\' && (len(src) == 1 || src[1] == 'u')
}

func hex4(src []byte) (rune, bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range src[2:6] {
		d := unhex(c)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
