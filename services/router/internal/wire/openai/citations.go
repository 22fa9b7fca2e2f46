package openai

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// citations reads annotations. Kinds other than url_citation stay in the
// native form only.
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
		for s.Open('{'); s.Next('}'); {
			if string(s.Key()) == "url_citation" && s.Peek() == '{' {
				out = append(out, s.citation())
				continue
			}
			s.Skip()
		}
	}
	return out
}

// citation copies what it reads, for the data may be a buffer that is used again.
func (s *scanner) citation() *llmv1.Citation {
	c := &llmv1.Citation{}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "url":
			c.Uri = strings.Clone(s.OptionalValue(s.OptionalText()))
		case "title":
			c.Title = strings.Clone(s.OptionalValue(s.OptionalText()))
		default:
			s.Skip()
		}
	}
	return c
}

// webSources is where an answer of Perplexity's lists what it rests on: texts
// refer to the list by [1], [2] and so on.
type webSources struct{ urls, results jsonscan.Span }

// read makes citations; data is what the spans stand in.
func (w webSources) read(data []byte) []*llmv1.Citation {
	var out []*llmv1.Citation
	add := func(c *llmv1.Citation) {
		if c.GetUri() != "" && len(out) < maxCitations {
			c.Marker = strconv.Itoa(len(out) + 1)
			out = append(out, c)
		}
	}
	s := newScanner(data[w.results.Start:w.results.End])
	if s.Peek() == '[' {
		for s.Open('['); s.Next(']'); {
			if s.Peek() != '{' {
				s.Skip()
				continue
			}
			add(s.citation())
		}
	}
	if len(out) > 0 || s.Err != nil {
		return out
	}
	s = newScanner(data[w.urls.Start:w.urls.End])
	if s.Peek() == '[' {
		for s.Open('['); s.Next(']'); {
			add(&llmv1.Citation{Uri: strings.Clone(s.OptionalValue(s.OptionalText()))})
		}
	}
	return out
}

// appendCitations writes citations as annotations. The place of each is where
// its marker stands in the text, in characters; 0 to 0 if it stands nowhere.
func appendCitations(dst []byte, citations []*llmv1.Citation, text string) []byte {
	dst = append(dst, '[')
	for i, c := range citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		var start, end int
		marker := "[" + c.GetMarker() + "]"
		if at := strings.Index(text, marker); at >= 0 && c.GetMarker() != "" {
			start = utf8.RuneCountInString(text[:at])
			end = start + utf8.RuneCountInString(marker)
		}
		dst = appendCitation(dst, c, start, end)
	}
	return append(dst, ']')
}

// appendCitation writes one citation. A source without an address is named by
// its document.
func appendCitation(dst []byte, c *llmv1.Citation, start, end int) []byte {
	uri := c.GetUri()
	if uri == "" {
		uri = c.GetDocument()
	}
	dst = append(dst, `{"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(end), 10)
	dst = append(dst, `,"url":`...)
	dst = jsonscan.AppendString(dst, uri)
	dst = append(dst, `,"title":`...)
	dst = jsonscan.AppendString(dst, c.GetTitle())
	return append(dst, `}}`...)
}

// cited adds the sources whose marker stands in the text, if they are not
// among the citations yet.
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
