package gemini

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// partRead is one part's members, which may come in any order.
type partRead struct {
	kind      string // the member that holds the data
	text      jsonscan.Token
	thought   bool
	signature string
	made      *llmv1.Part
	texts     []place
}

var partNames = jsonscan.Names{
	"text", "inlineData", "fileData", "functionCall", "functionResponse", "thought", "thoughtSignature",
	"executableCode", "codeExecutionResult", "toolCall", "toolResponse",
}

func (p *parser) part(pieces *[]piece, at *jsonscan.Path) error {
	one := &partRead{}
	start := p.ValueStart()
	err := p.object(at, partNames, nil, func(name string, in *jsonscan.Path) error { return p.partMember(one, name, in) })
	if err != nil || p.Err != nil {
		return err
	}
	if made := p.makePart(one); made != nil {
		*pieces = append(*pieces, piece{part: made, texts: one.texts, at: start})
	}
	return nil
}

func (p *parser) partMember(one *partRead, name string, at *jsonscan.Path) (err error) {
	switch name {
	case "thought":
		return p.boolMember(&one.thought, at)
	case "thoughtSignature":
		return p.stringMember(&one.signature, at)
	}
	if one.kind != "" {
		return at.Invalid("must not stand beside %s: a part holds one kind of data", one.kind)
	}
	one.kind = name
	switch name {
	case "text":
		err = p.textMember(&one.text, at)
	case "inlineData", "fileData":
		one.made, one.texts, err = p.media(name, at)
	case "functionCall":
		err = p.functionCall(one, at)
	case "functionResponse":
		err = p.functionResponse(one, at)
	case "executableCode", "codeExecutionResult":
		// Only Google's models have run code, but the text in it is read all the same.
		p.lacks(at)
		err = p.codeText(one, at)
	default: // toolCall, toolResponse: of tools that run at the provider
		p.lacks(at)
		if p.Peek() != '{' {
			return at.Invalid("must be an object")
		}
		sp := p.Skip()
		one.made = newText(plainJSON(p.Data[sp.Start:sp.End]))
		one.texts = []place{{Span: sp, kind: placeObject}}
	}
	return err
}

// makePart makes the canonical part; nil if there is nothing in it but a signature.
func (p *parser) makePart(one *partRead) *llmv1.Part {
	switch {
	case one.thought && (one.kind == "" || one.kind == "text"):
		return p.makeThought(one)
	case one.kind == "text":
		if one.text.End == one.text.Start {
			return nil
		}
		one.texts = []place{{Span: one.text.Span}}
		return newText(p.Value(one.text))
	case one.kind == "functionCall":
		one.made.GetToolCall().Signature = one.signature
	}
	return one.made
}

func (p *parser) makeThought(one *partRead) *llmv1.Part {
	t := &llmv1.Thinking{}
	t.Signature, t.Redacted = readSignature(one.signature)
	if one.text.End > one.text.Start {
		t.Text = p.Value(one.text)
		one.texts = []place{{Span: one.text.Span}}
	} else {
		one.texts = []place{{kind: placeNone}}
		if one.signature == "" {
			one.texts = nil
			return nil
		}
	}
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: t}}
}

var codeNames = jsonscan.Names{"code", "output", "language", "outcome", "id"}

func (p *parser) codeText(one *partRead, at *jsonscan.Path) error {
	return p.object(at, codeNames, nil, func(name string, in *jsonscan.Path) error {
		var t jsonscan.Token
		if err := p.textMember(&t, in); err != nil {
			return err
		}
		if (name == "code" || name == "output") && t.End > t.Start && p.Err == nil {
			if one.made != nil {
				return in.Invalid("must not stand beside another text")
			}
			one.made, one.texts = newText(p.Value(t)), []place{{Span: t.Span}}
		}
		return nil
	})
}

var mediaNames = jsonscan.Names{"mimeType", "data", "fileUri", "displayName"}

// media reads bytes, or where they are. Bytes that are text are read as text,
// so that it is guarded as any other.
func (p *parser) media(kind string, at *jsonscan.Path) (*llmv1.Part, []place, error) {
	var mime, uri, name string
	var data jsonscan.Token
	err := p.object(at, mediaNames, nil, func(member string, in *jsonscan.Path) error {
		switch member {
		case "mimeType":
			return p.stringMember(&mime, in)
		case "data":
			return p.textMember(&data, in)
		case "fileUri":
			return p.stringMember(&uri, in)
		default:
			return p.stringMember(&name, in)
		}
	})
	if err != nil || p.Err != nil {
		return nil, nil, err
	}
	if kind == "inlineData" {
		if uri != "" {
			return nil, nil, (&jsonscan.Path{Parent: at, Name: "fileUri"}).Invalid("belongs to fileData")
		}
		blob, err := readBase64(p.OptionalValue(data), mime, &jsonscan.Path{Parent: at, Name: "data"})
		if err != nil {
			return nil, nil, err
		}
		if isText(mime) && utf8.Valid(blob.GetData()) {
			if name != "" {
				p.lacks(&jsonscan.Path{Parent: at, Name: "displayName"})
			}
			return newText(jsonscan.Alias(blob.GetData())), []place{{Span: data.Span, kind: placeBase64}}, nil
		}
		return p.mediaPart(blob, name, at), nil, nil
	}
	in := &jsonscan.Path{Parent: at, Name: "fileUri"}
	if data.Start != 0 {
		return nil, nil, (&jsonscan.Path{Parent: at, Name: "data"}).Invalid("belongs to inlineData")
	}
	if !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "gs://") || len(uri) > 8192 {
		return nil, nil, in.Invalid("must be an https: or gs: address of at most 8192 characters")
	}
	if strings.HasPrefix(uri, uploads) {
		p.lacks(in)
	}
	return p.mediaPart(&llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: uri}, MediaType: mime}, name, at), nil, nil
}

// isText says whether bytes of a media type are text to a model.
func isText(media string) bool {
	media = strings.ToLower(media)
	return strings.HasPrefix(media, "text/") || media == "application/json" || media == "application/xml"
}

// uploads is where uploaded files stand, which only Google can fetch.
const uploads = "https://generativelanguage.googleapis.com/"

// mediaPart makes the part for a media type. Film is a document with a type
// that other formats do not know, so it is listed.
func (p *parser) mediaPart(b *llmv1.Blob, name string, at *jsonscan.Path) *llmv1.Part {
	kind, _, _ := strings.Cut(b.GetMediaType(), "/")
	if name != "" && kind != "application" && kind != "text" {
		p.lacks(&jsonscan.Path{Parent: at, Name: "displayName"})
	}
	switch kind {
	case "image":
		return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: b}}}
	case "audio":
		return &llmv1.Part{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{Blob: b}}}
	case "application", "text":
	default:
		p.lacks(at)
		name = ""
	}
	return &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: b, Title: name}}}
}

func readBase64(data, media string, at *jsonscan.Path) (*llmv1.Blob, error) {
	if base64.StdEncoding.DecodedLen(len(data)) > maxBlob+2 {
		return nil, at.Invalid("must not have more than %d bytes", maxBlob)
	}
	decoded, ok := decodeBase64(data)
	if !ok || len(decoded) == 0 {
		return nil, at.Invalid("must be base64")
	}
	return &llmv1.Blob{Source: &llmv1.Blob_Data{Data: decoded}, MediaType: media}, nil
}

// decodeBase64 reads either alphabet, padded or not, as Google's parsers do.
func decodeBase64(text string) ([]byte, bool) {
	text = strings.TrimRight(text, "=")
	coding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		coding = base64.RawURLEncoding
	}
	decoded, err := coding.DecodeString(text)
	return decoded, err == nil
}

// plainJSON is JSON without escapes that stand for plain characters: what a
// model is shown is not how a text was escaped.
func plainJSON(raw []byte) string {
	if !bytes.Contains(raw, []byte(`\u`)) {
		return jsonscan.Alias(raw)
	}
	s, out, from := newScanner(raw), []byte(nil), 0
	for s.At < len(raw) && s.Err == nil {
		if raw[s.At] != '"' {
			s.At++
			continue
		}
		t := s.Text()
		out = append(out, raw[from:t.Start]...)
		out = jsonscan.AppendEscaped(out, s.Value(t))
		from = t.End
	}
	return jsonscan.Alias(append(out, raw[from:]...))
}
