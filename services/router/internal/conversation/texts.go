// Package conversation holds what the router does with canonical conversations
// whatever dialect they came in.
package conversation

import (
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Text is one text of a conversation that a guardrail looks at.
type Text struct {
	// Kind says how it is written and how far it is trusted.
	Kind guardrailv1.ContentKind
	// Value points at the text, so that it can be replaced.
	Value *string
}

// Texts lists every text that goes to the model, in the order in which it
// stands in the conversation: each text part, thinking, tool call's arguments
// and text of a tool result. The index in this list is how a guardrail's
// revision and a dialect's JSON path name a text.
func Texts(c *llmv1.Conversation) []Text {
	texts := make([]Text, 0, len(c.GetMessages()))
	for _, m := range c.GetMessages() {
		texts = appendTexts(texts, m.GetParts(), kindOf(m.GetRole()))
	}
	return texts
}

// AnswerTexts lists every text of an answer's message, likewise.
func AnswerTexts(m *llmv1.Message) []Text {
	return appendTexts(nil, m.GetParts(), guardrailv1.ContentKind_CONTENT_KIND_TEXT)
}

// Revise replaces texts by their index.
func Revise(c *llmv1.Conversation, revisions map[int]string) {
	texts := Texts(c)
	for i, text := range revisions {
		*texts[i].Value = text
	}
}

func appendTexts(texts []Text, parts []*llmv1.Part, kind guardrailv1.ContentKind) []Text {
	for _, p := range parts {
		switch content := p.GetContent().(type) {
		case *llmv1.Part_Text:
			texts = append(texts, Text{kind, &content.Text.Text})
		case *llmv1.Part_Thinking:
			texts = append(texts, Text{kind, &content.Thinking.Text})
		case *llmv1.Part_ToolCall:
			texts = append(texts, Text{guardrailv1.ContentKind_CONTENT_KIND_JSON, &content.ToolCall.Arguments})
		case *llmv1.Part_ToolResult:
			texts = appendTexts(texts, content.ToolResult.GetParts(), guardrailv1.ContentKind_CONTENT_KIND_TOOL_RESULT)
		}
	}
	return texts
}

func kindOf(role llmv1.Role) guardrailv1.ContentKind {
	switch role {
	case llmv1.Role_ROLE_SYSTEM:
		return guardrailv1.ContentKind_CONTENT_KIND_INSTRUCTIONS
	case llmv1.Role_ROLE_TOOL:
		return guardrailv1.ContentKind_CONTENT_KIND_TOOL_RESULT
	default:
		return guardrailv1.ContentKind_CONTENT_KIND_TEXT
	}
}
