package anthropic

import (
	"encoding/base64"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (e *encoder) part(p *llmv1.Part) {
	switch c := p.GetContent().(type) {
	case *llmv1.Part_Text:
		e.textBlock(c.Text.GetText())
	case *llmv1.Part_Image:
		e.comma()
		e.raw(`{"type":"image","source":`)
		e.source(c.Image.GetBlob(), "image/png")
		e.end()
	case *llmv1.Part_Document:
		e.documentBlock(c.Document)
	case *llmv1.Part_Thinking:
		e.thinkingBlock(c.Thinking)
	case *llmv1.Part_ToolCall:
		e.comma()
		e.toolUse(c.ToolCall)
		e.end()
	case *llmv1.Part_ToolResult:
		e.toolResult(c.ToolResult)
	case *llmv1.Part_CachePoint:
		e.cachePoint(c.CachePoint.GetTtl())
	default:
		e.unsupported("the target does not support this kind of content")
	}
}

// textBlock leaves out texts without a letter: the format forbids them, and
// they say nothing.
func (e *encoder) textBlock(text string) {
	if e.blank(text) {
		return
	}
	e.comma()
	e.raw(`{"type":"text","text":`)
	e.text(text)
	e.end()
}

// thinkingBlock sends thinking back as it was signed. Without a signature it is not
// this provider's: nobody could check it.
func (e *encoder) thinkingBlock(t *llmv1.Thinking) {
	switch {
	case len(t.GetRedacted()) > 0:
		e.comma()
		e.raw(`{"type":"redacted_thinking","data":`)
		e.text(string(t.GetRedacted()))
	case t.GetSignature() != "":
		e.comma()
		e.raw(`{"type":"thinking","thinking":`)
		e.text(t.GetText())
		e.raw(`,"signature":`)
		e.text(t.GetSignature())
	default:
		return
	}
	e.raw(`}`)
}

// toolUse writes a call, but for its closing brace.
func (e *encoder) toolUse(call *llmv1.ToolCall) {
	e.raw(`{"type":"tool_use","id":`)
	e.text(callID(call.GetId()))
	e.raw(`,"name":`)
	e.text(call.GetName())
	e.raw(`,"input":`)
	e.raw(object(call.GetArguments()))
}

// callID is an id as the format allows it: other providers have other letters.
func callID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_', r == '-', r >= '0' && r <= '9', r|0x20 >= 'a' && r|0x20 <= 'z':
			return r
		default:
			return '_'
		}
	}, id)
}

func (e *encoder) toolResult(r *llmv1.ToolResult) {
	e.comma()
	e.raw(`{"type":"tool_result","tool_use_id":`)
	e.text(callID(r.GetToolCallId()))
	if r.GetIsError() {
		e.raw(`,"is_error":true`)
	}
	if len(r.GetParts()) > 0 {
		e.raw(`,"content":[`)
		for _, p := range r.GetParts() {
			e.part(p)
		}
		e.raw(`]`)
	}
	e.end()
}

func (e *encoder) documentBlock(d *llmv1.Document) {
	e.comma()
	e.raw(`{"type":"document","source":`)
	e.source(d.GetBlob(), "application/pdf")
	if d.GetTitle() != "" {
		e.raw(`,"title":`)
		e.text(d.GetTitle())
	}
	e.end()
}

// source writes bytes, a text, or an address that the provider fetches.
func (e *encoder) source(b *llmv1.Blob, media string) {
	if uri := b.GetUri(); uri != "" {
		if !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "http://") {
			e.unsupported("the target fetches media from the web only")
		}
		e.raw(`{"type":"url","url":`)
		e.text(uri)
		e.raw(`}`)
		return
	}
	if b.GetMediaType() != "" {
		media = b.GetMediaType()
	}
	if strings.HasPrefix(media, "text/") {
		e.raw(`{"type":"text","media_type":"text/plain","data":`)
		e.buf = jsonscan.AppendString(e.buf, b.GetData())
		e.raw(`}`)
		return
	}
	e.raw(`{"type":"base64","media_type":`)
	e.text(media)
	e.raw(`,"data":"`)
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b.GetData())
	e.raw(`"}`)
}
