package openai

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Render implements provider.NativeRequest: the client's bytes with all
// changes made in one pass.
func (r *Request) Render(to *provider.Request, stream bool) ([]byte, error) {
	return r.RenderFor(to, stream, provider.Quirks{})
}

// RenderFor renders the request for a server with quirks.
func (r *Request) RenderFor(to *provider.Request, stream bool, q provider.Quirks) ([]byte, error) {
	var space [8]jsonscan.Edit
	edits := space[:0]
	if r.model.Start == 0 {
		top := jsonscan.Span{Start: r.body, End: r.body}
		edits = append(edits, jsonscan.Edit{Span: top, Before: `"model":"`, Text: to.Model, After: `",`, Order: 3})
	} else if to.Model != "" && to.Model != r.modelName {
		edits = append(edits, jsonscan.Edit{Span: r.model.Span, Text: to.Model})
	}
	edits, err := r.revise(edits, to.Revisions)
	if err != nil {
		return nil, err
	}
	if to.Context != "" {
		edits = append(edits, r.context.insert(to.Context, len(to.Conversation.GetMessages()) > 0))
	}
	if to.Instructions != "" {
		edits = append(edits, jsonscan.Edit{
			Span:   jsonscan.Span{Start: r.first, End: r.first},
			Before: `{"role":"` + systemRole(q) + `","content":"`, Text: to.Instructions, After: `"},`,
		})
	}
	if to.Defaults != nil {
		edits = append(edits, r.defaults(to.Defaults, q)...)
	}
	edits = r.streamEdits(edits, stream, q)
	edits = r.quirkEdits(edits, q)
	return jsonscan.Splice(r.raw, edits), nil
}

// revise puts masked texts in the places of the originals, and in those where
// they stand once more.
func (r *Request) revise(edits []jsonscan.Edit, revisions map[int]string) ([]jsonscan.Edit, error) {
	for i, text := range revisions {
		if i < 0 || i >= len(r.texts) {
			return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
		}
		if r.texts[i].Start != 0 { // encrypted thinking has no text to replace
			edits = append(edits, jsonscan.Edit{Span: r.texts[i].Span, Text: text, Order: 1})
		}
	}
	if len(revisions) == 0 {
		return edits, nil
	}
	for _, c := range r.copies {
		if text, changed := r.revised(c, revisions); changed {
			edits = append(edits, jsonscan.Edit{Span: c.Span, Text: text, Order: 1})
		}
	}
	return edits, nil
}

func (r *Request) revised(c textCopy, revisions map[int]string) (text string, changed bool) {
	s := newScanner(r.raw)
	var b strings.Builder
	for i := c.first; i < c.first+c.n; i++ {
		if revision, ok := revisions[i]; ok {
			changed = true
			b.WriteString(revision)
			continue
		}
		b.WriteString(s.OptionalValue(r.texts[i]))
	}
	return b.String(), changed
}

// insert makes the edit that puts the context block in its place.
func (c contextPlace) insert(block string, behindOthers bool) jsonscan.Edit {
	e := jsonscan.Edit{Span: jsonscan.Span{Start: c.at, End: c.at}, Text: block}
	switch c.kind {
	case placeString:
		e.After = `\n\n`
	case placeParts:
		e.Before, e.After = `{"type":"text","text":"`, `"},`
	case placeEmptyPart:
		e.Before, e.After = `{"type":"text","text":"`, `"}`
	default:
		e.Before, e.After = `{"role":"user","content":"`, `"}`
		if behindOthers {
			e.Before = "," + e.Before
		}
	}
	return e
}

// streamEdits makes stream and stream_options what the gateway needs: with a
// stream, usage is always asked for.
func (r *Request) streamEdits(edits []jsonscan.Edit, stream bool, q provider.Quirks) []jsonscan.Edit {
	top := jsonscan.Span{Start: r.body, End: r.body}
	options := r.streamOptions
	if stream != r.stream.value {
		if r.stream.present {
			edits = append(edits, jsonscan.Edit{Span: r.stream.Span, Before: strconv.FormatBool(stream)})
		} else {
			edits = append(edits, jsonscan.Edit{Span: top, Before: `"stream":true,`})
		}
	}
	switch {
	case q.NoStreamOptions: // taken out as a whole
	case !stream && options.present:
		edits = append(edits, jsonscan.Edit{Span: options.Span, Before: "null"})
	case !stream || options.includeUsage.value:
	case options.includeUsage.present:
		edits = append(edits, jsonscan.Edit{Span: options.includeUsage.Span, Before: "true"})
	case options.present:
		after := `"include_usage":true`
		if !r.emptyOptions() {
			after += ","
		}
		edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: options.Start + 1, End: options.Start + 1}, Before: after})
	case r.optionsNull.present:
		edits = append(edits, jsonscan.Edit{Span: r.optionsNull.Span, Before: `{"include_usage":true}`})
	default:
		edits = append(edits, jsonscan.Edit{Span: top, Before: `"stream_options":{"include_usage":true},`, Order: 1})
	}
	return edits
}

func (r *Request) emptyOptions() bool {
	for _, c := range r.raw[r.streamOptions.Start+1 : r.streamOptions.End-1] {
		if !blank(c) {
			return false
		}
	}
	return true
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// member finds a member of the top level that the parser knows.
func (r *Request) member(name string) (member, bool) {
	i := slices.IndexFunc(r.members, func(m member) bool { return m.name == name })
	if i < 0 {
		return member{}, false
	}
	return r.members[i], true
}
