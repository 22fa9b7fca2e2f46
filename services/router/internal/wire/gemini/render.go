package gemini

import (
	"encoding/base64"
	"fmt"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Render implements provider.NativeRequest: the client's bytes with all
// changes made in one pass. Whether the answer is streamed, and mostly the
// model too, is a matter of the path.
func (r *Request) Render(to *provider.Request, _ bool) ([]byte, error) {
	var space [8]jsonscan.Edit
	edits := space[:0]
	if r.bodyModel.End > 0 && to.Model != "" && to.Model != r.modelName {
		edits = append(edits, jsonscan.Edit{Span: r.bodyModel.Span, Text: "models/" + to.Model})
	}
	for i, text := range to.Revisions {
		edit, err := r.revision(i, text)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit...)
	}
	edits = r.addContext(edits, to.Context)
	edits = r.addInstructions(edits, to.Instructions)
	edits = r.addDefaults(edits, to.Defaults)
	return jsonscan.Splice(r.raw, edits), nil
}

// revision replaces a text. One that stands as JSON stays JSON.
func (r *Request) revision(i int, text string) ([]jsonscan.Edit, error) {
	if i < 0 || i >= len(r.texts) {
		return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
	}
	at := r.texts[i]
	switch {
	case at.kind == placeText:
		return []jsonscan.Edit{{Span: at.Span, Text: text, Order: 1}}, nil
	case at.kind == placeBase64:
		return []jsonscan.Edit{{Span: at.Span, Before: base64.StdEncoding.EncodeToString([]byte(text)), Order: 1}}, nil
	case at.kind == placeNone:
		return nil, nil
	case isObject(text):
		return []jsonscan.Edit{{Span: at.Span, Before: text, Order: 1}}, nil
	case at.kind == placeOutput:
		return []jsonscan.Edit{{Span: at.Span, Before: `{"output":"`, Text: text, After: `"}`, Order: 1}}, nil
	default:
		return nil, errs.Internal(fmt.Errorf("the revision of text %d is not a JSON object", i))
	}
}

// isObject says whether a text is one JSON object.
func isObject(text string) bool {
	s := newScanner([]byte(text))
	if s.Peek() != '{' {
		return false
	}
	s.Skip()
	return s.Finish() == nil
}

// textPart is how a text stands in a list of parts.
const (
	partBefore = `{"text":"`
	partAfter  = `"}`
)

// addContext puts the context block before the user's last words, or behind
// everything if no user speaks.
func (r *Request) addContext(edits []jsonscan.Edit, block string) []jsonscan.Edit {
	if block == "" {
		return edits
	}
	at := func(i int) jsonscan.Span { return jsonscan.Span{Start: i, End: i} }
	if c := r.context; c.found {
		if !c.single {
			return append(edits, jsonscan.Edit{Span: at(c.at), Before: partBefore, Text: block, After: partAfter + ","})
		}
		return append(edits,
			jsonscan.Edit{Span: at(c.at), Before: "[" + partBefore, Text: block, After: partAfter + ","},
			jsonscan.Edit{Span: at(c.end), Before: "]"})
	}
	const before, after = `,{"role":"user","parts":[` + partBefore, partAfter + `]}`
	if r.contents.kind == listSingle {
		return append(edits, jsonscan.Edit{Span: at(r.contents.Start), Before: "["},
			jsonscan.Edit{Span: at(r.contents.End), Before: before, Text: block, After: after + "]"})
	}
	return append(edits, jsonscan.Edit{Span: at(r.contents.End - 1), Before: before, Text: block, After: after})
}

// addInstructions puts the operator's instructions before the client's own.
func (r *Request) addInstructions(edits []jsonscan.Edit, text string) []jsonscan.Edit {
	if text == "" {
		return edits
	}
	const whole = `{"parts":[` + partBefore
	edit := jsonscan.Edit{Text: text}
	at := func(i int) { edit.Start, edit.End = i, i }
	switch s := &r.system; {
	case s.value.kind == listAbsent:
		at(r.body)
		edit.Before, edit.After = `"systemInstruction":`+whole, partAfter+`]},`
	case s.value.kind == listNull:
		edit.Span, edit.Before, edit.After = s.value.Span, whole, partAfter+`]}`
	case s.parts.kind == listAbsent:
		at(s.inner)
		edit.Before, edit.After = `"parts":[`+partBefore, partAfter+`]`+comma(!s.empty)
	case s.parts.kind == listNull:
		edit.Span, edit.Before, edit.After = s.parts.Span, `[`+partBefore, partAfter+`]`
	case s.parts.kind == listSingle:
		at(s.parts.Start)
		edit.Before, edit.After = `[`+partBefore, partAfter+`,`
		edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: s.parts.End, End: s.parts.End}, Before: `]`})
	default:
		at(s.parts.Start + 1)
		edit.Before, edit.After = partBefore, partAfter+comma(s.parts.count > 0)
	}
	return append(edits, edit)
}

func comma(needed bool) string {
	if needed {
		return ","
	}
	return ""
}

// addDefaults sets the parameters that the client has left open.
func (r *Request) addDefaults(edits []jsonscan.Edit, d *llmv1.Sampling) []jsonscan.Edit {
	if d == nil {
		return edits
	}
	var members []string
	for _, m := range samplingMembers(d) {
		switch null, ok := r.config.nulls[m.name]; {
		case ok:
			edits = append(edits, jsonscan.Edit{Span: null, Before: m.value})
		case m.name == "stopSequences" && r.config.stops.End > 0:
			edits = append(edits, jsonscan.Edit{Span: r.config.stops, Before: m.value})
		default:
			members = append(members, `"`+m.name+`":`+m.value)
		}
	}
	if len(members) == 0 {
		return edits
	}
	added := strings.Join(members, ",")
	switch c := &r.config; c.value.kind {
	case listAbsent:
		return append(edits, jsonscan.Edit{
			Span: jsonscan.Span{Start: r.body, End: r.body}, Before: `"generationConfig":{` + added + `},`, Order: 1,
		})
	case listNull:
		return append(edits, jsonscan.Edit{Span: c.value.Span, Before: `{` + added + `}`})
	default:
		return append(edits, jsonscan.Edit{
			Span: jsonscan.Span{Start: c.inner, End: c.inner}, Before: added + comma(!c.empty),
		})
	}
}
