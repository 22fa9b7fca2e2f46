package pipeline

import (
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// ContinuationFor implements attempt.Source: what RequestFor gives, with the
// beginning of the answer behind it. The client has written nothing of the
// kind, so the target gets the canonical form, whatever it speaks, and without
// thinking: the answer is behind that already.
func (r *request) ContinuationFor(c *route.Candidate, begun string) *provider.Request {
	translated := *c
	translated.Native = false
	translated.Lacks |= c.Target.Wire
	out := *r.requestFor(&translated)
	out.Native = nil
	whole := conversation.Shallow(out.Conversation)
	whole.Reasoning = nil
	whole.Messages = begin(whole.GetMessages(), begun)
	out.Conversation = whole
	return &out
}

// begin puts the beginning of an answer behind the messages. If the client has
// begun it itself, that is where it goes on.
func begin(messages []*llmv1.Message, begun string) []*llmv1.Message {
	text := func(s string) *llmv1.Part { return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}} }
	n := len(messages)
	out := append(make([]*llmv1.Message, 0, n+1), messages...)
	if n == 0 || messages[n-1].GetRole() != llmv1.Role_ROLE_ASSISTANT {
		return append(out, &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{text(begun)}})
	}
	last := proto.Clone(messages[n-1]).(*llmv1.Message)
	parts := last.GetParts()
	if k := len(parts); k > 0 && parts[k-1].GetText() != nil {
		parts[k-1] = text(parts[k-1].GetText().GetText() + begun)
	} else {
		last.Parts = append(parts, text(begun))
	}
	out[n-1] = last
	return out
}
