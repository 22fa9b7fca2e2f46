package conversation

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// WithContext returns the messages with a context block before the content of
// the last user message, or behind the last message if no user speaks: where a
// native request puts it too. The conversation itself is left alone.
func WithContext(c *llmv1.Conversation, block string) []*llmv1.Message {
	messages := c.GetMessages()
	if block == "" {
		return messages
	}
	messages = slices.Clone(messages)
	for i, m := range slices.Backward(messages) {
		if m.GetRole() == llmv1.Role_ROLE_USER {
			messages[i] = &llmv1.Message{Role: m.GetRole(), Name: m.GetName(), Parts: before(m.GetParts(), block)}
			return messages
		}
	}
	return append(messages, &llmv1.Message{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart(block)}})
}

func before(parts []*llmv1.Part, block string) []*llmv1.Part {
	if len(parts) == 1 {
		if text := parts[0].GetText(); text != nil {
			return []*llmv1.Part{textPart(block + "\n\n" + text.GetText())}
		}
	}
	return append([]*llmv1.Part{textPart(block)}, parts...)
}

func textPart(s string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}
}
