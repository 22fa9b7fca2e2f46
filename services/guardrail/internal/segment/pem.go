package segment

import "bytes"

var (
	pemBegin   = []byte("-----BEGIN")
	pemPrivate = []byte("PRIVATE KEY")
	pemEnd     = []byte("-----END")
)

func opensPEM(token []byte) bool { return bytes.HasSuffix(token, pemBegin) }

const maxPEMHeader = 64

type pemState uint8

const (
	pemHeader pemState = iota
	pemBody
	pemFooter
)

type pemResult uint8

const (
	pemMore pemResult = iota
	// pemDone: the block is complete with this byte.
	pemDone
	// pemBroken: this byte cannot be part of a block.
	pemBroken
)

// pemScanner follows a private key block: its header, then lines of base64 or
// "Name: value", then its footer. Line breaks may be written as \n.
type pemScanner struct {
	state    pemState
	head     int
	line     int
	spaced   bool
	dashes   int
	footerAt int
}

func (p *pemScanner) begin(at int) { *p = pemScanner{head: at, line: at} }

func (p *pemScanner) shift(n int) {
	p.head -= n
	p.line -= n
	p.footerAt -= n
}

func (p *pemScanner) step(buf []byte, i int) pemResult {
	switch c := buf[i]; p.state {
	case pemHeader:
		return p.stepHeader(buf, i, c)
	case pemBody:
		return p.stepBody(buf, i, c)
	default:
		return p.stepFooter(i, c)
	}
}

func (p *pemScanner) stepHeader(buf []byte, i int, c byte) pemResult {
	switch {
	case i-p.head > maxPEMHeader:
		return pemBroken
	case c == '-':
		if p.dashes++; p.dashes < 5 {
			return pemMore
		}
		if !bytes.Contains(buf[p.head:i], pemPrivate) {
			return pemBroken
		}
		p.state, p.line, p.dashes = pemBody, i+1, 0
		return pemMore
	case c >= 'A' && c <= 'Z' || c == ' ':
		p.dashes = 0
		return pemMore
	}
	return pemBroken
}

func (p *pemScanner) stepBody(buf []byte, i int, c byte) pemResult {
	if i > 0 && buf[i-1] == '\\' && (c == 'n' || c == 'r') {
		c = '\n'
	}
	switch {
	case c == '\n' || c == '\r':
		p.line, p.spaced = i+1, false
	case c == '-' && bytes.HasSuffix(buf[p.line:i+1], pemEnd[:5]):
		p.state, p.footerAt, p.dashes = pemFooter, i+1, 0
	case isAlnum(c), c == '+', c == '/', c == '=', c == '-', c == '\\', c == ':', c == ',', c == '.':
		if p.spaced {
			return pemBroken
		}
	case c == ' ' || c == '\t':
		// Only after a header name, or as indentation.
		text := bytes.TrimLeft(buf[p.line:i], " \t")
		p.spaced = len(text) > 0 && !bytes.ContainsRune(text, ':')
	default:
		return pemBroken
	}
	return pemMore
}

func (p *pemScanner) stepFooter(i int, c byte) pemResult {
	switch {
	case i-p.footerAt > maxPEMHeader:
		return pemBroken
	case c == '-':
		if p.dashes++; p.dashes == 5 {
			return pemDone
		}
	case c >= 'A' && c <= 'Z' || c == ' ':
		p.dashes = 0
	default:
		return pemBroken
	}
	return pemMore
}

func (s *Splitter) stepPEM(buf []byte, origin []int32, i int, sink Sink) {
	switch s.pem.step(buf, i) {
	case pemDone:
		s.endPEM(i+1, true, sink)
	case pemBroken:
		if s.pem.state == pemHeader {
			// No key: read on from after the opening word.
			s.flags &^= HasPEM
			s.emit(s.start, s.pem.head, sink)
			s.rewind(s.pem.head)
			return
		}
		s.endPEM(max(s.pem.line, s.start+1), true, sink)
		s.rewind(max(s.pem.line, s.start+1))
	case pemMore:
		if s.tooLong(origin, i) {
			s.flags |= HasPEM
			s.cutToken(buf, i+1, sink)
		}
	}
}

func (s *Splitter) endPEM(end int, ok bool, sink Sink) {
	if ok {
		s.flags |= HasPEM
	}
	s.emit(s.start, end, sink)
}
