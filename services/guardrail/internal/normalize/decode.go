package normalize

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// Bounds of decoding: shorter runs hold nothing worth finding, longer ones
// would let a sender choose how much work we do.
const (
	MinRun   = 16
	MaxRun   = 16 << 10
	MaxDepth = 2
)

// Run is an encoded stretch [Start, End) of a folded text and what it says.
type Run struct {
	Start, End int
	Text       []byte
	Encoding   string
	// offsets holds where each byte of Text comes from in a percent-encoded
	// run, relative to Start; nil if Text comes from the run as a whole.
	offsets []int32
}

// Span maps the range [a, b) of Text to a range of the text that held the run.
func (r *Run) Span(a, b int) (start, end int) {
	if r.offsets == nil || a >= b {
		return r.Start, r.End
	}
	return r.Start + int(r.offsets[a]), r.Start + int(r.offsets[b])
}

// Decode finds base64, hex and percent-encoded runs in text and returns those
// that decode to readable text.
func Decode(text []byte) []Run {
	out := percentRuns(nil, text)
	for i := 0; i < len(text); {
		if !runByte[text[i]] {
			i++
			continue
		}
		j := i
		for j < len(text) && runByte[text[j]] {
			j++
		}
		if n := j - i; n >= MinRun && n <= MaxRun {
			out = decodeRun(out, text, i, j)
		}
		i = j
	}
	return out
}

func percentRuns(out []Run, text []byte) []Run {
	for i := bytes.IndexByte(text, '%'); i >= 0 && i < len(text); {
		a, b := i, i
		for a > 0 && urlByte(text[a-1]) {
			a--
		}
		for b < len(text) && urlByte(text[b]) {
			b++
		}
		if b-a <= MaxRun {
			if r := unpercent(text[a:b]); r.Text != nil && readable(r.Text) {
				r.Start, r.End = a, b
				out = append(out, r)
			}
		}
		next := bytes.IndexByte(text[b:], '%')
		if next < 0 {
			break
		}
		i = b + next
	}
	return out
}

func urlByte(b byte) bool {
	return b > ' ' && b < 0x7F && b != '"' && b != '<' && b != '>' && b != '`'
}

func decodeRun(out []Run, text []byte, i, j int) []Run {
	run := text[i:j]
	// A name or a path may hang on in front of the encoded part: x=aGVsbG8…
	if k := bytes.LastIndexByte(bytes.TrimRight(run, "="), '='); k >= 0 {
		i += k + 1
		run = text[i:j]
	}
	if len(run) < MinRun {
		return out
	}
	if t, ok := unhexRun(run); ok && readable(t) {
		return append(out, Run{Start: i, End: j, Text: t, Encoding: "hex"})
	}
	if t, ok := unbase64(run); ok && readable(t) {
		return append(out, Run{Start: i, End: j, Text: t, Encoding: "base64"})
	}
	return out
}

var runByte = func() (t [256]bool) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_") {
		t[b] = true
	}
	return t
}()

func unhexRun(run []byte) ([]byte, bool) {
	if len(run)%2 != 0 {
		return nil, false
	}
	out := make([]byte, 0, len(run)/2)
	for i := 0; i < len(run); i += 2 {
		h, l := unhex(run[i]), unhex(run[i+1])
		if h < 0 || l < 0 {
			return nil, false
		}
		out = append(out, byte(h<<4|l))
	}
	return out, true
}

func unbase64(run []byte) ([]byte, bool) {
	run = bytes.TrimRight(run, "=")
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		enc = base64.RawURLEncoding
	}
	out := make([]byte, enc.DecodedLen(len(run)))
	n, err := enc.Decode(out, run)
	if err != nil {
		return nil, false
	}
	return out[:n], true
}

// unpercent decodes %XX; Text is nil if there is none.
func unpercent(run []byte) Run {
	out := make([]byte, 0, len(run))
	offsets := make([]int32, 0, len(run)+1)
	decoded := false
	for i := 0; i < len(run); i++ {
		b, at := run[i], i
		if b == '%' && i+2 < len(run) {
			if h, l := unhex(run[i+1]), unhex(run[i+2]); h >= 0 && l >= 0 {
				b = byte(h<<4 | l)
				i += 2
				decoded = true
			}
		}
		out = append(out, b)
		offsets = append(offsets, int32(at))
	}
	if !decoded {
		return Run{}
	}
	return Run{Text: out, Encoding: "url", offsets: append(offsets, int32(len(run)))}
}

// readable reports whether bytes look like text: valid UTF-8 without control
// characters, mostly ASCII letters, digits and spaces.
func readable(t []byte) bool {
	if len(t) < 4 || !utf8.Valid(t) {
		return false
	}
	plain := 0
	for _, b := range t {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == ' ', b >= utf8.RuneSelf:
			plain++
		case b < ' ' && b != '\n' && b != '\r' && b != '\t':
			return false
		}
	}
	return plain*10 >= len(t)*6
}

// ROT13 returns the text with its letters rotated by 13.
func ROT13(text []byte) []byte {
	out := make([]byte, len(text))
	for i, b := range text {
		switch {
		case b >= 'a' && b <= 'z':
			b = 'a' + (b-'a'+13)%26
		case b >= 'A' && b <= 'Z':
			b = 'A' + (b-'A'+13)%26
		}
		out[i] = b
	}
	return out
}
