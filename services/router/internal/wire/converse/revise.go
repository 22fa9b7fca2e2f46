package converse

import (
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// EncodeAnswer writes an answer for a client: the provider's own body where it
// speaks this format, with unknown members, but with the texts, the stop reason
// and the citations of the canonical form. The canonical form always wins: it
// is what the guardrails released. sources are the passages that the prompt was
// given; those that a text refers to by their marker are cited. took is how
// long the answer took, which the format wants to know of an answer that is
// written anew.
func EncodeAnswer(a *provider.Answer, sources []*llmv1.Citation, took time.Duration) []byte {
	if a.Dialect != Dialect || len(a.Native) == 0 || len(a.Completion.GetCandidates()) != 1 {
		return EncodeCompletion(a.Completion, sources, took)
	}
	native, err := scanAnswer(a.Native)
	if err != nil {
		return EncodeCompletion(a.Completion, sources, took)
	}
	edits, ok := native.revise(a.Completion.GetCandidates()[0], sources)
	switch {
	case !ok:
		return EncodeCompletion(a.Completion, sources, took)
	case len(edits) == 0:
		return a.Native
	default:
		return jsonscan.Splice(a.Native, edits)
	}
}

// revise makes the edits that bring a native answer up to the canonical one; ok
// is false if they differ in shape.
func (a *answer) revise(to *llmv1.Candidate, sources []*llmv1.Citation) (edits []jsonscan.Edit, ok bool) {
	have := conversation.AnswerTexts(&llmv1.Message{Parts: a.said.parts})
	want := conversation.AnswerTexts(to.GetMessage())
	if a.opaque || len(have) != len(want) || len(have) != len(a.said.texts) {
		return nil, false
	}
	for i, t := range a.said.texts {
		if *have[i].Value == *want[i].Value {
			continue
		}
		edit, err := t.revise(*want[i].Value)
		if err != nil {
			return nil, false
		}
		edits = append(edits, edit)
	}
	if a.reason != to.GetFinishReason() {
		if a.stop.End == 0 {
			return nil, false
		}
		name := finishName(to.GetFinishReason(), to.GetStopSequence())
		edits = append(edits, jsonscan.Edit{Span: a.stop, Before: `"` + name + `"`})
	}
	return a.cite(edits, to, sources), true
}

// cite adds the citations that the gateway found to those of the provider.
func (a *answer) cite(edits []jsonscan.Edit, to *llmv1.Candidate, sources []*llmv1.Citation) []jsonscan.Edit {
	if len(sources) == 0 {
		return edits
	}
	var text strings.Builder
	for _, p := range to.GetMessage().GetParts() {
		text.WriteString(p.GetText().GetText())
	}
	found := cited(nil, sources, text.String())
	if len(found) == 0 {
		return edits
	}
	block := string(appendCitations(nil, found))
	if a.filled {
		block = "," + block
	}
	return append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: a.end, End: a.end}, Before: block})
}
