package openai

import (
	"fmt"
	"slices"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// edit replaces a span of the client's bytes by before and after, which are
// written as they are, with text between them, which is escaped.
type edit struct {
	span
	before, text, after string
	order               int // among edits at the same place
}

// Render implements provider.NativeRequest: the client's bytes with all
// changes made in one pass.
func (r *Request) Render(to *provider.Request, stream bool) ([]byte, error) {
	var space [8]edit
	edits := space[:0]
	if to.Model != "" && to.Model != r.modelName {
		edits = append(edits, edit{span: r.model.span, text: to.Model})
	}
	for i, text := range to.Revisions {
		if i < 0 || i >= len(r.texts) {
			return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
		}
		edits = append(edits, edit{span: r.texts[i].span, text: text, order: 1})
	}
	if to.Context != "" {
		edits = append(edits, r.context.insert(to.Context, len(to.Conversation.GetMessages()) > 0))
	}
	edits = r.streamEdits(edits, stream)
	if len(edits) > 1 {
		slices.SortFunc(edits, func(a, b edit) int {
			if a.start != b.start {
				return a.start - b.start
			}
			return a.order - b.order
		})
	}
	return splice(r.raw, edits), nil
}

// insert makes the edit that puts the context block in its place.
func (c contextPlace) insert(block string, behindOthers bool) edit {
	e := edit{span: span{c.at, c.at}, text: block}
	switch c.kind {
	case placeString:
		e.after = `\n\n`
	case placeParts:
		e.before, e.after = `{"type":"text","text":"`, `"},`
	case placeEmptyPart:
		e.before, e.after = `{"type":"text","text":"`, `"}`
	default:
		e.before, e.after = `{"role":"user","content":"`, `"}`
		if behindOthers {
			e.before = "," + e.before
		}
	}
	return e
}

// streamEdits makes stream and stream_options what the gateway needs: with a
// stream, usage is always asked for.
func (r *Request) streamEdits(edits []edit, stream bool) []edit {
	top := span{r.body, r.body}
	options := r.streamOptions
	if stream != r.stream.value {
		if r.stream.present {
			edits = append(edits, edit{span: r.stream.span, before: strconv.FormatBool(stream)})
		} else {
			edits = append(edits, edit{span: top, before: `"stream":true,`})
		}
	}
	switch {
	case !stream && options.present:
		edits = append(edits, edit{span: options.span, before: "null"})
	case !stream || options.includeUsage.value:
	case options.includeUsage.present:
		edits = append(edits, edit{span: options.includeUsage.span, before: "true"})
	case options.present:
		after := `"include_usage":true`
		if !r.emptyOptions() {
			after += ","
		}
		edits = append(edits, edit{span: span{options.start + 1, options.start + 1}, before: after})
	case r.optionsNull.present:
		edits = append(edits, edit{span: r.optionsNull.span, before: `{"include_usage":true}`})
	default:
		edits = append(edits, edit{span: top, before: `"stream_options":{"include_usage":true},`, order: 1})
	}
	return edits
}

func (r *Request) emptyOptions() bool {
	for _, c := range r.raw[r.streamOptions.start+1 : r.streamOptions.end-1] {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

func splice(raw []byte, edits []edit) []byte {
	size := len(raw)
	for _, e := range edits {
		size += len(e.before) + len(e.text) + len(e.text)/8 + len(e.after)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		out = append(out, raw[at:e.start]...)
		out = append(out, e.before...)
		out = appendEscaped(out, e.text)
		out = append(out, e.after...)
		at = e.end
	}
	return append(out, raw[at:]...)
}

// contextIn puts a context block into a canonical conversation where Render
// puts it into a native one. The conversation itself is left alone.
func contextIn(c *llmv1.Conversation, block string) []*llmv1.Message {
	messages := c.GetMessages()
	if block == "" {
		return messages
	}
	messages = slices.Clone(messages)
	for i, m := range slices.Backward(messages) {
		if m.GetRole() == llmv1.Role_ROLE_USER {
			messages[i] = &llmv1.Message{Role: m.GetRole(), Name: m.GetName(), Parts: withContext(m.GetParts(), block)}
			return messages
		}
	}
	return append(messages, &llmv1.Message{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{newText(block)}})
}

func withContext(parts []*llmv1.Part, block string) []*llmv1.Part {
	if len(parts) == 1 {
		if text := parts[0].GetText(); text != nil {
			return []*llmv1.Part{newText(block + "\n\n" + text.GetText())}
		}
	}
	return append([]*llmv1.Part{newText(block)}, parts...)
}
