package openai

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strconv"
)

// maxDepth bounds how deep JSON may nest: deeper than any tool schema in use,
// shallow enough that recursion costs a bounded stack.
const maxDepth = 256

var (
	errSyntax = errors.New("is not valid JSON")
	errDepth  = errors.New("nests too deep")
)

// scanner reads JSON in one pass, strictly, without building a tree. It knows
// where each value stands, so that a request can be changed in place. The
// first fault stops it: every later call does nothing.
type scanner struct {
	data  []byte
	at    int
	depth int
	// first is true after an opening bracket, where no comma may stand.
	first bool
	err   error
}

// span is a piece of the scanned data.
type span struct{ start, end int }

// token is a JSON string: the span between its quotes.
type token struct {
	span
	escaped bool
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.data)
}

// peek returns the first byte of the next value; 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// open enters an object or array; bracket is '{' or '['.
func (s *scanner) open(bracket byte) bool {
	if s.peek() != bracket {
		s.fail(errSyntax)
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.fail(errDepth)
		return false
	}
	s.at++
	s.first = true
	return true
}

// next goes to the next member; it returns false behind the closing bracket.
func (s *scanner) next(closing byte) bool {
	c := s.peek()
	if c == closing {
		s.at++
		s.depth--
		s.first = false
		return false
	}
	if !s.first {
		if c != ',' {
			s.fail(errSyntax)
			return false
		}
		s.at++
		s.peek()
	}
	s.first = false
	if s.at >= len(s.data) {
		s.fail(errSyntax)
	}
	return s.err == nil
}

// key reads a member's name and the colon behind it.
func (s *scanner) key() []byte {
	t := s.text()
	if s.peek() != ':' {
		s.fail(errSyntax)
		return nil
	}
	s.at++
	if t.escaped {
		return appendUnescaped(nil, s.inner(t))
	}
	return s.inner(t)
}

// inner returns the bytes between a string's quotes, as they are written.
func (s *scanner) inner(t token) []byte {
	if s.err != nil {
		return nil
	}
	return s.data[t.start:t.end]
}

// text reads a string.
func (s *scanner) text() token {
	if s.peek() != '"' {
		s.fail(errSyntax)
		return token{}
	}
	t := token{span: span{start: s.at + 1}}
	i := t.start
	for {
		i = plainEnd(s.data, i)
		if i >= len(s.data) || s.data[i] < ' ' {
			s.fail(errSyntax)
			return token{}
		}
		if s.data[i] == '"' {
			t.end, s.at = i, i+1
			return t
		}
		t.escaped = true
		n := escapeLen(s.data[i:])
		if n == 0 {
			s.fail(errSyntax)
			return token{}
		}
		i += n
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainEnd returns the position of the first quote, backslash or control
// character from i on. It looks at eight bytes at a time: the lowest byte that
// each of the three tests marks is exact.
func plainEnd(data []byte, i int) int {
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		mark := ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if mark != 0 {
			return i + bits.TrailingZeros64(mark)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return i
}

// escapeLen returns the length of the escape that b begins with; 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hex4(b[2:]) >= 0 {
			return 6
		}
	}
	return 0
}

// skip reads any value and returns where it stands.
func (s *scanner) skip() span {
	switch c := s.peek(); c {
	case '{', '[':
		return s.skipNested(c)
	case '"':
		t := s.text()
		if s.err != nil {
			return span{}
		}
		return span{t.start - 1, t.end + 1}
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) skipNested(bracket byte) span {
	start, closing := s.at, bracket+2 // '{'+2 is '}', '['+2 is ']'
	if !s.open(bracket) {
		return span{}
	}
	for s.next(closing) {
		if bracket == '{' {
			s.key()
		}
		s.skip()
	}
	return span{start, s.at}
}

func (s *scanner) literal(word string) span {
	end := s.at + len(word)
	if end > len(s.data) || string(s.data[s.at:end]) != word {
		s.fail(errSyntax)
		return span{}
	}
	sp := span{s.at, end}
	s.at = end
	return sp
}

// number reads a number by JSON's grammar, which is narrower than Go's.
func (s *scanner) number() span {
	s.peek()
	start, i := s.at, s.at
	digits := func() bool {
		from := i
		for i < len(s.data) && s.data[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	is := func(chars string) bool {
		for j := range len(chars) {
			if i < len(s.data) && s.data[i] == chars[j] {
				i++
				return true
			}
		}
		return false
	}
	is("-")
	ok := is("0") || digits()
	if ok && is(".") {
		ok = digits()
	}
	if ok && is("eE") {
		is("+-")
		ok = digits()
	}
	if !ok {
		s.fail(errSyntax)
		return span{}
	}
	s.at = i
	return span{start, i}
}

// null reads a null, if one is next.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return s.err == nil
}

// boolean reads true or false; ok is false for any other value, which is skipped.
func (s *scanner) boolean() (value, ok bool) {
	sp := s.skip()
	switch string(s.data[sp.start:sp.end]) {
	case "true":
		return true, s.err == nil
	case "false":
		return false, s.err == nil
	}
	return false, false
}

// integer reads a whole number; ok is false for any other value, which is skipped.
func (s *scanner) integer() (n int64, ok bool) {
	sp := s.skip()
	text := s.data[sp.start:sp.end]
	if s.err != nil || len(text) == 0 || text[0] == '"' {
		return 0, false
	}
	if n, err := strconv.ParseInt(alias(text), 10, 64); err == nil {
		return n, true
	}
	// 1e3 and 100.0 are whole numbers too.
	f, err := strconv.ParseFloat(alias(text), 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// float reads a number; ok is false for any other value, which is skipped.
func (s *scanner) float() (f float64, ok bool) {
	sp := s.skip()
	text := s.data[sp.start:sp.end]
	if s.err != nil || len(text) == 0 || text[0] == '"' {
		return 0, false
	}
	f, err := strconv.ParseFloat(alias(text), 64)
	return f, err == nil
}

// finish checks that nothing follows the value.
func (s *scanner) finish() error {
	if s.err == nil && (s.peek() != 0 || s.at < len(s.data)) {
		s.fail(errSyntax)
	}
	return s.err
}
