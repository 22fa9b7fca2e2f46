package converse

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// maxBlob is the most bytes of one picture, recording or file.
const maxBlob = 20 << 20

var (
	mediaNames  = jsonscan.Names{"format", "source"}
	fileNames   = jsonscan.Names{"format", "name", "source"}
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
		return p.source(sourceNames, blob, in)
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

func (p *parser) document(g *group, at *jsonscan.Path) error {
	var name string
	out := &llmv1.Document{Blob: &llmv1.Blob{}}
	err := p.object(fileNames, at, func(member string, in *jsonscan.Path) error {
		switch member {
		case "format":
			return p.text(&name, in)
		case "name":
			return p.text(&out.Title, in)
		default:
			return p.source(textSources, out.GetBlob(), in)
		}
	})
	if err != nil || p.Err != nil {
		return err
	}
	if out.GetBlob().GetSource() == nil {
		return (&jsonscan.Path{Parent: at, Name: "source"}).Invalid("is required")
	}
	if name == "" {
		name = "txt" // what a text or a list of texts is
		if out.GetBlob().GetMediaType() == "" {
			name = "pdf"
		}
	}
	if out.Blob.MediaType = mediaOf(fileFormats, name); out.GetBlob().GetMediaType() == "" {
		return (&jsonscan.Path{Parent: at, Name: "format"}).Invalid("must be pdf, csv, doc, docx, xls, xlsx, html, txt or md")
	}
	g.add(&llmv1.Part{Content: &llmv1.Part_Document{Document: out}})
	return nil
}

// source reads where a blob's bytes are.
func (p *parser) source(known jsonscan.Names, blob *llmv1.Blob, at *jsonscan.Path) error {
	set := func(source *llmv1.Blob, in *jsonscan.Path) error {
		if blob.GetSource() != nil {
			return in.Invalid("must be the only source")
		}
		blob.Source, blob.MediaType = source.GetSource(), source.GetMediaType()
		return nil
	}
	return p.object(known, at, func(name string, in *jsonscan.Path) error {
		switch name {
		case "bytes":
			data, err := p.blob(in)
			if err != nil {
				return err
			}
			return set(&llmv1.Blob{Source: &llmv1.Blob_Data{Data: data}}, in)
		case "s3Location":
			var uri string
			if err := p.object(objectNames, in, func(_ string, in *jsonscan.Path) error { return p.text(&uri, in) }); err != nil {
				return err
			}
			if p.Err == nil && (!strings.HasPrefix(uri, "s3://") || len(uri) > 1024) {
				return (&jsonscan.Path{Parent: in, Name: "uri"}).Invalid("must be an s3: address of at most 1024 characters")
			}
			return set(&llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: uri}}, in)
		default:
			text, err := p.plain(name, in)
			if err != nil || p.Err != nil {
				return err
			}
			if text == "" || len(text) > maxBlob {
				return in.Invalid("must have 1 to %d bytes", maxBlob)
			}
			return set(&llmv1.Blob{Source: &llmv1.Blob_Data{Data: []byte(text)}, MediaType: "text/plain"}, in)
		}
	})
}

// plain reads a document that is a text, or a list of texts.
func (p *parser) plain(name string, at *jsonscan.Path) (string, error) {
	var one string
	if name == "text" {
		err := p.text(&one, at)
		return one, err
	}
	var all []string
	err := p.list(maxBlocks, at, func(in *jsonscan.Path) error {
		return p.object(justTextNames, in, func(_ string, in *jsonscan.Path) error {
			err := p.text(&one, in)
			all = append(all, one)
			return err
		})
	})
	return strings.Join(all, "\n\n"), err
}
