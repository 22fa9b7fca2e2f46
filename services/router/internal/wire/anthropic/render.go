package anthropic

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Members that stand in one envelope of the format only.
var (
	messageOnly = []string{"model", "stream"}
	invokeOnly  = []string{"anthropic_version", "anthropic_beta"}
	// uncounted are what a request to count tokens must not have.
	uncounted = []string{
		"max_tokens", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p", "service_tier",
		"container", "inference_geo", "diagnostics",
	}
)

// Render implements provider.NativeRequest: the client's bytes with all
// changes made in one pass. Thinking that has no signature is left out, as it
// is from the canonical form: it is another provider's.
func (r *Request) Render(to *provider.Request, stream bool) ([]byte, error) {
	out, err := r.splice(to, true, stream)
	if err != nil || !r.invoke {
		return out, err
	}
	return without(out, invokeOnly), nil
}

// RenderInvoke writes the request as a body of Bedrock's InvokeModel, which has
// neither model nor stream and names its version.
func (r *Request) RenderInvoke(to *provider.Request) ([]byte, error) {
	out, err := r.splice(to, false, false)
	if err != nil || r.invoke {
		return out, err
	}
	out = without(out, messageOnly)
	return jsonscan.Splice(out, []jsonscan.Edit{{
		Span: jsonscan.Span{Start: 1, End: 1}, Before: `"anthropic_version":"` + BedrockVersion + `",`,
	}}), nil
}

// RenderCount writes the request as one to count tokens.
func (r *Request) RenderCount(to *provider.Request) ([]byte, error) {
	out, err := r.Render(to, false)
	if err != nil {
		return nil, err
	}
	return without(out, uncounted), nil
}

// splice makes all changes but for whole members that must go. addressed says
// that the body names model and stream itself.
func (r *Request) splice(to *provider.Request, addressed, stream bool) ([]byte, error) {
	var space [16]jsonscan.Edit
	edits := space[:0]
	for i, revised := range to.Revisions {
		if i < 0 || i >= len(r.texts) || r.texts[i].End == 0 {
			return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
		}
		if r.leavesOut(r.texts[i].Start) {
			continue
		}
		e := jsonscan.Edit{Span: r.texts[i].Span, Text: revised, Order: 1}
		if r.texts[i].object {
			e.Before, e.Text = object(revised), ""
		}
		edits = append(edits, e)
	}
	for _, at := range r.unsigned {
		edits = append(edits, jsonscan.Edit{Span: at})
	}
	if to.Context != "" {
		edits = append(edits, r.context.insert(to.Context, r.hasMessages()))
	}
	edits = r.instruct(edits, to)
	edits = r.mark(edits, to)
	edits = r.defaults(edits, to.Defaults)
	if addressed {
		edits = r.address(edits, to.Model, stream)
	}
	return jsonscan.Splice(r.raw, edits), nil
}

// leavesOut says whether a place is in what is left out.
func (r *Request) leavesOut(at int) bool {
	return slices.ContainsFunc(r.unsigned, func(s jsonscan.Span) bool { return s.Start <= at && at < s.End })
}

// hasMessages says whether a message stands before the end of the messages.
func (r *Request) hasMessages() bool {
	before := bytes.TrimRight(r.raw[:r.context.at], " \t\r\n")
	return before[len(before)-1] != '['
}

// insert makes the edit that puts the context block in its place.
func (c contextPlace) insert(block string, behindOthers bool) jsonscan.Edit {
	e := jsonscan.Edit{Span: jsonscan.Span{Start: c.at, End: c.at}, Text: block}
	switch c.kind {
	case placeString:
		e.After = `\n\n`
	case placeBlock:
		e.Before, e.After = `{"type":"text","text":"`, `"},`
	case placeEmptyArray:
		e.Before, e.After = `{"type":"text","text":"`, `"}`
	default:
		e.Before, e.After = `{"role":"user","content":"`, `"}`
		if behindOthers {
			e.Before = "," + e.Before
		}
	}
	return e
}

// top makes an edit that adds a member.
func (r *Request) top(member string) jsonscan.Edit {
	return jsonscan.Edit{Span: jsonscan.Span{Start: r.body, End: r.body}, Before: member}
}

// instruct puts the operator's instructions before the client's, as a block of
// their own.
func (r *Request) instruct(edits []jsonscan.Edit, to *provider.Request) []jsonscan.Edit {
	if to.Instructions == "" {
		return edits
	}
	at, end := r.system.Span, `"}`
	marked := r.marksInstructions(to)
	if marked {
		end = `"` + markMember + `}`
	}
	e := jsonscan.Edit{
		Span:   jsonscan.Span{Start: at.Start + 1, End: at.Start + 1},
		Before: beginBlock + `"`, Text: to.Instructions, After: end,
	}
	switch {
	case r.system.kind == systemArray:
		e.After += ","
	case r.system.kind == systemEmptyArray:
	case r.system.kind == systemString:
		e.Span.Start, e.Span.End = at.Start, at.Start
		e.Before, e.After = "["+e.Before, e.After+","+beginBlock
		edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: at.End, End: at.End}, Before: "}]", Order: 1})
	case marked:
		e.Span, e.Before, e.After = at, "["+e.Before, e.After+"]"
	default:
		e.Span, e.Before, e.After = at, `"`, `"`
	}
	if r.system.kind == systemNone {
		e.Span = jsonscan.Span{Start: r.body, End: r.body}
		e.Before, e.After = `"system":`+e.Before, e.After+","
	}
	return append(edits, e)
}

// defaults sets what the client has left open.
func (r *Request) defaults(edits []jsonscan.Edit, s *llmv1.Sampling) []jsonscan.Edit {
	if s == nil {
		return edits
	}
	e := &encoder{}
	set := func(name string) {
		if at, null := r.nulls[name]; null {
			edits = append(edits, jsonscan.Edit{Span: at, Before: string(e.buf)})
		} else {
			edits = append(edits, r.top(`"`+name+`":`+string(e.buf)+`,`))
		}
		e.buf = e.buf[:0]
	}
	if s.Temperature != nil {
		e.number(s.GetTemperature())
		set("temperature")
	}
	if s.TopP != nil {
		e.number(s.GetTopP())
		set("top_p")
	}
	if s.TopK != nil {
		e.integer(int64(s.GetTopK()))
		set("top_k")
	}
	if s.MaxOutputTokens != nil {
		e.integer(s.GetMaxOutputTokens())
		set("max_tokens")
	}
	if len(s.GetStop()) > 0 {
		e.strings(s.GetStop())
		set("stop_sequences")
	}
	return edits
}

// address writes which model is asked, and how.
func (r *Request) address(edits []jsonscan.Edit, model string, stream bool) []jsonscan.Edit {
	if model == "" {
		model = r.modelName
	}
	if r.model.Start == 0 {
		e := r.top(`"model":"`)
		e.Text, e.After = model, `",`
		edits = append(edits, e)
	} else if model != r.modelName {
		edits = append(edits, jsonscan.Edit{Span: r.model.Span, Text: model})
	}
	if r.stream.present {
		if stream != r.stream.value || string(r.raw[r.stream.Start:r.stream.End]) == "null" {
			edits = append(edits, jsonscan.Edit{Span: r.stream.Span, Before: strconv.FormatBool(stream)})
		}
		return edits
	}
	if stream {
		edits = append(edits, r.top(`"stream":true,`))
	}
	return edits
}

// without takes members out of an object. They are few and seldom there.
func without(body []byte, names []string) []byte {
	s := jsonscan.Scanner{Data: body}
	out := append(make([]byte, 0, len(body)), '{')
	for s.Open('{'); s.Next('}'); {
		start := s.At
		key := s.Key()
		s.Skip()
		if s.Err != nil || slices.ContainsFunc(names, func(name string) bool { return name == string(key) }) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, body[start:s.At]...)
	}
	return append(out, '}')
}
