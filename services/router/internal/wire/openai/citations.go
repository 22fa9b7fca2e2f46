package openai

import (
	"strconv"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// citations reads annotations. Kinds other than url_citation stay in the
// native form only.
func (s *scanner) citations() []*llmv1.Citation {
	if s.peek() != '[' {
		s.skip()
		return nil
	}
	var out []*llmv1.Citation
	for s.open('['); s.next(']'); {
		if s.peek() != '{' {
			s.skip()
			continue
		}
		for s.open('{'); s.next('}'); {
			if string(s.key()) == "url_citation" && s.peek() == '{' {
				out = append(out, s.citation())
				continue
			}
			s.skip()
		}
	}
	return out
}

// citation copies what it reads, for the data may be a buffer that is used again.
func (s *scanner) citation() *llmv1.Citation {
	c := &llmv1.Citation{}
	for s.open('{'); s.next('}'); {
		switch string(s.key()) {
		case "url":
			c.Uri = strings.Clone(s.optionalValue(s.optionalText()))
		case "title":
			c.Title = strings.Clone(s.optionalValue(s.optionalText()))
		default:
			s.skip()
		}
	}
	return c
}

// appendCitations writes citations as annotations.
func appendCitations(dst []byte, citations []*llmv1.Citation, text string) []byte {
	dst = append(dst, '[')
	for i, c := range citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, c, text)
	}
	return append(dst, ']')
}

// appendCitation writes one citation. Its place, in characters, is where its
// marker stands in the text; 0 to 0 if it stands nowhere, or the text is not
// at hand. A source without an address is named by its document.
func appendCitation(dst []byte, c *llmv1.Citation, text string) []byte {
	var start, end int
	marker := "[" + c.GetMarker() + "]"
	if at := strings.Index(text, marker); at >= 0 && c.GetMarker() != "" {
		start = utf8.RuneCountInString(text[:at])
		end = start + utf8.RuneCountInString(marker)
	}
	uri := c.GetUri()
	if uri == "" {
		uri = c.GetDocument()
	}
	dst = append(dst, `{"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(end), 10)
	dst = append(dst, `,"url":`...)
	dst = appendString(dst, uri)
	dst = append(dst, `,"title":`...)
	dst = appendString(dst, c.GetTitle())
	return append(dst, `}}`...)
}
