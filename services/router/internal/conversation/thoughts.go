package conversation

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// WithWholeThoughts joins thoughts that a client sends back in the pieces in
// which they were streamed: text without a signature, and at last the signature
// of the whole. Other formats hold a thought in one piece. The conversation is
// copied where it changes, and returned as it is where nothing does.
func WithWholeThoughts(c *llmv1.Conversation) *llmv1.Conversation {
	out := c
	for i, m := range c.GetMessages() {
		parts := wholeThoughts(m.GetParts())
		if len(parts) == len(m.GetParts()) {
			continue
		}
		if out == c {
			out = Shallow(c)
			out.Messages = slices.Clone(c.GetMessages())
		}
		out.Messages[i] = &llmv1.Message{Role: m.GetRole(), Name: m.GetName(), Parts: parts}
	}
	return out
}

func wholeThoughts(parts []*llmv1.Part) []*llmv1.Part {
	out := parts
	for i := 1; i < len(out); i++ {
		before, now := out[i-1].GetThinking(), out[i].GetThinking()
		if before == nil || now == nil || before.GetSignature() != "" || len(before.GetRedacted()) > 0 || len(now.GetRedacted()) > 0 {
			continue
		}
		joined := &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{
			Text: before.GetText() + now.GetText(), Signature: now.GetSignature(),
		}}}
		out = slices.Concat(out[:i-1], []*llmv1.Part{joined}, out[i+1:])
		i--
	}
	return out
}
