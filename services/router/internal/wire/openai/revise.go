package openai

import (
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
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
	var edits []edit
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
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	return splice(a.Native, edits)
}

// revise makes the edits that bring a native candidate up to the canonical
// one; ok is false if they differ in shape.
func (a *answer) revise(c *choice, to *llmv1.Candidate, sources []*llmv1.Citation) (edits []edit, ok bool) {
	have, want := c.texts(), conversation.AnswerTexts(to.GetMessage())
	if c.opaque || len(have) != len(want) || c.index != to.GetIndex() {
		return nil, false
	}
	for i, t := range have {
		if a.optionalValue(t) == *want[i].Value {
			continue
		}
		if t.start == 0 {
			return nil, false
		}
		edits = append(edits, edit{span: t.span, text: *want[i].Value})
	}
	if len(edits) > 0 && c.logprobs.end > 0 { // they spell the old text
		edits = append(edits, edit{span: c.logprobs, before: "null"})
	}
	if refused(c.reason, c.refusal.start != 0) != to.GetFinishReason() {
		if c.finish.end == 0 {
			return nil, false
		}
		edits = append(edits, edit{span: c.finish, before: `"` + finishName(to.GetFinishReason()) + `"`})
	}
	return a.addCitations(edits, c, to, sources), true
}

// addCitations adds those that the gateway found to those of the provider.
func (a *answer) addCitations(edits []edit, c *choice, to *llmv1.Candidate, sources []*llmv1.Citation) []edit {
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
	if c.annotations.end > 0 {
		return append(edits, edit{span: c.annotations, before: written})
	}
	return append(edits, edit{span: span{c.message, c.message}, before: `"annotations":` + written + `,`})
}
