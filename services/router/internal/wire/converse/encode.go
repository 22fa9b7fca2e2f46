package converse

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeConversation writes a canonical request. What the format has no place
// for is refused, not dropped; the caller's own labels are never sent. The model
// and streaming are not in the body.
func EncodeConversation(r *provider.Request, _ bool) ([]byte, error) {
	c := r.Conversation
	e := &encoder{buf: make([]byte, 0, 1024)}
	said, cached := turns(conversation.WithContext(c, r.Context), len(c.GetTools()) > 0, familyOf(r.Model))
	e.raw(`{"messages":[`)
	for i := range said {
		if said[i].role != systemRole {
			e.turn(&said[i])
		}
	}
	e.raw(`]`)
	for i := range said {
		if said[i].role == systemRole {
			e.instructions(said[i].parts)
		}
	}
	e.inferenceConfig(c.GetSampling())
	e.toolConfig(c, cached)
	e.modelFields(r.Model, c)
	e.outputConfig(r.Model, c)
	e.raw(`}`)
	return e.buf, e.err
}

// encoder appends JSON. It knows nothing of commas but in lists.
type encoder struct {
	buf []byte
	err error
	// names are those of the documents so far: each must have its own.
	names []string
}

func (e *encoder) raw(s string)  { e.buf = append(e.buf, s...) }
func (e *encoder) text(s string) { e.buf = jsonscan.AppendString(e.buf, s) }

// comma separates members of a list: it writes nothing behind a bracket.
func (e *encoder) comma() {
	if last := e.buf[len(e.buf)-1]; last != '[' && last != '{' {
		e.buf = append(e.buf, ',')
	}
}

func (e *encoder) fail(reason llmv1.ErrorReason, format string, args ...any) {
	if e.err == nil {
		e.err = errs.New(reason, format, args...)
	}
}

func (e *encoder) unsupported(format string, args ...any) {
	e.fail(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
}

// Roles as they are written; instructions stand beside the messages.
const (
	systemRole    = "system"
	userRole      = "user"
	assistantRole = "assistant"
)

// turn is what one side says until the other does: the format wants them to
// alternate, with all results of tools in one turn.
type turn struct {
	role  string
	parts []*llmv1.Part
}

// turns gathers messages. Texts that hold nothing are left out, for the format
// refuses them. A cache point before everything else stands behind the tools, if
// there are any and the family takes it there; others where it takes them.
func turns(messages []*llmv1.Message, tools bool, of family) (out []turn, cached *llmv1.Part) {
	out = make([]turn, 1, len(messages)+1)
	out[0].role = systemRole
	for i, m := range messages {
		parts := m.GetParts()
		if i == 0 && tools && len(parts) > 0 && parts[0].GetCachePoint() != nil {
			if of.marksTools() {
				cached = parts[0]
			}
			parts = parts[1:]
		}
		at := &out[len(out)-1]
		switch role := roleName(m.GetRole()); {
		case role == systemRole:
			at = &out[0]
		case at.role != role:
			out = append(out, turn{role: role})
			at = &out[len(out)-1]
		}
		for _, p := range parts {
			if p.GetCachePoint() != nil {
				at.parts = pointed(at.parts, p, of)
			} else if t := p.GetText(); t == nil || strings.TrimSpace(t.GetText()) != "" {
				at.parts = append(at.parts, p)
			}
		}
		if len(at.parts) == 0 && len(out) > 1 && at != &out[0] {
			out = out[:len(out)-1]
		}
	}
	return out, cached
}

func roleName(role llmv1.Role) string {
	switch role {
	case llmv1.Role_ROLE_SYSTEM:
		return systemRole
	case llmv1.Role_ROLE_ASSISTANT:
		return assistantRole
	default:
		return userRole
	}
}

// turn writes a message. Results of tools come first, directly behind the
// calls they answer.
func (e *encoder) turn(t *turn) {
	e.comma()
	e.raw(`{"role":"` + t.role + `","content":[`)
	for _, results := range []bool{true, false} {
		for _, p := range t.parts {
			if (p.GetToolResult() != nil) == results {
				e.comma()
				e.block(p)
			}
		}
	}
	e.raw(`]}`)
}

func (e *encoder) instructions(parts []*llmv1.Part) {
	if len(parts) == 0 {
		return
	}
	e.raw(`,"system":[`)
	for _, p := range parts {
		if p.GetText() == nil && p.GetCachePoint() == nil {
			e.unsupported("the target takes instructions as text only")
			return
		}
		e.comma()
		e.block(p)
	}
	e.raw(`]`)
}
