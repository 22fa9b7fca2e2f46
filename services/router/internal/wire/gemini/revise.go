package gemini

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeAnswer writes an answer for a client: the provider's own body where it
// speaks this format, with unknown members, but with the texts, finish reasons
// and citations of the canonical form. The canonical form always wins: it is
// what the guardrails released. sources are the passages that the prompt was
// given; those that a text refers to by their marker are cited.
func EncodeAnswer(a *provider.Answer, sources []*llmv1.Citation) []byte {
	if a.Dialect != Dialect || len(a.Native) == 0 {
		return EncodeCompletion(a.Completion, sources)
	}
	native, err := scanAnswer(a.Native)
	if err != nil || len(native.choices) != len(a.Completion.GetCandidates()) {
		return EncodeCompletion(a.Completion, sources)
	}
	var edits []jsonscan.Edit
	for i, candidate := range a.Completion.GetCandidates() {
		more, ok := native.revise(&native.choices[i], candidate, sources)
		if !ok {
			return EncodeCompletion(a.Completion, sources)
		}
		edits = append(edits, more...)
	}
	if len(edits) == 0 {
		return a.Native
	}
	return jsonscan.Splice(a.Native, edits)
}

// revise makes the edits that bring a native candidate up to the canonical
// one; ok is false if they differ in shape.
func (a *answer) revise(c *choice, to *llmv1.Candidate, sources []*llmv1.Citation) (edits []jsonscan.Edit, ok bool) {
	want := conversation.AnswerTexts(to.GetMessage())
	if len(c.parts) != len(to.GetMessage().GetParts()) || c.index != to.GetIndex() {
		return nil, false
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.kind == partMedia {
			continue
		}
		if len(want) == 0 {
			return nil, false
		}
		text := *want[0].Value
		want = want[1:]
		edit, same := a.revisePart(p, text)
		switch {
		case same:
		case edit.End == 0:
			return nil, false
		default:
			edits = append(edits, edit)
		}
	}
	if len(want) > 0 {
		return nil, false
	}
	if len(edits) > 0 { // these spell the old text
		for _, at := range []jsonscan.Span{c.logprobs, c.grounding.supports} {
			if at.End > 0 {
				edits = append(edits, jsonscan.Edit{Span: at, Before: "null"})
			}
		}
	}
	if c.reason != to.GetFinishReason() {
		if c.finish.End == 0 {
			return nil, false
		}
		edits = append(edits, jsonscan.Edit{Span: c.finish, Before: `"` + finishName(to.GetFinishReason()) + `"`})
	}
	return a.addCitations(edits, c, to, sources), true
}

// revisePart makes the edit of one text, unless it is the same; the edit is
// empty if the text has no place of its own.
func (a *answer) revisePart(p *answerPart, text string) (edit jsonscan.Edit, same bool) {
	switch p.kind {
	case partCall:
		if a.arguments(p) == text {
			return edit, true
		}
		if p.raw.End > 0 && isObject(text) {
			return jsonscan.Edit{Span: p.raw, Before: text}, false
		}
		return edit, false
	case partOpaque:
		return edit, plainJSON(a.Data[p.raw.Start:p.raw.End]) == text
	default:
		if a.OptionalValue(p.text) == text {
			return edit, true
		}
		if p.text.Start == 0 {
			return edit, false
		}
		return jsonscan.Edit{Span: p.text.Span, Text: text}, false
	}
}

// addCitations adds those that the gateway found, in place of the provider's
// if it has any, for those are among them.
func (a *answer) addCitations(edits []jsonscan.Edit, c *choice, to *llmv1.Candidate, sources []*llmv1.Citation) []jsonscan.Edit {
	places := cited(to.GetMessage(), sources)
	if len(places) <= len(c.citations) {
		return edits
	}
	written := string(appendGrounding(nil, places))
	if whole := c.grounding.whole; whole.End > 0 {
		kept := edits[:0]
		for _, e := range edits { // those within are gone with it
			if e.Start < whole.Start || e.Start >= whole.End {
				kept = append(kept, e)
			}
		}
		return append(kept, jsonscan.Edit{Span: whole, Before: written})
	}
	return append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: c.open, End: c.open}, Before: `"groundingMetadata":` + written + `,`})
}
