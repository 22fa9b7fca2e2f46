package openai

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Names of the member that bounds an answer; the second is the older one.
const (
	maxCompletionTokens = "max_completion_tokens"
	maxTokens           = "max_tokens"
)

// NoThinking as the quirk thinking takes the thinking of earlier turns out of
// what clients send back: the server refuses members that it does not know.
const NoThinking = "none"

func limitName(q provider.Quirks) string {
	if q.MaxTokens != "" {
		return q.MaxTokens
	}
	return maxCompletionTokens
}

func systemRole(q provider.Quirks) string {
	if q.SystemRole != "" {
		return q.SystemRole
	}
	return "system"
}

// defaults inserts what the route sets, where the client has set nothing. A
// null is nothing.
func (r *Request) defaults(d *llmv1.Sampling, q provider.Quirks) []jsonscan.Edit {
	var edits []jsonscan.Edit
	if d.MaxOutputTokens != nil && (r.sets(maxTokens) || r.sets(maxCompletionTokens)) {
		d = proto.CloneOf(d)
		d.MaxOutputTokens = nil
	}
	e := &encoder{buf: make([]byte, 0, 128), quirks: q, each: func(name string, value []byte) {
		m, ok := r.member(name)
		switch {
		case !ok:
			top := jsonscan.Span{Start: r.body, End: r.body}
			edits = append(edits, jsonscan.Edit{Span: top, Before: `"` + name + `":` + string(value) + `,`, Order: 2})
		case m.null:
			edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: m.value, End: m.whole.End}, Before: string(value)})
		}
	}}
	e.sampling(d)
	return edits
}

// sets says whether the client has set a member.
func (r *Request) sets(name string) bool {
	m, ok := r.member(name)
	return ok && !m.null
}

// quirkEdits takes out what the server refuses, and names the limit as it does.
func (r *Request) quirkEdits(edits []jsonscan.Edit, q provider.Quirks) []jsonscan.Edit {
	var gone []jsonscan.Span
	drop := func(name string) {
		if m, ok := r.member(name); ok && !slices.Contains(gone, m.whole) {
			gone = append(gone, m.whole)
		}
	}
	for _, name := range q.Drop {
		if name != "model" && name != "messages" {
			drop(name)
		}
	}
	if q.NoStreamOptions {
		drop("stream_options")
	}
	if q.Thinking == NoThinking {
		gone = append(gone, r.thoughts...)
	}
	if q.MaxTokens != "" {
		other := maxTokens
		if q.MaxTokens == maxTokens {
			other = maxCompletionTokens
		}
		if m, ok := r.member(other); ok && (r.sets(q.MaxTokens) || m.null) {
			drop(other)
		} else if ok && !slices.Contains(q.Drop, other) {
			name := jsonscan.Span{Start: m.whole.Start, End: m.value}
			edits = append(edits, jsonscan.Edit{Span: name, Before: strconv.Quote(q.MaxTokens) + ":"})
		}
	}
	if len(gone) == 0 {
		return edits
	}
	// What else happens inside a member that goes is of no matter.
	edits = slices.DeleteFunc(edits, func(e jsonscan.Edit) bool {
		return slices.ContainsFunc(gone, func(g jsonscan.Span) bool { return e.Start > g.Start && e.End <= g.End })
	})
	return append(edits, r.without(gone)...)
}

// without takes members out, each with the comma behind it, or the one before
// it where it is the last.
func (r *Request) without(gone []jsonscan.Span) []jsonscan.Edit {
	slices.SortFunc(gone, func(a, b jsonscan.Span) int { return a.Start - b.Start })
	var out []jsonscan.Span
	for _, g := range gone {
		end := g.End
		for end < len(r.raw) && blank(r.raw[end]) {
			end++
		}
		if end < len(r.raw) && r.raw[end] == ',' {
			out = append(out, jsonscan.Span{Start: g.Start, End: end + 1})
			continue
		}
		start := g.Start
		for {
			for blank(r.raw[start-1]) {
				start--
			}
			if n := len(out); n > 0 && out[n-1].End == start { // took the comma between with it
				start, out = out[n-1].Start, out[:n-1]
				continue
			}
			break
		}
		if r.raw[start-1] == ',' {
			start--
		}
		out = append(out, jsonscan.Span{Start: start, End: g.End})
	}
	edits := make([]jsonscan.Edit, 0, len(out))
	for _, span := range out {
		edits = append(edits, jsonscan.Edit{Span: span, Order: 9})
	}
	return edits
}
