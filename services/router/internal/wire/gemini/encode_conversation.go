package gemini

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeConversation writes a canonical request. What the format has no place
// for is refused, not dropped; the caller's own labels are never sent. Whether
// the answer is streamed is a matter of the path.
func EncodeConversation(r *provider.Request, _ bool) ([]byte, error) {
	c := r.Conversation
	messages := conversation.WithContext(c, r.Context)
	e := &encoder{buf: make([]byte, 0, 1024), model: r.Model}
	e.raw(`{`)
	e.instructions(messages)
	e.member("contents")
	e.contents(messages)
	e.tools(c.GetTools())
	e.toolChoice(c.GetToolChoice(), len(c.GetTools()) > 0)
	e.config(c)
	e.raw(`}`)
	return e.buf, e.err
}

// encoder appends JSON. It knows nothing of commas but in lists.
type encoder struct {
	buf   []byte
	err   error
	model string
	calls map[string]callPlace // so far, by their ids
	order int
}

// callPlace is what a result must know of the call that it answers.
type callPlace struct {
	name  string
	order int
}

// called notes the calls of a turn. An id that comes again means the latest
// call from there on: some servers count anew with each answer.
func (e *encoder) called(parts []*llmv1.Part) {
	for _, p := range parts {
		if call := p.GetToolCall(); call != nil {
			if e.calls == nil {
				e.calls = make(map[string]callPlace)
			}
			e.order++
			e.calls[call.GetId()] = callPlace{call.GetName(), e.order}
		}
	}
}

func (e *encoder) raw(s string)  { e.buf = append(e.buf, s...) }
func (e *encoder) text(s string) { e.buf = jsonscan.AppendString(e.buf, s) }

// comma separates members of a list: it writes nothing behind a bracket.
func (e *encoder) comma() {
	if last := e.buf[len(e.buf)-1]; last != '[' && last != '{' {
		e.buf = append(e.buf, ',')
	}
}

// member begins a member.
func (e *encoder) member(name string) {
	e.comma()
	e.raw(`"` + name + `":`)
}

func (e *encoder) textMember(name, text string) {
	e.member(name)
	e.text(text)
}

func (e *encoder) unsupported(format string, args ...any) {
	if e.err == nil {
		e.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
	}
}

// instructions stand beside the turns, wherever they stood among them.
func (e *encoder) instructions(messages []*llmv1.Message) {
	begun := false
	for _, m := range messages {
		if m.GetRole() != llmv1.Role_ROLE_SYSTEM {
			continue
		}
		for _, p := range m.GetParts() {
			if p.GetText() == nil {
				if p.GetCachePoint() == nil {
					e.unsupported("instructions may only hold texts")
				}
				continue
			}
			if p.GetText().GetText() == "" {
				continue
			}
			if !begun {
				begun = true
				e.member("systemInstruction")
				e.raw(`{"parts":[`)
			}
			e.comma()
			e.raw(partBefore)
			e.buf = jsonscan.AppendEscaped(e.buf, p.GetText().GetText())
			e.raw(partAfter)
		}
	}
	if begun {
		e.raw(`]}`)
	}
}

// contents writes the turns. Messages of one speaker that follow each other
// are one turn; results of tools are turns of their own, in the order of the
// calls, for the format tells calls of one tool apart by nothing else.
func (e *encoder) contents(messages []*llmv1.Message) {
	e.raw(`[`)
	for i := 0; i < len(messages); {
		role := messages[i].GetRole()
		var parts, results []*llmv1.Part
		for ; i < len(messages) && messages[i].GetRole() == role; i++ {
			for _, p := range messages[i].GetParts() {
				if p.GetToolResult() != nil {
					results = append(results, p)
				} else {
					parts = append(parts, p)
				}
			}
		}
		if role == llmv1.Role_ROLE_SYSTEM {
			continue
		}
		slices.SortStableFunc(results, func(a, b *llmv1.Part) int {
			return e.calls[a.GetToolResult().GetToolCallId()].order - e.calls[b.GetToolResult().GetToolCallId()].order
		})
		e.turn("user", results)
		if role == llmv1.Role_ROLE_TOOL && len(parts) > 0 {
			e.unsupported("a tool message may only hold tool results")
		}
		name := "user"
		if role == llmv1.Role_ROLE_ASSISTANT {
			name = "model"
			e.called(parts)
			e.sign(parts)
		}
		e.turn(name, parts)
	}
	if e.buf[len(e.buf)-1] == '[' {
		e.unsupported("the target needs a turn besides the instructions")
	}
	e.raw(`]`)
}

// turn writes a content, unless nothing is in it.
func (e *encoder) turn(role string, parts []*llmv1.Part) {
	before := len(e.buf)
	e.comma()
	e.raw(`{"role":"` + role + `","parts":[`)
	empty := len(e.buf)
	for _, p := range parts {
		e.part(p)
	}
	if len(e.buf) == empty {
		e.buf = e.buf[:before]
		return
	}
	e.raw(`]}`)
}

// unsignedCall is the signature that Google documents for calls of a history
// that no Gemini model has written.
const unsignedCall = "skip_thought_signature_validator"

// sign puts that signature on the first call of a turn, if no call has one:
// models from the third generation on refuse calls that nobody signed.
func (e *encoder) sign(parts []*llmv1.Part) {
	if !byLevel(e.model) {
		return
	}
	first := -1
	for i, p := range parts {
		if call := p.GetToolCall(); call != nil {
			if call.GetSignature() != "" {
				return
			}
			if first < 0 {
				first = i
			}
		}
	}
	if first >= 0 {
		call := parts[first].GetToolCall()
		parts[first] = newCall(call.GetId(), call.GetName(), call.GetArguments())
		parts[first].GetToolCall().Signature = unsignedCall
	}
}
