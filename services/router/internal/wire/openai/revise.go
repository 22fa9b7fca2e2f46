package openai

import (
	"strings"

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
	have, want := c.texts(), conversation.AnswerTexts(to.GetMessage())
	if c.opaque || len(have) != len(want) || c.index != to.GetIndex() {
		return nil, false
	}
	for i, t := range have {
		if a.OptionalValue(t) == *want[i].Value {
			continue
		}
		if i < len(c.thinking.texts) {
			edits = c.reviseCopies(edits, want)
		}
		if t.Start == 0 {
			return nil, false
		}
		edits = append(edits, jsonscan.Edit{Span: t.Span, Text: *want[i].Value})
	}
	if len(edits) > 0 && c.logprobs.End > 0 { // they spell the old text
		edits = append(edits, jsonscan.Edit{Span: c.logprobs, Before: "null"})
	}
	if refused(c.reason, c.refusal.Start != 0) != to.GetFinishReason() {
		if c.finish.End == 0 {
			return nil, false
		}
		edits = append(edits, jsonscan.Edit{Span: c.finish, Before: `"` + finishName(to.GetFinishReason()) + `"`})
	}
	return a.addCitations(edits, c, to, sources), true
}

// reviseCopies brings the places where the thinking stands once more up to it.
func (c *choice) reviseCopies(edits []jsonscan.Edit, want []conversation.Text) []jsonscan.Edit {
	var whole strings.Builder
	for i := range c.thinking.texts {
		whole.WriteString(*want[i].Value)
	}
	for _, t := range c.copies {
		edits = append(edits, jsonscan.Edit{Span: t.Span, Text: whole.String()})
	}
	c.copies = nil // once is enough
	return edits
}

// addCitations adds those that the gateway found to those of the provider.
func (a *answer) addCitations(edits []jsonscan.Edit, c *choice, to *llmv1.Candidate, sources []*llmv1.Citation) []jsonscan.Edit {
	var have []*llmv1.Citation
	var text strings.Builder
	for _, p := range to.GetMessage().GetParts() {
		have = append(have, p.GetText().GetCitations()...)
		if len(sources) > 0 || len(have) > len(c.citations) {
			text.WriteString(p.GetText().GetText())
		}
	}
	have = cited(have, sources, text.String())
	if len(have) <= len(c.citations) || c.message == 0 {
		return edits
	}
	written := string(appendCitations(nil, have, text.String()))
	if c.annotations.End > 0 {
		return append(edits, jsonscan.Edit{Span: c.annotations, Before: written})
	}
	return append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: c.message, End: c.message}, Before: `"annotations":` + written + `,`})
}
