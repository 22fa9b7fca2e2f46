package converse

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// block writes a part as a block of content.
func (e *encoder) block(p *llmv1.Part) {
	switch c := p.GetContent().(type) {
	case *llmv1.Part_Text:
		e.raw(`{"text":`)
		e.text(c.Text.GetText())
		e.raw(`}`)
	case *llmv1.Part_Image:
		e.media("image", imageFormats, c.Image.GetBlob())
	case *llmv1.Part_Audio:
		e.media("audio", soundFormats, c.Audio.GetBlob())
	case *llmv1.Part_Document:
		e.document(c.Document)
	case *llmv1.Part_ToolCall:
		e.toolUse(c.ToolCall)
	case *llmv1.Part_ToolResult:
		e.toolResult(c.ToolResult)
	case *llmv1.Part_Thinking:
		e.thinking(c.Thinking)
	case *llmv1.Part_CachePoint:
		e.cachePoint(c.CachePoint)
	default:
		e.unsupported("the target does not support this kind of content")
	}
}

func (e *encoder) media(kind string, known []format, b *llmv1.Blob) {
	name := formatOf(known, b)
	if name == "" {
		e.unsupported("the target does not take %s as %s", kind, b.GetMediaType())
	}
	e.raw(`{"` + kind + `":{"format":"` + name + `","source":`)
	e.source(b)
	e.raw(`}}`)
}

// source writes where a blob's bytes are.
func (e *encoder) source(b *llmv1.Blob) {
	uri := b.GetUri()
	switch {
	case uri == "":
		e.raw(`{"bytes":"`)
		e.buf = base64.StdEncoding.AppendEncode(e.buf, b.GetData())
		e.raw(`"}`)
	case strings.HasPrefix(uri, "s3://"):
		e.raw(`{"s3Location":{"uri":`)
		e.text(uri)
		e.raw(`}}`)
	default:
		e.unsupported("the target takes media as bytes or as an s3: address")
	}
}

func (e *encoder) document(d *llmv1.Document) {
	name := formatOf(fileFormats, d.GetBlob())
	if name == "" {
		e.unsupported("the target does not take documents as %s", d.GetBlob().GetMediaType())
	}
	e.raw(`{"document":{"format":"` + name + `","name":`)
	e.text(e.documentName(d.GetTitle(), name))
	e.raw(`,"source":`)
	e.source(d.GetBlob())
	e.raw(`}}`)
}

// documentName makes a name that the format takes: letters, digits, single
// spaces, hyphens and brackets; each only once.
func (e *encoder) documentName(title, format string) string {
	title = strings.TrimSuffix(title, "."+format)
	title = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(" -()[]", c):
			return c
		default:
			return '-'
		}
	}, title)
	title = strings.Join(strings.Fields(title), " ")
	if title = title[:min(len(title), 190)]; strings.Trim(title, "- ") == "" {
		title = "document"
	}
	name := title
	for n := 2; slices.Contains(e.names, name); n++ {
		name = title + " (" + strconv.Itoa(n) + ")"
	}
	e.names = append(e.names, name)
	return name
}

func (e *encoder) toolUse(c *llmv1.ToolCall) {
	e.raw(`{"toolUse":{"toolUseId":`)
	e.text(c.GetId())
	e.raw(`,"name":`)
	e.text(c.GetName())
	e.raw(`,"input":`)
	switch arguments := c.GetArguments(); {
	case arguments == "":
		e.raw(`{}`)
	case json.Valid([]byte(arguments)):
		e.raw(arguments)
	default:
		e.fail(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the arguments of an earlier tool call are not valid JSON")
	}
	e.raw(`}}`)
}

func (e *encoder) toolResult(r *llmv1.ToolResult) {
	e.raw(`{"toolResult":{"toolUseId":`)
	e.text(r.GetToolCallId())
	e.raw(`,"content":[`)
	for _, p := range r.GetParts() {
		if p.GetText() != nil || p.GetImage() != nil || p.GetDocument() != nil {
			e.comma()
			e.block(p)
			continue
		}
		e.unsupported("the target takes tool results as texts, pictures and documents")
	}
	e.raw(`]`)
	if r.GetIsError() {
		e.raw(`,"status":"error"`)
	}
	e.raw(`}}`)
}

func (e *encoder) thinking(t *llmv1.Thinking) {
	if len(t.GetRedacted()) > 0 {
		e.raw(`{"reasoningContent":{"redactedContent":"`)
		e.buf = base64.StdEncoding.AppendEncode(e.buf, t.GetRedacted())
		e.raw(`"}}`)
		return
	}
	e.raw(`{"reasoningContent":{"reasoningText":{"text":`)
	e.text(t.GetText())
	if t.GetSignature() != "" {
		e.raw(`,"signature":`)
		e.text(t.GetSignature())
	}
	e.raw(`}}}`)
}

func (e *encoder) cachePoint(c *llmv1.CachePoint) {
	e.raw(`{"cachePoint":{"type":"default"`)
	if c.GetTtl() != "" {
		e.raw(`,"ttl":`)
		e.text(c.GetTtl())
	}
	e.raw(`}}`)
}
