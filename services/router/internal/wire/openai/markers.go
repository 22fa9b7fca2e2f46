package openai

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// maxMarker is the longest marker that is looked for in a stream.
const maxMarker = 16

// markers finds the markers of sources in a text that comes in pieces, such as
// [1], and where they stand, in characters.
type markers struct {
	position int // of the next character
	open     int // of the bracket that may begin a marker
	name     []byte
	inside   bool
	found    []place
}

// place is a marker in the text.
type place struct {
	source     *llmv1.Citation
	start, end int
	cited      bool
}

// add reads one more piece.
func (m *markers) add(text []byte, sources []*llmv1.Citation) {
	if len(sources) == 0 {
		return
	}
	for _, c := range text {
		if c&0xC0 == 0x80 { // within a character
			m.grow(c)
			continue
		}
		switch {
		case c == '[':
			m.inside, m.open, m.name = true, m.position, m.name[:0]
		case c == ']' && m.inside:
			m.inside = false
			m.note(sources)
		default:
			m.grow(c)
		}
		m.position++
	}
}

func (m *markers) grow(c byte) {
	if m.inside {
		m.name = append(m.name, c)
		m.inside = len(m.name) <= maxMarker
	}
}

func (m *markers) note(sources []*llmv1.Citation) {
	at := slices.IndexFunc(sources, func(s *llmv1.Citation) bool { return s.GetMarker() == string(m.name) })
	known := slices.ContainsFunc(m.found, func(p place) bool { return p.source.GetMarker() == string(m.name) })
	if len(m.name) > 0 && at >= 0 && !known {
		m.found = append(m.found, place{source: sources[at], start: m.open, end: m.position + 1})
	}
}

// uncited returns the places that have not been written yet.
func (m *markers) uncited() bool {
	return slices.ContainsFunc(m.found, func(p place) bool { return !p.cited })
}

// appendUncited writes what is found and not written yet as annotations.
func (m *markers) appendUncited(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range m.found {
		p := &m.found[i]
		if p.cited {
			continue
		}
		p.cited = true
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, p.source, p.start, p.end)
	}
	return append(dst, ']')
}

// appendKnown writes citations that a provider made, with their places as far
// as they are known.
func (m *markers) appendKnown(dst []byte, citations []*llmv1.Citation) []byte {
	dst = append(dst, '[')
	for i, c := range citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		var at place
		for j := range m.found {
			if p := &m.found[j]; p.source.GetMarker() == c.GetMarker() && !p.cited {
				p.cited = true
				at = *p
			}
		}
		dst = appendCitation(dst, c, at.start, at.end)
	}
	return append(dst, ']')
}
