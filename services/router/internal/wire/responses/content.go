package responses

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// content reads a text, or parts.
func (p *parser) content(at *jsonscan.Path) ([]*llmv1.Part, error) {
	if p.Peek() == '"' {
		return []*llmv1.Part{textPart(p.Value(p.Text()))}, nil
	}
	if p.Peek() != '[' {
		return nil, at.Invalid("must be a string or an array of parts")
	}
	var parts []*llmv1.Part
	err := p.list(at, maxParts, func(in *jsonscan.Path) error {
		part, err := p.part(in)
		if err == nil && p.Err == nil {
			parts = append(parts, part)
		}
		return err
	})
	return parts, err
}

// part is one content part's members.
type part struct {
	kind, text, refusal                 string
	imageURL, detail                    string
	fileData, filename, fileURL, fileID string
	citations                           []*llmv1.Citation
	haveText, haveRefusal               bool
}

var partNames = jsonscan.Names{
	"type", "text", "refusal", "annotations", "logprobs", "image_url", "detail", "file_id", "file_data", "filename", "file_url",
}

func (p *parser) part(at *jsonscan.Path) (*llmv1.Part, error) {
	var one part
	err := p.object(at, partNames, func(name string, in *jsonscan.Path) error {
		switch name {
		case "type":
			return p.text(&one.kind, in)
		case "text":
			one.haveText = true
			return p.text(&one.text, in)
		case "refusal":
			one.haveRefusal = true
			return p.text(&one.refusal, in)
		case "annotations":
			return p.annotations(&one, in)
		case "image_url":
			return p.text(&one.imageURL, in)
		case "detail":
			return p.text(&one.detail, in)
		case "file_id":
			return p.text(&one.fileID, in)
		case "file_data":
			return p.text(&one.fileData, in)
		case "filename":
			return p.text(&one.filename, in)
		case "file_url":
			return p.text(&one.fileURL, in)
		}
		p.Skip() // log probabilities of an earlier answer
		return nil
	})
	if err != nil || p.Err != nil {
		return nil, err
	}
	return one.canonical(at)
}

func (one *part) canonical(at *jsonscan.Path) (*llmv1.Part, error) {
	required := func(name string) error { return (&jsonscan.Path{Parent: at, Name: name}).Invalid("is required") }
	switch one.kind {
	case "input_text", "output_text", "text":
		if !one.haveText {
			return nil, required("text")
		}
		out := textPart(one.text)
		out.GetText().Citations = one.citations
		return out, nil
	case "refusal":
		if !one.haveRefusal {
			return nil, required("refusal")
		}
		return textPart(one.refusal), nil
	case "input_image", "input_file":
		if one.fileID != "" {
			return nil, (&jsonscan.Path{Parent: at, Name: "file_id"}).Unsupported("names an uploaded file; send its bytes")
		}
		if one.kind == "input_image" {
			return one.image(at)
		}
		return one.file(at)
	case "":
		return nil, required("type")
	default:
		return nil, (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be input_text, output_text, refusal, input_image or input_file")
	}
}

func (one *part) image(at *jsonscan.Path) (*llmv1.Part, error) {
	blob, err := openai.ReadImage(one.imageURL, &jsonscan.Path{Parent: at, Name: "image_url"})
	if err != nil {
		return nil, err
	}
	detail := one.detail
	if detail == "auto" { // the default
		detail = ""
	}
	return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: blob, Detail: detail}}}, nil
}

func (one *part) file(at *jsonscan.Path) (*llmv1.Part, error) {
	var blob *llmv1.Blob
	var err error
	if one.fileURL != "" {
		in := &jsonscan.Path{Parent: at, Name: "file_url"}
		if !strings.HasPrefix(one.fileURL, "https://") {
			return nil, in.Invalid("must be an https: address")
		}
		blob, err = openai.ReadURL(one.fileURL, in)
	} else {
		blob, err = openai.ReadFile(one.fileData, &jsonscan.Path{Parent: at, Name: "file_data"})
	}
	if err != nil {
		return nil, err
	}
	return &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: blob, Title: one.filename}}}, nil
}

// annotations reads the sources of an earlier answer; other kinds than of
// addresses are left.
func (p *parser) annotations(one *part, at *jsonscan.Path) error {
	return p.list(at, maxCitations, func(in *jsonscan.Path) error {
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		c := &llmv1.Citation{}
		for p.Open('{'); p.Next('}'); {
			switch string(p.Key()) {
			case "url":
				c.Uri = p.OptionalValue(p.OptionalText())
			case "title":
				c.Title = p.OptionalValue(p.OptionalText())
			default:
				p.Skip()
			}
		}
		if c.GetUri() != "" {
			one.citations = append(one.citations, c)
		}
		return nil
	})
}
