package openai

import (
	"encoding/base64"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// maxBlob is the most bytes of one picture, recording or file.
const maxBlob = 20 << 20

// part is one content part's members.
type part struct {
	kind string
	text jsonscan.Token
	// image_url, input_audio or file
	url, detail, data, format, filename string
	fileID                              bool
	cache                               *llmv1.CachePoint
}

var (
	partNames  = jsonscan.Names{"type", "text", "refusal", "image_url", "input_audio", "file", "cache_control"}
	imageNames = jsonscan.Names{"url", "detail"}
	audioNames = jsonscan.Names{"data", "format"}
	fileNames  = jsonscan.Names{"file_data", "filename", "file_id"}
	cacheNames = jsonscan.Names{"type", "ttl"}
)

func (p *parser) contentParts(m *message, at *jsonscan.Path) error {
	p.Open('[')
	m.place = contextPlace{at: p.At, kind: placeEmptyPart}
	for index := 0; p.Next(']'); index++ {
		m.place.kind = placeParts
		in := &jsonscan.Path{Parent: at, Index: index}
		if len(m.content.parts) >= maxParts {
			return at.Invalid("must not have more than %d parts", maxParts)
		}
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		var one part
		if err := p.contentPart(&one, in); err != nil {
			return err
		}
		if p.Err != nil {
			return nil
		}
		if err := p.addPart(&m.content, &one, in); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) contentPart(one *part, at *jsonscan.Path) error {
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := partNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		if name != "type" && name != "" && p.Null() {
			continue
		}
		in := &jsonscan.Path{Parent: at, Name: name}
		switch name {
		case "type":
			err = p.stringMember(&one.kind, in)
		case "text", "refusal":
			if one.text.Start != 0 {
				return in.Invalid("must not stand beside another text")
			}
			err = p.textMember(&one.text, in)
		case "image_url":
			err = p.strings(in, imageNames, &one.url, &one.detail)
		case "input_audio":
			err = p.strings(in, audioNames, &one.data, &one.format)
		case "file":
			var id string
			err = p.strings(in, fileNames, &one.data, &one.filename, &id)
			one.fileID = id != ""
		case "cache_control":
			err = p.cacheControl(one, in)
		default:
			p.unknown(key, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// strings reads an object of strings into dst, in the order of the names.
func (p *parser) strings(at *jsonscan.Path, known jsonscan.Names, dst ...*string) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := known.Find(key, &seen, at)
		if err != nil {
			return err
		}
		if name == "" {
			p.unknown(key, at)
		}
		if name == "" || p.Null() {
			continue
		}
		for i := range known {
			if known[i] == name {
				if err := p.stringMember(dst[i], &jsonscan.Path{Parent: at, Name: name}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cacheControl reads the mark of a prefix that the provider may keep, as
// OpenRouter's and LiteLLM's form of this format has it.
func (p *parser) cacheControl(one *part, at *jsonscan.Path) error {
	one.cache = &llmv1.CachePoint{}
	var kind string
	if err := p.strings(at, cacheNames, &kind, &one.cache.Ttl); err != nil {
		return err
	}
	if ttl := one.cache.GetTtl(); p.Err == nil && ttl != "" && ttl != "5m" && ttl != "1h" {
		return (&jsonscan.Path{Parent: at, Name: "ttl"}).Invalid("must be 5m or 1h")
	}
	return nil
}

// addPart adds a part, and behind it the mark that it carries.
func (p *parser) addPart(g *group, one *part, at *jsonscan.Path) error {
	if err := p.addContent(g, one, at); err != nil || one.cache == nil {
		return err
	}
	g.parts = append(g.parts, &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: one.cache}})
	return nil
}

func (p *parser) addContent(g *group, one *part, at *jsonscan.Path) error {
	switch one.kind {
	case "text", "refusal":
		if one.text.Start == 0 {
			return (&jsonscan.Path{Parent: at, Name: one.kind}).Invalid("is required")
		}
		g.addText(&p.scanner, one.text)
		return nil
	case "image_url", "input_audio", "file":
		// A text here would reach the provider unseen.
		if one.text.Start != 0 {
			return at.Invalid("must not have a text")
		}
	case "":
		return (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("is required")
	default:
		return (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be text, refusal, image_url, input_audio or file")
	}
	content, err := one.blob(at)
	if err != nil {
		return err
	}
	g.parts = append(g.parts, content)
	return nil
}

func (one *part) blob(at *jsonscan.Path) (*llmv1.Part, error) {
	switch one.kind {
	case "image_url":
		in := &jsonscan.Path{Parent: &jsonscan.Path{Parent: at, Name: "image_url"}, Name: "url"}
		blob, err := ReadImage(one.url, in)
		if err != nil {
			return nil, err
		}
		return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: blob, Detail: one.detail}}}, nil
	case "input_audio":
		in := &jsonscan.Path{Parent: at, Name: "input_audio"}
		media, ok := map[string]string{"wav": "audio/wav", "mp3": "audio/mpeg"}[one.format]
		if !ok {
			return nil, (&jsonscan.Path{Parent: in, Name: "format"}).Invalid("must be wav or mp3")
		}
		blob, err := readBase64(one.data, media, &jsonscan.Path{Parent: in, Name: "data"})
		if err != nil {
			return nil, err
		}
		return &llmv1.Part{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{Blob: blob}}}, nil
	default:
		in := &jsonscan.Path{Parent: at, Name: "file"}
		if one.fileID {
			return nil, (&jsonscan.Path{Parent: in, Name: "file_id"}).Unsupported("names an uploaded file; send file_data")
		}
		blob, err := ReadFile(one.data, &jsonscan.Path{Parent: in, Name: "file_data"})
		if err != nil {
			return nil, err
		}
		return &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: blob, Title: one.filename}}}, nil
	}
}

// ReadURL reads a data: address or leaves an https one for the provider to fetch.
func ReadURL(url string, at *jsonscan.Path) (*llmv1.Blob, error) {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		media, data, ok := strings.Cut(rest, ";base64,")
		if !ok {
			return nil, at.Invalid("must be base64 if it is a data: address")
		}
		return readBase64(data, media, at)
	}
	if !strings.HasPrefix(url, "https://") || len(url) > 8192 {
		return nil, at.Invalid("must be a data: or https: address of at most 8192 characters")
	}
	return &llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: url}}, nil
}

// ReadImage is ReadURL for a picture: what calls itself something else would
// reach another provider as that.
func ReadImage(url string, at *jsonscan.Path) (*llmv1.Blob, error) {
	blob, err := ReadURL(url, at)
	if err == nil && blob.GetUri() == "" && !strings.HasPrefix(blob.GetMediaType(), "image/") {
		return nil, at.Invalid("must be of a type such as image/png")
	}
	return blob, err
}

// ReadFile reads the bytes of a file: base64, or a data: address.
func ReadFile(data string, at *jsonscan.Path) (*llmv1.Blob, error) {
	if strings.HasPrefix(data, "data:") {
		return ReadURL(data, at)
	}
	return readBase64(data, "application/pdf", at)
}

func readBase64(data, media string, at *jsonscan.Path) (*llmv1.Blob, error) {
	if base64.StdEncoding.DecodedLen(len(data)) > maxBlob+2 {
		return nil, at.Invalid("must not have more than %d bytes", maxBlob)
	}
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(decoded) == 0 {
		return nil, at.Invalid("must be base64")
	}
	return &llmv1.Blob{Source: &llmv1.Blob_Data{Data: decoded}, MediaType: media}, nil
}
