package gemini

import (
	"encoding/base64"
	"mime"
	"path"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (e *encoder) part(p *llmv1.Part) {
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		if text := content.Text.GetText(); text != "" { // an empty one is refused
			e.comma()
			e.raw(partBefore)
			e.buf = jsonscan.AppendEscaped(e.buf, text)
			e.raw(partAfter)
		}
	case *llmv1.Part_Thinking:
		// Gemini signs calls, not thoughts: a signature here is another provider's.
		if text := content.Thinking.GetText(); text != "" {
			e.comma()
			e.raw(`{"text":`)
			e.text(text)
			e.raw(`,"thought":true}`)
		}
	case *llmv1.Part_ToolCall:
		e.comma()
		e.call(content.ToolCall)
	case *llmv1.Part_ToolResult:
		e.comma()
		e.result(content.ToolResult)
	case *llmv1.Part_CachePoint: // prompt caches of this provider work without marks
	default:
		e.media(p)
	}
}

// media writes bytes, or where they are.
func (e *encoder) media(p *llmv1.Part) {
	e.comma()
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Image:
		e.blob(content.Image.GetBlob(), "image/jpeg")
	case *llmv1.Part_Audio:
		e.blob(content.Audio.GetBlob(), "audio/wav")
	case *llmv1.Part_Document:
		e.blob(content.Document.GetBlob(), "application/pdf")
	default:
		e.raw(`{}`)
		e.unsupported("the target does not support this kind of content")
	}
}

func (e *encoder) blob(b *llmv1.Blob, fallback string) {
	media := b.GetMediaType()
	if uri := b.GetUri(); uri != "" {
		if strings.HasPrefix(uri, "s3://") {
			e.unsupported("the target does not read objects of S3")
		}
		if media == "" {
			media = mediaOf(uri)
		}
		e.raw(`{"fileData":{`)
		if media != "" {
			e.textMember("mimeType", media)
		}
		e.textMember("fileUri", uri)
		e.raw(`}}`)
		return
	}
	if media == "" {
		media = fallback
	}
	e.raw(`{"inlineData":{"mimeType":`)
	e.text(media)
	e.raw(`,"data":"`)
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b.GetData())
	e.raw(`"}}`)
}

// mediaOf guesses a media type by the name of a file; empty if it does not tell.
func mediaOf(uri string) string {
	uri, _, _ = strings.Cut(uri, "?")
	media, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(uri)), ";")
	return media
}

// call writes a call with its arguments as they were written.
func (e *encoder) call(c *llmv1.ToolCall) {
	e.raw(`{"functionCall":{`)
	if id := c.GetId(); id != "" && !madeUp(id) {
		e.textMember("id", id)
	}
	e.textMember("name", c.GetName())
	e.member("args")
	switch arguments := c.GetArguments(); {
	case strings.TrimSpace(arguments) == "":
		e.raw(`{}`)
	case isObject(arguments):
		e.raw(arguments)
	default:
		e.raw(`{}`)
		e.unsupported("the target takes a JSON object as the arguments of a tool call only")
	}
	e.raw(`}`)
	if c.GetSignature() != "" {
		e.textMember("thoughtSignature", c.GetSignature())
	}
	e.raw(`}`)
}

// result writes what a tool gave back. A text that is a JSON object is taken
// as one; any other stands under the name that the format documents.
func (e *encoder) result(r *llmv1.ToolResult) {
	call, known := e.calls[r.GetToolCallId()]
	if !known {
		e.unsupported("a tool result answers no call of the conversation")
	}
	e.raw(`{"functionResponse":{`)
	if id := r.GetToolCallId(); id != "" && !madeUp(id) {
		e.textMember("id", id)
	}
	e.textMember("name", call.name)
	var texts []string
	media := 0
	for _, p := range r.GetParts() {
		if p.GetText() != nil {
			texts = append(texts, p.GetText().GetText())
		} else {
			media++
		}
	}
	e.member("response")
	e.response(strings.Join(texts, "\n"), r.GetIsError())
	if media > 0 {
		e.member("parts")
		e.raw(`[`)
		for _, p := range r.GetParts() {
			if p.GetText() == nil {
				e.media(p)
			}
		}
		e.raw(`]`)
	}
	e.raw(`}}`)
}

func (e *encoder) response(text string, failed bool) {
	switch {
	case isObject(text) && (!failed || strings.Contains(text, `"error"`)):
		e.raw(text)
	case failed:
		e.raw(`{"error":`)
		e.text(text)
		e.raw(`}`)
	default:
		e.raw(`{"output":`)
		e.text(text)
		e.raw(`}`)
	}
}
