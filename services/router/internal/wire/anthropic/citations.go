package anthropic

import (
	"slices"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// scanner reads what is peculiar to the format.
type scanner struct{ jsonscan.Scanner }

func newScanner(data []byte) scanner { return scanner{jsonscan.Scanner{Data: data}} }

// citations reads a list of citations of any kind.
func (s *scanner) citations() []*llmv1.Citation {
	if s.Peek() != '[' {
		s.Skip()
		return nil
	}
	var out []*llmv1.Citation
	for s.Open('['); s.Next(']'); {
		if s.Peek() != '{' {
			s.Skip()
			continue
		}
		out = append(out, s.citation())
	}
	return out
}

// citation copies what it reads, for the data may be a buffer that is used
// again. Places are counted in characters, pages or blocks of the document, not
// in its bytes: they stay in the native form only.
func (s *scanner) citation() *llmv1.Citation {
	c := &llmv1.Citation{}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "document_title", "title":
			if t := s.OptionalText(); t.End > t.Start {
				c.Title = strings.Clone(s.Value(t))
			}
		case "url", "source":
			if t := s.OptionalText(); t.End > t.Start {
				c.Uri = strings.Clone(s.Value(t))
			}
		default:
			s.Skip()
		}
	}
	return c
}

// appendCitation writes a citation as one of a passage that the caller had
// found: the one kind that needs no document in the request. A source without
// an address is named by its document.
func appendCitation(dst []byte, c *llmv1.Citation, index int) []byte {
	source := c.GetUri()
	if source == "" {
		source = c.GetDocument()
	}
	dst = append(dst, `{"type":"search_result_location","cited_text":"","source":`...)
	dst = jsonscan.AppendString(dst, source)
	dst = append(dst, `,"title":`...)
	dst = jsonscan.AppendString(dst, c.GetTitle())
	dst = append(dst, `,"search_result_index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	return append(dst, `,"start_block_index":0,"end_block_index":1}`...)
}

// cited returns the citations of a text: those that it has, and the sources
// whose marker stands in it, if they are not among them.
func cited(have, sources []*llmv1.Citation, text string) []*llmv1.Citation {
	for _, source := range sources {
		known := source.GetMarker() == "" || slices.ContainsFunc(have, func(c *llmv1.Citation) bool {
			return c.GetMarker() == source.GetMarker()
		})
		if !known && strings.Contains(text, "["+source.GetMarker()+"]") {
			have = append(have[:len(have):len(have)], source)
		}
	}
	return have
}

func appendCitations(dst []byte, citations []*llmv1.Citation) []byte {
	dst = append(dst, '[')
	for i, c := range citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, c, i)
	}
	return append(dst, ']')
}
