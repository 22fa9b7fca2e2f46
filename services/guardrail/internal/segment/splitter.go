// Package segment cuts folded text into the stretches that one entity can lie
// in: tokens without white space, tokens joined by single spaces where groups
// of digits or of an IBAN follow each other, and private key blocks. Where a
// segment ends is decided by the bytes up to there and one more, never by how
// the text was chunked, and no match crosses the end: so a stream that holds
// back the open segment releases just what the whole text would have given.
package segment

import "github.com/tollgate/tollgate/services/guardrail/internal/pattern"

// Bounds of a segment, in folded bytes. A longer one is examined in pieces.
const (
	// MaxLen bounds a segment, and with it what a stream holds back.
	MaxLen = 16 << 10
	// keepLong is how much of a piece is looked at again with the next one.
	keepLong = 1 << 10
	// maxChain bounds tokens joined by spaces; keepChain is longer than the
	// longest entity written in groups (an IBAN: 34 characters, 8 spaces).
	maxChain  = 128
	keepChain = 48
	maxGap    = 2
)

// Segment is a stretch [Start, End) of the text under examination.
type Segment struct {
	Start, End int
	Flags      Flags
	Digits     int
	// Partial says that the segment goes on after End: only matches that begin
	// before Keep count, the rest will be seen again.
	Partial bool
	Keep    int
	// Open says that the token at End goes on (a token longer than MaxLen).
	Open bool
}

// Sink receives segments.
type Sink interface {
	// Segment examines one. For a partial segment it returns where to go on:
	// Keep, or the end of a match that reaches past it. swallow asks for the
	// rest of the token too: it belongs to a match that reached the end.
	Segment(seg Segment) (resume int, swallow bool)
	// Extend says that the last match goes on to end.
	Extend(end int)
}

type state uint8

const (
	idle state = iota
	inToken
	inGap
	inPEM
	swallowing
)

// Splitter cuts text. The zero value is ready. Positions are indices into the
// buffer that Run is given; Shift follows when the buffer loses its head.
type Splitter struct {
	state   state
	start   int
	tok     int
	gapAt   int
	pos     int
	flags   Flags
	digits  int
	tokDig  int
	iban    bool
	pemLine bool
	pem     pemScanner
	ac      pattern.State
	// Hits holds where each trigger group was last seen: position after the
	// literal's last byte.
	Hits      [MaxGroups]int
	entityHit int
}

// EntityGroups are the trigger groups that wake checks of entities: the first
// two. The others wake checks of whole texts.
const EntityGroups pattern.Groups = 1<<0 | 1<<1

// Plain reports whether no check of entities can find anything in a segment:
// a word without digits or telling signs, and nothing that woke a check in it
// or within the last near bytes before it.
func (s *Splitter) Plain(seg *Segment, near int) bool {
	return seg.Digits == 0 && seg.Flags&(HasAt|HasPercent|HasPEM) == 0 && seg.End-seg.Start < minTelling &&
		s.entityHit <= seg.Start-near
}

// minTelling is the length from which a word without digits may be encoded.
const minTelling = 16

// MaxGroups is the number of trigger groups that the splitter keeps track of.
const MaxGroups = 6

// Pos is how far the text has been read.
func (s *Splitter) Pos() int { return s.pos }

// Held is where the open segment begins: everything before it is settled.
func (s *Splitter) Held() int {
	if s.state == idle || s.state == swallowing {
		return s.pos
	}
	return s.start
}

// Swallowing reports whether the last match still goes on.
func (s *Splitter) Swallowing() bool { return s.state == swallowing }

// Shift moves all positions down by n.
func (s *Splitter) Shift(n int) {
	s.start -= n
	s.tok -= n
	s.gapAt -= n
	s.pos -= n
	s.entityHit -= n
	s.pem.shift(n)
	for i := range s.Hits {
		s.Hits[i] -= n
	}
}

// Reset makes the splitter ready for a new text.
func (s *Splitter) Reset() {
	*s = Splitter{entityHit: -1 << 20}
	for i := range s.Hits {
		s.Hits[i] = -1 << 20
	}
}

// Run reads buf from where it stopped. origin, if not nil, gives the original
// offset of each byte, and bounds a segment in original bytes too.
func (s *Splitter) Run(a *pattern.Automaton, buf []byte, origin []int32, sink Sink) {
	for s.pos < len(buf) {
		i := s.pos
		c := buf[i]
		s.pos = i + 1
		s.ac = a.Step(s.ac, c)
		if s.ac.Ends() {
			s.hit(a.Out(s.ac), i+1)
		}
		info := &table[c]
		if info.esc && i > 0 && buf[i-1] == '\\' {
			info = &table['\\']
		}
		switch s.state {
		case idle:
			if info.class >= classToken {
				s.open(i, info)
			}
		case inToken:
			if info.class >= classToken || c >= 0x80 && c < 0xC0 {
				// A continuation byte is what its rune began as.
				s.flags |= info.flags
				if info.class == classDigit {
					s.digits++
					s.tokDig++
				}
				if i-s.start >= MaxLen || origin != nil && origin[i]-origin[s.start] >= MaxLen {
					s.cutToken(buf, i+1, sink)
				}
				continue
			}
			s.endToken(buf, i, info, sink)
		default:
			s.stepRare(buf, origin, i, info, sink)
		}
	}
}

// stepRare is Run's step outside words.
func (s *Splitter) stepRare(buf []byte, origin []int32, i int, info *byteInfo, sink Sink) {
	switch c := buf[i]; s.state {
	case inGap:
		s.stepGap(buf, i, info, sink)
	case inPEM:
		s.stepPEM(buf, origin, i, sink)
	case swallowing:
		if info.class >= classToken || c >= 0x80 && c < 0xC0 || s.pemLine && (c == '\n' || c == '\r' || c == '\\') {
			sink.Extend(i + 1)
		} else {
			s.state = idle
		}
	}
}

// Finish ends the text: what is open is complete.
func (s *Splitter) Finish(sink Sink) {
	switch s.state {
	case inToken:
		s.emit(s.start, s.pos, sink)
	case inGap:
		s.emit(s.start, s.gapAt, sink)
	case inPEM:
		// What stands there counts, unless it is not even a complete header.
		s.endPEM(s.pos, s.pem.state != pemHeader, sink)
	}
	s.state = idle
}

func (s *Splitter) hit(out pattern.Groups, at int) {
	for g := range s.Hits {
		if out&(1<<g) != 0 {
			s.Hits[g] = at
		}
	}
	if out&EntityGroups != 0 {
		s.entityHit = at
	}
}

func (s *Splitter) open(i int, info *byteInfo) {
	s.state, s.start, s.tok = inToken, i, i
	s.flags, s.digits, s.tokDig, s.iban = info.flags, 0, 0, false
	if info.class == classDigit {
		s.digits, s.tokDig = 1, 1
	}
}

func (s *Splitter) emit(start, end int, sink Sink) {
	s.state = idle
	sink.Segment(Segment{Start: start, End: end, Flags: s.flags, Digits: s.digits})
}

func (s *Splitter) endToken(buf []byte, i int, info *byteInfo, sink Sink) {
	if info.class == classSpace {
		if buf[i] == ' ' && opensPEM(buf[s.start:i]) {
			s.state = inPEM
			s.pem.begin(i)
			return
		}
		s.iban = groupOfIBAN(buf[s.tok:i], s.iban)
		if s.iban || s.joinable(buf, i) {
			s.state, s.gapAt = inGap, i
			return
		}
	}
	s.emit(s.start, i, sink)
}

// joinable reports whether the token that ends at i may be the first part of a
// number written in groups.
func (s *Splitter) joinable(buf []byte, i int) bool {
	last := buf[i-1]
	if s.tokDig > 0 {
		return isDigit(last) || last == ')' || last == '-' || last == '.' || last == '/'
	}
	// A lone dash between groups.
	return s.digits > 0 && i-s.tok == 1 && (last == '-' || last == '/' || last == '.')
}

func (s *Splitter) stepGap(buf []byte, i int, info *byteInfo, sink Sink) {
	c := buf[i]
	switch {
	case info.class == classSpace && i-s.gapAt < maxGap:
		return
	case info.class == classDigit, c == '+', c == '(', c == '-', s.iban && isAlnum(c) && info.class >= classToken:
		if i-s.start > maxChain && s.cutChain(buf, i, sink) {
			return
		}
		s.state, s.tok, s.tokDig = inToken, i, 0
		s.flags |= info.flags
		if info.class == classDigit {
			s.digits++
			s.tokDig = 1
		}
	default:
		s.emit(s.start, s.gapAt, sink)
		if info.class >= classToken {
			s.open(i, info)
		}
	}
}

// cutChain settles the head of a long row of groups; reading goes on from the
// part that is kept.
func (s *Splitter) cutChain(buf []byte, i int, sink Sink) bool {
	keep := i
	for k := i - keepChain; k < s.gapAt; k++ {
		if table[buf[k]].class == classSpace && table[buf[k+1]].class != classSpace {
			keep = k + 1
			break
		}
	}
	resume, _ := sink.Segment(Segment{Start: s.start, End: s.gapAt, Flags: s.flags, Digits: s.digits, Partial: true, Keep: keep})
	s.rewind(max(resume, keep))
	return true
}

func (s *Splitter) tooLong(origin []int32, i int) bool {
	if i-s.start >= MaxLen {
		return true
	}
	return origin != nil && origin[i]-origin[s.start] >= MaxLen
}

// cutToken settles the head of a token that is longer than any entity.
func (s *Splitter) cutToken(buf []byte, end int, sink Sink) {
	keep := max(s.start+1, end-keepLong)
	for keep < end && buf[keep]&0xC0 == 0x80 {
		keep++
	}
	seg := Segment{Start: s.start, End: end, Flags: s.flags, Digits: s.digits, Partial: true, Keep: keep, Open: true}
	resume, swallow := sink.Segment(seg)
	if swallow {
		s.state, s.pemLine = swallowing, s.flags&HasPEM != 0
		return
	}
	s.rewind(max(resume, keep))
}

// rewind reads again from a position inside the segment that was cut.
func (s *Splitter) rewind(to int) {
	s.pos, s.state, s.ac = to, idle, 0
}
