package converse

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Render implements provider.NativeRequest: the client's bytes with all changes
// made in one pass. The model and streaming are not in the body.
func (r *Request) Render(to *provider.Request, _ bool) ([]byte, error) {
	var space [12]jsonscan.Edit
	edits := space[:0]
	for i, text := range to.Revisions {
		if i < 0 || i >= len(r.texts) {
			return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
		}
		edit, err := r.texts[i].revise(text)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit)
	}
	if to.Context != "" {
		edits = append(edits, r.context.insert(to.Context))
	}
	if to.Instructions != "" {
		edits = append(edits, r.instruct(to))
	}
	if !to.CachePoints.None() {
		edits = r.mark(edits, to)
	}
	edits = r.defaults(edits, to)
	if len(edits) == 0 {
		return r.raw, nil
	}
	return jsonscan.Splice(r.raw, edits), nil
}

// revise makes the edit that replaces a text.
func (p place) revise(text string) (jsonscan.Edit, error) {
	switch p.kind {
	case quoted:
		return jsonscan.Edit{Span: p.Span, Text: text, Order: 1}, nil
	case encoded:
		return jsonscan.Edit{Span: p.Span, Before: base64.StdEncoding.EncodeToString([]byte(text)), Order: 1}, nil
	case input:
		if !json.Valid([]byte(text)) {
			return jsonscan.Edit{}, errs.Internal(errNotJSON)
		}
		return jsonscan.Edit{Span: p.Span, Before: text, Order: 1}, nil
	case result:
		if json.Valid([]byte(text)) {
			return jsonscan.Edit{Span: p.Span, Before: text, Order: 1}, nil
		}
		whole := jsonscan.Span{Start: p.member, End: p.End}
		return jsonscan.Edit{Span: whole, Before: `"text":"`, Text: text, After: `"`, Order: 1}, nil
	default:
		if text != "" {
			return jsonscan.Edit{}, errs.Internal(errNoText)
		}
		return jsonscan.Edit{}, nil
	}
}

// insert makes the edit that puts the context block in its place.
func (c contextPlace) insert(block string) jsonscan.Edit {
	e := jsonscan.Edit{Span: jsonscan.Span{Start: c.at, End: c.at}, Before: `{"text":"`, Text: block, After: `"}`}
	switch c.kind {
	case beforeBlock:
		e.After += ","
	case behindBlocks:
		e.Before = "," + e.Before
	case ownMessage:
		e.Before, e.After = `,{"role":"user","content":[`+e.Before, e.After+`]}`
	}
	return e
}

// instruct makes the edit that puts the operator's instructions before all others.
func (r *Request) instruct(to *provider.Request) jsonscan.Edit {
	e := jsonscan.Edit{Before: `{"text":"`, Text: to.Instructions, After: `"}`}
	if to.CachePoints.Instructions && r.marks.system.of(to.Model) == 0 {
		e.After += pointBlock
	}
	if r.system.at > 0 {
		e.Span = jsonscan.Span{Start: r.system.at, End: r.system.at}
		if r.system.filled {
			e.After += ","
		}
		return e
	}
	if at, ok := r.null("system"); ok {
		e.Span, e.Before, e.After = at, "["+e.Before, e.After+"]"
		return e
	}
	e.Span, e.Before, e.After = jsonscan.Span{Start: r.body, End: r.body}, `"system":[`+e.Before, e.After+`],`
	return e
}

func (r *Request) null(path string) (jsonscan.Span, bool) {
	for _, n := range r.nulls {
		if n.path == path {
			return n.Span, true
		}
	}
	return jsonscan.Span{}, false
}

// defaults adds the parameters that the route sets and the client has not.
func (r *Request) defaults(edits []jsonscan.Edit, to *provider.Request) []jsonscan.Edit {
	d := to.Defaults
	if d == nil {
		return edits
	}
	var members []byte
	add := func(have bool, name string, value func(dst []byte) []byte) {
		if !have || slices.Contains(r.set, name) {
			return
		}
		if at, ok := r.null("inferenceConfig." + name); ok {
			edits = append(edits, jsonscan.Edit{Span: at, Before: string(value(nil))})
			return
		}
		if len(members) > 0 {
			members = append(members, ',')
		}
		members = append(append(append(members, '"'), name...), `":`...)
		members = value(members)
	}
	number := func(f *float64) func(dst []byte) []byte {
		return func(dst []byte) []byte { return strconv.AppendFloat(dst, *f, 'g', -1, 64) }
	}
	add(d.MaxOutputTokens != nil, "maxTokens", func(dst []byte) []byte { return strconv.AppendInt(dst, d.GetMaxOutputTokens(), 10) })
	add(d.Temperature != nil, "temperature", number(d.Temperature))
	add(d.TopP != nil, "topP", number(d.TopP))
	add(len(d.GetStop()) > 0, "stopSequences", func(dst []byte) []byte { return appendStrings(dst, d.GetStop()) })
	if len(members) > 0 {
		edits = append(edits, r.add("inferenceConfig", r.inference, members))
	}
	if d.TopK != nil && !slices.Contains(r.set, "top_k") {
		edits = r.defaultTopK(edits, to.Model, d)
	}
	return edits
}

func (r *Request) defaultTopK(edits []jsonscan.Edit, model string, d *llmv1.Sampling) []jsonscan.Edit {
	name, inner := topKName(model)
	if slices.Contains(r.set, name) {
		return edits // the client has set others beside it: those are left alone
	}
	if at, ok := r.null("additionalModelRequestFields." + name); ok {
		k := strconv.Itoa(int(d.GetTopK()))
		if inner != "" {
			k = `{"` + inner + `":` + k + `}`
		}
		return append(edits, jsonscan.Edit{Span: at, Before: k})
	}
	return append(edits, r.add("additionalModelRequestFields", r.fields, appendTopK(nil, model, d.GetTopK())))
}

// add makes the edit that puts members into an object of the top level.
func (r *Request) add(name string, in container, members []byte) jsonscan.Edit {
	e := jsonscan.Edit{Before: string(members)}
	if in.at > 0 {
		e.Span = jsonscan.Span{Start: in.at, End: in.at}
		if in.filled {
			e.Before += ","
		}
		return e
	}
	if at, ok := r.null(name); ok {
		e.Span, e.Before = at, "{"+e.Before+"}"
		return e
	}
	e.Span, e.Before = jsonscan.Span{Start: r.body, End: r.body}, `"`+name+`":{`+e.Before+"},"
	return e
}

func appendStrings(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, text)
	}
	return append(dst, ']')
}
