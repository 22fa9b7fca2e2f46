package openai

import (
	"encoding/base64"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeConversation writes a canonical request. What the format has no place
// for is refused, not dropped; the caller's own labels are never sent.
func EncodeConversation(r *provider.Request, stream bool) ([]byte, error) {
	return EncodeFor(r, stream, provider.Quirks{})
}

// EncodeFor writes a canonical request for a server with quirks.
func EncodeFor(r *provider.Request, stream bool, q provider.Quirks) ([]byte, error) {
	c := r.Conversation
	e := &encoder{buf: make([]byte, 0, 1024), quirks: q}
	e.raw(`{"model":`)
	e.text(r.Model)
	e.raw(`,"messages":[`)
	for _, m := range conversation.WithContext(c, r.Context) {
		e.message(m)
	}
	e.raw(`]`)
	e.tools(c.GetTools())
	e.toolChoice(c.GetToolChoice(), len(c.GetTools()) > 0)
	e.sampling(c.GetSampling())
	e.responseFormat(c.GetResponseFormat())
	e.reasoning(c.GetReasoning())
	if user := c.GetEndUser(); user != "" {
		e.raw(`,"user":`)
		e.text(user)
	}
	if stream {
		e.raw(`,"stream":true`)
		if !q.NoStreamOptions {
			e.raw(`,"stream_options":{"include_usage":true}`)
		}
	}
	e.raw(`}`)
	return e.buf, e.err
}

// encoder appends JSON. It knows nothing of commas but in lists.
type encoder struct {
	buf    []byte
	err    error
	quirks provider.Quirks
	// each, if it is set, gets options one by one, in place of the buffer.
	each func(name string, value []byte)
}

func (e *encoder) raw(s string)  { e.buf = append(e.buf, s...) }
func (e *encoder) text(s string) { e.buf = jsonscan.AppendString(e.buf, s) }

// comma separates members of a list: it writes nothing behind a bracket.
func (e *encoder) comma() {
	if last := e.buf[len(e.buf)-1]; last != '[' && last != '{' {
		e.buf = append(e.buf, ',')
	}
}

func (e *encoder) unsupported(format string, args ...any) {
	if e.err == nil {
		e.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
	}
}

var roleNames = map[llmv1.Role]string{
	llmv1.Role_ROLE_SYSTEM: "system", llmv1.Role_ROLE_USER: "user",
	llmv1.Role_ROLE_ASSISTANT: "assistant", llmv1.Role_ROLE_TOOL: "tool",
}

// message writes a turn. Tool results become messages of their own, as the
// format wants them; they come first, directly behind the calls they answer.
func (e *encoder) message(m *llmv1.Message) {
	var content, calls, thinking []*llmv1.Part
	for _, p := range m.GetParts() {
		switch {
		case p.GetToolResult() != nil:
			e.toolResult(p.GetToolResult())
		case p.GetToolCall() != nil:
			calls = append(calls, p)
		case p.GetThinking() != nil:
			thinking = append(thinking, p)
		case p.GetCachePoint() != nil: // prompt caches of the format's providers work without marks
		default:
			content = append(content, p)
		}
	}
	if m.GetRole() == llmv1.Role_ROLE_TOOL || len(content) == 0 && len(calls) == 0 {
		if len(content) > 0 {
			e.unsupported("a tool message may only hold tool results")
		}
		return
	}
	e.comma()
	e.raw(`{"role":`)
	if m.GetRole() == llmv1.Role_ROLE_SYSTEM {
		e.text(systemRole(e.quirks))
	} else {
		e.text(roleNames[m.GetRole()])
	}
	if m.GetName() != "" {
		e.raw(`,"name":`)
		e.text(m.GetName())
	}
	e.raw(`,"content":`)
	e.content(content)
	e.earlierThinking(thinking)
	e.toolCalls(calls)
	e.raw(`}`)
}

// earlierThinking writes the thinking of an earlier turn, for servers that take it.
func (e *encoder) earlierThinking(parts []*llmv1.Part) {
	switch {
	case len(parts) == 0:
	case e.quirks.Thinking == "reasoning_details":
		e.reasoningDetails(parts)
	case e.quirks.Thinking == "reasoning_content":
		var text string
		for _, p := range parts {
			text += p.GetThinking().GetText()
		}
		if text != "" {
			e.raw(`,"reasoning_content":`)
			e.text(text)
		}
	}
}

func (e *encoder) toolResult(r *llmv1.ToolResult) {
	e.comma()
	e.raw(`{"role":"tool","tool_call_id":`)
	e.text(r.GetToolCallId())
	e.raw(`,"content":`)
	if len(r.GetParts()) == 0 {
		e.raw(`""}`)
		return
	}
	e.content(r.GetParts())
	e.raw(`}`)
}

func (e *encoder) content(parts []*llmv1.Part) {
	switch {
	case len(parts) == 0:
		e.raw(`null`)
	case len(parts) == 1 && parts[0].GetText() != nil:
		e.text(parts[0].GetText().GetText())
	default:
		e.raw(`[`)
		for _, p := range parts {
			e.part(p)
		}
		e.raw(`]`)
	}
}

func (e *encoder) part(p *llmv1.Part) {
	e.comma()
	switch c := p.GetContent().(type) {
	case *llmv1.Part_Text:
		e.raw(`{"type":"text","text":`)
		e.text(c.Text.GetText())
	case *llmv1.Part_Image:
		e.raw(`{"type":"image_url","image_url":{"url":`)
		e.blobURL(c.Image.GetBlob(), "image/png")
		if c.Image.GetDetail() != "" {
			e.raw(`,"detail":`)
			e.text(c.Image.GetDetail())
		}
		e.raw(`}`)
	case *llmv1.Part_Audio:
		e.audio(c.Audio.GetBlob())
	case *llmv1.Part_Document:
		e.raw(`{"type":"file","file":{"filename":`)
		title := c.Document.GetTitle()
		if title == "" {
			title = "document"
		}
		e.text(title)
		e.raw(`,"file_data":`)
		if c.Document.GetBlob().GetUri() != "" {
			e.unsupported("the target takes documents as bytes, not as an address")
		}
		e.blobURL(c.Document.GetBlob(), "application/pdf")
		e.raw(`}`)
	default:
		e.unsupported("the target does not support this kind of content")
	}
	e.raw(`}`)
}

func (e *encoder) audio(b *llmv1.Blob) {
	formats := map[string]string{"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
	format := formats[b.GetMediaType()]
	if format == "" || len(b.GetData()) == 0 {
		e.unsupported("the target takes sound as wav or mp3 bytes only")
	}
	e.raw(`{"type":"input_audio","input_audio":{"data":"`)
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b.GetData())
	e.raw(`","format":`)
	e.text(format)
	e.raw(`}`)
}

// blobURL writes where a blob is, or the blob itself as a data: address.
func (e *encoder) blobURL(b *llmv1.Blob, media string) {
	if b.GetUri() != "" {
		e.text(b.GetUri())
		return
	}
	if b.GetMediaType() != "" {
		media = b.GetMediaType()
	}
	e.raw(`"data:`)
	e.buf = jsonscan.AppendEscaped(e.buf, media)
	e.raw(`;base64,`)
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b.GetData())
	e.raw(`"`)
}

func (e *encoder) toolCalls(calls []*llmv1.Part) {
	if len(calls) == 0 {
		return
	}
	e.raw(`,"tool_calls":[`)
	for _, p := range calls {
		call := p.GetToolCall()
		e.comma()
		e.raw(`{"id":`)
		e.text(call.GetId())
		e.raw(`,"type":"function","function":{"name":`)
		e.text(call.GetName())
		e.raw(`,"arguments":`)
		e.text(call.GetArguments())
		e.raw(`}`)
		if call.GetSignature() != "" {
			e.raw(`,`)
			e.buf = appendCallSignature(e.buf, call.GetSignature())
		}
		e.raw(`}`)
	}
	e.raw(`]`)
}

func (e *encoder) number(name string, n int64) {
	e.set(name, func() { e.buf = appendInt(e.buf, n) })
}

// set writes a member of an object that is not its first.
func (e *encoder) set(name string, value func()) {
	if e.each != nil {
		e.buf = e.buf[:0]
		value()
		e.each(name, e.buf)
		return
	}
	e.raw(`,"` + name + `":`)
	value()
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
