package jsonscan

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
	ErrSyntax = errors.New("is not valid JSON")
	ErrDepth  = errors.New("nests too deep")
)

// Scanner reads JSON in one pass, strictly, without building a tree. It knows
// where each value stands, so that a request can be changed in place. The
// first fault stops it: every later call does nothing.
type Scanner struct {
	Data  []byte
	At    int
	depth int
	// first is true after an opening bracket, where no comma may stand.
	first bool
	Err   error
}

// Span is a piece of the scanned data.
type Span struct{ Start, End int }

// Token is a JSON string: the span between its quotes.
type Token struct {
	Span
	Escaped bool
}

func (s *Scanner) Fail(err error) {
	if s.Err == nil {
		s.Err = err
	}
	s.At = len(s.Data)
}

// Peek returns the first byte of the next value; 0 at the end.
func (s *Scanner) Peek() byte {
	for s.At < len(s.Data) {
		switch c := s.Data[s.At]; c {
		case ' ', '\t', '\n', '\r':
			s.At++
		default:
			return c
		}
	}
	return 0
}

// Open enters an object or array; bracket is '{' or '['.
func (s *Scanner) Open(bracket byte) bool {
	if s.Peek() != bracket {
		s.Fail(ErrSyntax)
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.Fail(ErrDepth)
		return false
	}
	s.At++
	s.first = true
	return true
}

// Next goes to the Next member; it returns false behind the closing bracket.
func (s *Scanner) Next(closing byte) bool {
	c := s.Peek()
	if c == closing {
		s.At++
		s.depth--
		s.first = false
		return false
	}
	if !s.first {
		if c != ',' {
			s.Fail(ErrSyntax)
			return false
		}
		s.At++
		s.Peek()
	}
	s.first = false
	if s.At >= len(s.Data) {
		s.Fail(ErrSyntax)
	}
	return s.Err == nil
}

// Key reads a member's name and the colon behind it.
func (s *Scanner) Key() []byte {
	t := s.Text()
	if s.Peek() != ':' {
		s.Fail(ErrSyntax)
		return nil
	}
	s.At++
	if t.Escaped {
		return AppendUnescaped(nil, s.Inner(t))
	}
	return s.Inner(t)
}

// Inner returns the bytes between a string's quotes, as they are written.
func (s *Scanner) Inner(t Token) []byte {
	if s.Err != nil {
		return nil
	}
	return s.Data[t.Start:t.End]
}

// Text reads a string.
func (s *Scanner) Text() Token {
	if s.Peek() != '"' {
		s.Fail(ErrSyntax)
		return Token{}
	}
	t := Token{Span: Span{Start: s.At + 1}}
	i := t.Start
	for {
		i = plainEnd(s.Data, i)
		if i >= len(s.Data) || s.Data[i] < ' ' {
			s.Fail(ErrSyntax)
			return Token{}
		}
		if s.Data[i] == '"' {
			t.End, s.At = i, i+1
			return t
		}
		t.Escaped = true
		n := escapeLen(s.Data[i:])
		if n == 0 {
			s.Fail(ErrSyntax)
			return Token{}
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

// Skip reads any value and returns where it stands.
func (s *Scanner) Skip() Span {
	switch c := s.Peek(); c {
	case '{', '[':
		return s.skipNested(c)
	case '"':
		t := s.Text()
		if s.Err != nil {
			return Span{}
		}
		return Span{t.Start - 1, t.End + 1}
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.Number()
	}
}

func (s *Scanner) skipNested(bracket byte) Span {
	start, closing := s.At, bracket+2 // '{'+2 is '}', '['+2 is ']'
	if !s.Open(bracket) {
		return Span{}
	}
	for s.Next(closing) {
		if bracket == '{' {
			s.Key()
		}
		s.Skip()
	}
	return Span{start, s.At}
}

func (s *Scanner) literal(word string) Span {
	end := s.At + len(word)
	if end > len(s.Data) || string(s.Data[s.At:end]) != word {
		s.Fail(ErrSyntax)
		return Span{}
	}
	sp := Span{s.At, end}
	s.At = end
	return sp
}

// Number reads a number by JSON's grammar, which is narrower than Go's.
func (s *Scanner) Number() Span {
	s.Peek()
	start, i := s.At, s.At
	digits := func() bool {
		from := i
		for i < len(s.Data) && s.Data[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	is := func(chars string) bool {
		for j := range len(chars) {
			if i < len(s.Data) && s.Data[i] == chars[j] {
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
		s.Fail(ErrSyntax)
		return Span{}
	}
	s.At = i
	return Span{start, i}
}

// Null reads a Null, if one is next.
func (s *Scanner) Null() bool {
	if s.Peek() != 'n' {
		return false
	}
	s.literal("null")
	return s.Err == nil
}

// Boolean reads true or false; ok is false for any other value, which is skipped.
func (s *Scanner) Boolean() (value, ok bool) {
	sp := s.Skip()
	switch string(s.Data[sp.Start:sp.End]) {
	case "true":
		return true, s.Err == nil
	case "false":
		return false, s.Err == nil
	}
	return false, false
}

// Integer reads a whole number; ok is false for any other value, which is skipped.
func (s *Scanner) Integer() (n int64, ok bool) {
	sp := s.Skip()
	text := s.Data[sp.Start:sp.End]
	if s.Err != nil || len(text) == 0 || text[0] == '"' {
		return 0, false
	}
	if n, err := strconv.ParseInt(Alias(text), 10, 64); err == nil {
		return n, true
	}
	// 1e3 and 100.0 are whole numbers too.
	f, err := strconv.ParseFloat(Alias(text), 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Float reads a number; ok is false for any other value, which is skipped.
func (s *Scanner) Float() (f float64, ok bool) {
	sp := s.Skip()
	text := s.Data[sp.Start:sp.End]
	if s.Err != nil || len(text) == 0 || text[0] == '"' {
		return 0, false
	}
	f, err := strconv.ParseFloat(Alias(text), 64)
	return f, err == nil
}

// Finish checks that nothing follows the value.
func (s *Scanner) Finish() error {
	if s.Err == nil && (s.Peek() != 0 || s.At < len(s.Data)) {
		s.Fail(ErrSyntax)
	}
	return s.Err
}

// OptionalText reads a string; anything else is skipped and reads as none.
func (s *Scanner) OptionalText() Token {
	if s.Peek() == '"' {
		return s.Text()
	}
	s.Skip()
	return Token{}
}

// OptionalValue returns the text of a string that OptionalText has read.
func (s *Scanner) OptionalValue(t Token) string {
	if t.Start == 0 {
		return ""
	}
	return s.Value(t)
}

// ValueStart returns where the next value begins.
func (s *Scanner) ValueStart() int {
	s.Peek()
	return s.At
}
