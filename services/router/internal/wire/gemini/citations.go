package gemini

import (
	"slices"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// grounding is where an answer's sources stand.
type grounding struct {
	whole    jsonscan.Span
	supports jsonscan.Span // they spell the text
}

// readGrounding reads the pages that an answer rests on.
func (s *scanner) readGrounding(g *grounding) (out []*llmv1.Citation) {
	g.whole.Start = s.ValueStart()
	s.members(func(name []byte) {
		switch string(name) {
		case "groundingChunks":
			s.elements(func() {
				s.members(func(kind []byte) {
					if k := string(kind); k == "web" || k == "retrievedContext" || k == "maps" {
						out = append(out, s.citation())
						return
					}
					s.Skip()
				})
			})
		case "groundingSupports":
			g.supports = s.Skip()
		default:
			s.Skip()
		}
	})
	g.whole.End = s.At
	return out
}

// readCitations reads the works that an answer quotes.
func (s *scanner) readCitations() (out []*llmv1.Citation) {
	s.members(func(name []byte) {
		if n := string(name); n == "citations" || n == "citationSources" {
			s.elements(func() { out = append(out, s.citation()) })
			return
		}
		s.Skip()
	})
	return out
}

// citation copies what it reads, for the data may be a buffer that is used again.
func (s *scanner) citation() *llmv1.Citation {
	c := &llmv1.Citation{}
	s.members(func(name []byte) {
		switch string(name) {
		case "uri":
			c.Uri = strings.Clone(s.OptionalValue(s.OptionalText()))
		case "title":
			c.Title = strings.Clone(s.OptionalValue(s.OptionalText()))
		default:
			s.Skip()
		}
	})
	return c
}

// citedPlace is a source and where the text refers to it, in bytes of a part.
type citedPlace struct {
	source           *llmv1.Citation
	part, start, end int
}

// cited lists the citations of an answer and the sources whose marker stands
// in its text.
func cited(m *llmv1.Message, sources []*llmv1.Citation) []citedPlace {
	var out []citedPlace
	written := 0
	for _, p := range m.GetParts() {
		text := p.GetText()
		for _, c := range text.GetCitations() {
			out = append(out, citedIn(c, text.GetText(), written))
		}
		for _, source := range sources {
			if source.GetMarker() == "" || hasMarker(out, source.GetMarker()) {
				continue
			}
			if found := citedIn(source, text.GetText(), written); found.end > 0 {
				out = append(out, found)
			}
		}
		written++
	}
	return out
}

func hasMarker(places []citedPlace, marker string) bool {
	return slices.ContainsFunc(places, func(p citedPlace) bool { return p.source.GetMarker() == marker })
}

// citedIn finds a source's marker in a text; its end is 0 if it stands nowhere.
func citedIn(source *llmv1.Citation, text string, part int) citedPlace {
	found := citedPlace{source: source, part: part}
	marker := "[" + source.GetMarker() + "]"
	if at := strings.Index(text, marker); at >= 0 && source.GetMarker() != "" {
		found.start, found.end = at, at+len(marker)
	}
	return found
}

// grounding writes citations as sources of the answer, if there are any.
func (e *encoder) grounding(places []citedPlace) {
	if len(places) > 0 {
		e.member("groundingMetadata")
		e.buf = appendGrounding(e.buf, places)
	}
}

// appendGrounding writes the sources, and the places in the text that rest on
// them. A source without an address is named by its document.
func appendGrounding(dst []byte, places []citedPlace) []byte {
	dst = append(dst, `{"groundingChunks":[`...)
	for i, p := range places {
		if i > 0 {
			dst = append(dst, ',')
		}
		uri := p.source.GetUri()
		if uri == "" {
			uri = p.source.GetDocument()
		}
		dst = append(dst, `{"web":{"uri":`...)
		dst = jsonscan.AppendString(dst, uri)
		dst = append(dst, `,"title":`...)
		dst = jsonscan.AppendString(dst, p.source.GetTitle())
		dst = append(dst, `}}`...)
	}
	dst = append(dst, `],"groundingSupports":[`...)
	for i, p := range places {
		if p.end == 0 {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"segment":{"partIndex":`...)
		dst = strconv.AppendInt(dst, int64(p.part), 10)
		dst = append(dst, `,"startIndex":`...)
		dst = strconv.AppendInt(dst, int64(p.start), 10)
		dst = append(dst, `,"endIndex":`...)
		dst = strconv.AppendInt(dst, int64(p.end), 10)
		dst = append(dst, `,"text":`...)
		dst = jsonscan.AppendString(dst, "["+p.source.GetMarker()+"]")
		dst = append(dst, `},"groundingChunkIndices":[`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `]}`...)
	}
	return append(dst, `]}`...)
}
