package converse

import (
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// maxCitations is the most citations of one text.
const maxCitations = 1024

// readCitations reads a list of citations, leniently.
func readCitations(s *jsonscan.Scanner) []*llmv1.Citation {
	if s.Peek() != '[' {
		s.Skip()
		return nil
	}
	var out []*llmv1.Citation
	for s.Open('['); s.Next(']'); {
		c := readCitation(s)
		if c != nil && len(out) < maxCitations {
			out = append(out, c)
		}
	}
	return out
}

// readCitation reads a citation: where it points, as far as the canonical form
// can say it. It copies what it reads, for the data may be a buffer that is
// used again.
func readCitation(s *jsonscan.Scanner) *llmv1.Citation {
	if s.Peek() != '{' {
		s.Skip()
		return nil
	}
	c := &llmv1.Citation{}
	for s.Open('{'); s.Next('}'); {
		switch key := string(s.Key()); {
		case key == "title":
			c.Title = strings.Clone(s.OptionalValue(s.OptionalText()))
		case key == "source":
			if source := s.OptionalValue(s.OptionalText()); c.GetUri() == "" {
				c.Uri = strings.Clone(source)
			}
		case key == "location" && s.Peek() == '{':
			for s.Open('{'); s.Next('}'); {
				if string(s.Key()) == "web" && s.Peek() == '{' {
					readWeb(s, c)
					continue
				}
				s.Skip()
			}
		default:
			s.Skip()
		}
	}
	return c
}

func readWeb(s *jsonscan.Scanner, c *llmv1.Citation) {
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == "url" {
			c.Uri = strings.Clone(s.OptionalValue(s.OptionalText()))
			continue
		}
		s.Skip()
	}
}

// appendCitation writes a citation. A source without an address is named by its
// document.
func appendCitation(dst []byte, c *llmv1.Citation) []byte {
	uri := c.GetUri()
	if uri == "" {
		uri = c.GetDocument()
	}
	dst = append(dst, `{"title":`...)
	dst = jsonscan.AppendString(dst, c.GetTitle())
	dst = append(dst, `,"source":`...)
	dst = jsonscan.AppendString(dst, uri)
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		dst = append(dst, `,"location":{"web":{"url":`...)
		dst = jsonscan.AppendString(dst, uri)
		dst = append(dst, `}}`...)
	}
	return append(dst, '}')
}

// appendCitations writes a block of citations. They stand in a block of their
// own behind the texts: a text with citations would be a block of another kind,
// which a client that reads texts passes over.
func appendCitations(dst []byte, citations []*llmv1.Citation) []byte {
	dst = append(dst, `{"citationsContent":{"content":[],"citations":[`...)
	for i, c := range citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, c)
	}
	return append(dst, `]}}`...)
}

// cited adds the sources whose marker stands in the text, if they are not
// among the citations yet.
func cited(have, sources []*llmv1.Citation, text string) []*llmv1.Citation {
	for _, source := range sources {
		if source.GetMarker() != "" && !hasMarker(have, source.GetMarker()) && strings.Contains(text, "["+source.GetMarker()+"]") {
			have = append(have[:len(have):len(have)], source)
		}
	}
	return have
}

func hasMarker(citations []*llmv1.Citation, marker string) bool {
	return slices.ContainsFunc(citations, func(c *llmv1.Citation) bool { return c.GetMarker() == marker })
}

// maxMarker is the longest marker that is looked for in a stream.
const maxMarker = 16

// markers finds the markers of sources in a text that comes in pieces.
type markers struct {
	name   []byte
	inside bool
	found  []*llmv1.Citation
}

// add reads one more piece.
func (m *markers) add(text []byte, sources []*llmv1.Citation) {
	if len(sources) == 0 {
		return
	}
	for _, c := range text {
		switch {
		case c == '[':
			m.inside, m.name = true, m.name[:0]
		case !m.inside:
		case c == ']':
			m.inside = false
			at := slices.IndexFunc(sources, func(s *llmv1.Citation) bool { return s.GetMarker() == string(m.name) })
			if len(m.name) > 0 && at >= 0 && !hasMarker(m.found, string(m.name)) {
				m.found = append(m.found, sources[at])
			}
		default:
			m.name = append(m.name, c)
			m.inside = len(m.name) <= maxMarker
		}
	}
}
