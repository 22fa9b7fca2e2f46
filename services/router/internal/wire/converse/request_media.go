package converse

import (
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// maxBlob is the most bytes of one picture, recording or file.
const maxBlob = 20 << 20

var (
	mediaNames  = jsonscan.Names{"format", "source"}
	fileNames   = jsonscan.Names{"format", "name", "context", "source"}
	sourceNames = jsonscan.Names{"bytes", "s3Location"}
	textSources = jsonscan.Names{"bytes", "s3Location", "text", "content"}
	objectNames = jsonscan.Names{"uri"}
)

// media reads a picture or a recording.
func (p *parser) media(g *group, known []format, at *jsonscan.Path) error {
	var name string
	blob := &llmv1.Blob{}
	err := p.object(mediaNames, at, func(member string, in *jsonscan.Path) error {
		if member == "format" {
			return p.text(&name, in)
		}
		return p.source(blob, in)
	})
	if err != nil || p.Err != nil {
		return err
	}
	if blob.GetSource() == nil {
		return (&jsonscan.Path{Parent: at, Name: "source"}).Invalid("is required")
	}
	if blob.MediaType = mediaOf(known, name); blob.GetMediaType() == "" {
		return (&jsonscan.Path{Parent: at, Name: "format"}).Invalid("must be a format that is known, such as %s", known[0].name)
	}
	if &known[0] == &soundFormats[0] {
		g.add(&llmv1.Part{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{Blob: blob}}})
	} else {
		g.add(&llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: blob}}})
	}
	return nil
}

// document reads a file. One that is text is carried as its texts, with its name
// before them, so that they are looked at like any other.
func (p *parser) document(g *group, at *jsonscan.Path) error {
	var format string
	var name, context, texts group
	out := &llmv1.Document{Blob: &llmv1.Blob{}}
	var where jsonscan.Span
	err := p.object(fileNames, at, func(member string, in *jsonscan.Path) error {
		switch member {
		case "format":
			return p.text(&format, in)
		case "name":
			return p.textBlock(&name, in)
		case "context":
			return p.textBlock(&context, in)
		default:
			return p.object(textSources, in, func(member string, in *jsonscan.Path) error {
				if out.GetBlob().GetSource() != nil || len(texts.parts) > 0 {
					return in.Invalid("must be the only source")
				}
				start := p.ValueStart()
				err := p.sourceMember(member, out.GetBlob(), &texts, in)
				where = jsonscan.Span{Start: start + 1, End: p.At - 1} // within the quotes
				return err
			})
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	if out.GetBlob().GetSource() == nil && len(texts.parts) == 0 {
		return (&jsonscan.Path{Parent: at, Name: "source"}).Invalid("is required")
	}
	if format == "" {
		format = fileFormats[0].name
	}
	if out.Blob.MediaType = mediaOf(fileFormats, format); out.GetBlob().GetMediaType() == "" {
		return (&jsonscan.Path{Parent: at, Name: "format"}).Invalid("must be pdf, csv, doc, docx, xls, xlsx, html, txt or md")
	}
	if data := out.GetBlob().GetData(); len(data) > 0 && strings.HasPrefix(out.GetBlob().GetMediaType(), "text/") && utf8.Valid(data) {
		texts.add(newText(string(data)), place{Span: where, kind: encoded})
	}
	if len(texts.parts) == 0 {
		if len(name.parts) > 0 {
			out.Title = name.parts[0].GetText().GetText()
		}
		g.parts, g.texts = append(g.parts, context.parts...), append(g.texts, context.texts...)
		g.add(&llmv1.Part{Content: &llmv1.Part_Document{Document: out}})
		return nil
	}
	for _, of := range []group{name, context, texts} {
		g.parts, g.texts = append(g.parts, of.parts...), append(g.texts, of.texts...)
	}
	return nil
}

// source reads where a picture's or a recording's bytes are.
func (p *parser) source(blob *llmv1.Blob, at *jsonscan.Path) error {
	return p.object(sourceNames, at, func(name string, in *jsonscan.Path) error {
		if blob.GetSource() != nil {
			return in.Invalid("must be the only source")
		}
		return p.sourceMember(name, blob, nil, in)
	})
}

// sourceMember reads bytes, an address, or the texts of a document.
func (p *parser) sourceMember(name string, blob *llmv1.Blob, texts *group, at *jsonscan.Path) error {
	switch name {
	case "bytes":
		data, err := p.blob(at)
		blob.Source = &llmv1.Blob_Data{Data: data}
		return err
	case "s3Location":
		var uri string
		if err := p.object(objectNames, at, func(_ string, in *jsonscan.Path) error { return p.text(&uri, in) }); err != nil {
			return err
		}
		if p.Err == nil && (!strings.HasPrefix(uri, "s3://") || len(uri) > 1024) {
			return (&jsonscan.Path{Parent: at, Name: "uri"}).Invalid("must be an s3: address of at most 1024 characters")
		}
		blob.Source = &llmv1.Blob_Uri{Uri: uri}
		return nil
	case "text":
		return p.textBlock(texts, at)
	default:
		return p.textList(texts, at)
	}
}

// textList reads a list of objects that hold texts.
func (p *parser) textList(g *group, at *jsonscan.Path) error {
	return p.list(maxBlocks, at, func(in *jsonscan.Path) error {
		return p.object(justTextNames, in, func(_ string, in *jsonscan.Path) error { return p.textBlock(g, in) })
	})
}
