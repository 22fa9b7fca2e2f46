package anthropic

import (
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeConversation writes a canonical request. What the format has no place
// for is refused, not dropped; the caller's own labels are never sent.
func EncodeConversation(r *provider.Request, stream bool) ([]byte, error) {
	return encode(r, forMessage, stream)
}

// EncodeInvoke writes a canonical request as a body of Bedrock's InvokeModel.
func EncodeInvoke(r *provider.Request) ([]byte, error) { return encode(r, forInvoke, false) }

// EncodeCount writes a canonical request as one to count tokens.
func EncodeCount(r *provider.Request) ([]byte, error) { return encode(r, forCount, false) }

func encode(r *provider.Request, purpose purpose, stream bool) ([]byte, error) {
	c := r.Conversation
	e := &encoder{buf: make([]byte, 0, 1024)}
	if purpose == forInvoke {
		e.raw(`{"anthropic_version":"` + BedrockVersion + `"`)
	} else {
		e.raw(`{"model":`)
		e.text(r.Model)
	}
	thinks := thoughts(r.Model, c)
	if purpose != forCount {
		e.sampling(c.GetSampling(), thinks)
		if user := c.GetEndUser(); user != "" {
			e.raw(`,"metadata":{"user_id":`)
			e.text(user)
			e.raw(`}`)
		}
	}
	// Tools, instructions, messages: the order in which the provider reads them,
	// so that marks of the cache can be set on what stands before them.
	e.tools(c.GetTools())
	messages := conversation.WithContext(c, r.Context)
	e.system(messages)
	e.messages(messages)
	e.toolChoice(c.GetToolChoice(), len(c.GetTools()) > 0)
	e.reasoning(thinks, c.GetResponseFormat())
	if stream {
		e.raw(`,"stream":true`)
	}
	e.raw(`}`)
	return e.marked(), e.err
}

// encoder appends JSON. It knows nothing of commas but in lists.
type encoder struct {
	buf []byte
	err error
	// cacheable is where the last block that can be marked ends: before its
	// closing brace; 0 if there is none. marks are the marks so far.
	cacheable int
	marks     []mark
}

// mark is a mark of the cache in the block that ends at a place.
type mark struct {
	at  int
	ttl string
}

func (e *encoder) raw(s string)        { e.buf = append(e.buf, s...) }
func (e *encoder) text(s string)       { e.buf = jsonscan.AppendString(e.buf, s) }
func (e *encoder) integer(n int64)     { e.buf = strconv.AppendInt(e.buf, n, 10) }
func (e *encoder) number(f float64)    { e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64) }
func (e *encoder) last() byte          { return e.buf[len(e.buf)-1] }
func (e *encoder) blank(s string) bool { return strings.TrimSpace(s) == "" }

// comma separates members of a list: it writes nothing behind a bracket.
func (e *encoder) comma() {
	if last := e.last(); last != '[' && last != '{' {
		e.buf = append(e.buf, ',')
	}
}

func (e *encoder) strings(list []string) {
	e.raw(`[`)
	for _, s := range list {
		e.comma()
		e.text(s)
	}
	e.raw(`]`)
}

func (e *encoder) unsupported(format string, args ...any) {
	if e.err == nil {
		e.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
	}
}

// end closes a block that can carry a mark.
func (e *encoder) end() {
	e.cacheable = len(e.buf)
	e.raw(`}`)
}

// maxMarks is how many marks of the cache a request may have.
const maxMarks = 4

// cachePoint marks the block before it.
func (e *encoder) cachePoint(ttl string) {
	if e.cacheable == 0 {
		return // nothing stands before it
	}
	if n := len(e.marks); n > 0 && e.marks[n-1].at == e.cacheable {
		return
	}
	e.marks = append(e.marks, mark{e.cacheable, ttl})
}

// marked puts the marks into what was written: the last ones, if there are more
// than the provider takes, for each holds for all that stands before it.
func (e *encoder) marked() []byte {
	if len(e.marks) == 0 {
		return e.buf
	}
	marks := e.marks[max(0, len(e.marks)-maxMarks):]
	edits := make([]jsonscan.Edit, len(marks))
	for i, m := range marks {
		written := `,"cache_control":{"type":"ephemeral"}`
		if m.ttl != "" {
			written = `,"cache_control":{"type":"ephemeral","ttl":"` + m.ttl + `"}`
		}
		edits[i] = jsonscan.Edit{Span: jsonscan.Span{Start: m.at, End: m.at}, Before: written}
	}
	return jsonscan.Splice(e.buf, edits)
}

// system writes the instructions of all messages that have some as one list.
func (e *encoder) system(messages []*llmv1.Message) {
	mark := len(e.buf)
	e.raw(`,"system":[`)
	for _, m := range messages {
		if m.GetRole() != llmv1.Role_ROLE_SYSTEM {
			continue
		}
		for _, p := range m.GetParts() {
			switch content := p.GetContent().(type) {
			case *llmv1.Part_Text:
				e.textBlock(content.Text.GetText())
			case *llmv1.Part_CachePoint:
				e.cachePoint(content.CachePoint.GetTtl())
			default:
				e.unsupported("instructions may only hold text")
			}
		}
	}
	if e.last() == '[' {
		e.buf = e.buf[:mark]
		return
	}
	e.raw(`]`)
}

// messages writes the turns. Messages of one side in a row become one, as the
// format wants the results of tools beside each other.
func (e *encoder) messages(messages []*llmv1.Message) {
	e.raw(`,"messages":[`)
	open := ""
	for _, m := range messages {
		role := "user"
		switch m.GetRole() {
		case llmv1.Role_ROLE_SYSTEM:
			continue
		case llmv1.Role_ROLE_ASSISTANT:
			role = "assistant"
		}
		begun := len(e.buf)
		if role != open {
			if open != "" {
				e.raw(`]}`)
			}
			e.comma()
			e.raw(`{"role":"` + role + `","content":[`)
		}
		bare := len(e.buf)
		for _, p := range m.GetParts() {
			e.part(p)
		}
		if role != open && len(e.buf) == bare {
			e.buf = e.buf[:begun] // nothing in it that can be sent
			continue
		}
		open = role
	}
	if open != "" {
		e.raw(`]}`)
	}
	e.raw(`]`)
}
