package anthropic

import (
	"encoding/base64"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Bounds of media.
const (
	maxBlob  = 20 << 20
	maxURL   = 8192
	maxTitle = 512
)

// source is where a picture or a document comes from.
type source struct {
	kind, media, data, url string
	text                   jsonscan.Token // data, where that is plain text
	content                jsonscan.Span
}

var sourceNames = jsonscan.Names{"type", "media_type", "data", "url", "content"}

// readSource reads a source. What it does not know is noted if the source is
// of a kind that it does.
func (p *parser) readSource(b *block, at *jsonscan.Path) (s source, err error) {
	if b.source.End == 0 || p.Data[b.source.Start] != '{' {
		return s, at.Invalid("must be an object")
	}
	noted := len(p.req.unexpressed)
	err = p.reread(b.source, func() error {
		return p.object(sourceNames, at, func(name string) error {
			in := &jsonscan.Path{Parent: at, Name: name}
			switch name {
			case "type":
				return p.stringMember(&s.kind, in)
			case "media_type":
				return p.stringMember(&s.media, in)
			case "url":
				return p.stringMember(&s.url, in)
			case "data":
				err := p.textMember(&s.text, in)
				if err == nil {
					s.data = p.Value(s.text)
				}
				return err
			default:
				s.content = p.Skip()
				return nil
			}
		})
	})
	if err == nil && p.Err == nil && s.kind == "file" {
		// An uploaded file: only its provider has it.
		p.req.unexpressed = p.req.unexpressed[:noted]
		p.unexpressed(at)
	}
	return s, err
}

func (p *parser) image(g *group, b *block, at *jsonscan.Path) error {
	in := &jsonscan.Path{Parent: at, Name: "source"}
	s, err := p.readSource(b, in)
	if err != nil || p.Err != nil || s.kind == "file" {
		return err
	}
	blob, err := s.blob(in)
	if err != nil {
		return err
	}
	if blob.GetUri() == "" && !strings.HasPrefix(blob.GetMediaType(), "image/") {
		return (&jsonscan.Path{Parent: in, Name: "media_type"}).Invalid("must be of a type such as image/png")
	}
	g.parts = append(g.parts, &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: blob}}})
	return nil
}

// blob reads bytes or an address.
func (s *source) blob(at *jsonscan.Path) (*llmv1.Blob, error) {
	switch s.kind {
	case "base64":
		in := &jsonscan.Path{Parent: at, Name: "data"}
		if base64.StdEncoding.DecodedLen(len(s.data)) > maxBlob+2 {
			return nil, in.Invalid("must not have more than %d bytes", maxBlob)
		}
		decoded, err := base64.StdEncoding.DecodeString(s.data)
		if err != nil || len(decoded) == 0 {
			return nil, in.Invalid("must be base64")
		}
		if s.media == "" || len(s.media) > 128 {
			return nil, (&jsonscan.Path{Parent: at, Name: "media_type"}).Invalid("must have 1 to 128 characters")
		}
		return &llmv1.Blob{Source: &llmv1.Blob_Data{Data: decoded}, MediaType: s.media}, nil
	case "url":
		if !strings.HasPrefix(s.url, "https://") && !strings.HasPrefix(s.url, "http://") || len(s.url) > maxURL {
			return nil, (&jsonscan.Path{Parent: at, Name: "url"}).Invalid("must be an address of at most %d characters", maxURL)
		}
		return &llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: s.url}, MediaType: s.media}, nil
	default:
		return nil, (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be base64, url or file")
	}
}

// document reads a document. One that is text is read as texts, with its title
// and context: so guardrails look at all of it, and any model can read it.
func (p *parser) document(g *group, b *block, at *jsonscan.Path) error {
	in := &jsonscan.Path{Parent: at, Name: "source"}
	s, err := p.readSource(b, in)
	if err != nil || p.Err != nil {
		return err
	}
	if err := p.citationsSwitch(b, at); err != nil {
		return err
	}
	if b.context.End > b.context.Start {
		g.addText(p, b.context)
	}
	switch s.kind {
	case "text", "content":
		if b.title.End > b.title.Start {
			g.addText(p, b.title)
		}
	case "file":
		return nil
	}
	switch s.kind {
	case "text":
		if s.text.Start == 0 {
			return (&jsonscan.Path{Parent: in, Name: "data"}).Invalid("is required")
		}
		g.addText(p, s.text)
		return nil
	case "content":
		within := &jsonscan.Path{Parent: in, Name: "content"}
		if s.content.End == 0 {
			return within.Invalid("is required")
		}
		return p.reread(s.content, func() error { return p.inner(g, within) })
	}
	blob, err := s.blob(in)
	if err != nil {
		return err
	}
	if blob.GetUri() != "" && blob.GetMediaType() == "" {
		blob.MediaType = "application/pdf" // the only kind that has an address
	}
	title := p.OptionalValue(b.title)
	if len(title) > maxTitle {
		return (&jsonscan.Path{Parent: at, Name: "title"}).Invalid("must have at most %d characters", maxTitle)
	}
	g.parts = append(g.parts, &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: blob, Title: title}}})
	return nil
}

// searchResult reads a passage that the caller has found as texts.
func (p *parser) searchResult(g *group, b *block, at *jsonscan.Path) error {
	in := &jsonscan.Path{Parent: at, Name: "source"}
	if b.source.End == 0 || p.Data[b.source.Start] != '"' {
		return in.Invalid("must be a string")
	}
	if err := p.citationsSwitch(b, at); err != nil {
		return err
	}
	err := p.reread(b.source, func() error {
		g.addText(p, p.Text())
		return nil
	})
	if err != nil {
		return err
	}
	if b.title.End > b.title.Start {
		g.addText(p, b.title)
	}
	within := &jsonscan.Path{Parent: at, Name: "content"}
	if b.content.End == 0 {
		return within.Invalid("is required")
	}
	return p.reread(b.content, func() error { return p.inner(g, within) })
}

var switchNames = jsonscan.Names{"enabled"}

// citationsSwitch notes that the answer shall cite the document.
func (p *parser) citationsSwitch(b *block, at *jsonscan.Path) error {
	if b.citations.End == 0 {
		return nil
	}
	in := &jsonscan.Path{Parent: at, Name: "citations"}
	return p.reread(b.citations, func() error {
		return p.object(switchNames, in, func(name string) error {
			within := &jsonscan.Path{Parent: in, Name: name}
			var f flag
			err := p.flag(&f, within)
			if f.value {
				p.unexpressed(in)
			}
			return err
		})
	})
}

// citedIn reads the citations of a text of the history.
func (p *parser) citedIn(g *group, b *block, at *jsonscan.Path) error {
	if b.citations.End == 0 {
		return nil
	}
	if p.Data[b.citations.Start] != '[' {
		return (&jsonscan.Path{Parent: at, Name: "citations"}).Invalid("must be an array")
	}
	s := scanner{jsonscan.Scanner{Data: p.Data[b.citations.Start:b.citations.End]}}
	g.parts[len(g.parts)-1].GetText().Citations = s.citations()
	return nil
}
