package conversation

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// WithInstructions returns the conversation with a first system message; c
// itself, which is left alone, if there is none to put.
func WithInstructions(c *llmv1.Conversation, text string) *llmv1.Conversation {
	if text == "" {
		return c
	}
	messages := make([]*llmv1.Message, 0, 1+len(c.GetMessages()))
	messages = append(messages, &llmv1.Message{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{textPart(text)}})
	out := Shallow(c)
	out.Messages = append(messages, c.GetMessages()...)
	return out
}

// WithSampling returns the conversation with other parameters of sampling; c
// itself is left alone.
func WithSampling(c *llmv1.Conversation, s *llmv1.Sampling) *llmv1.Conversation {
	out := Shallow(c)
	out.Sampling = s
	return out
}

// Shallow copies a conversation; what it points at is shared.
func Shallow(c *llmv1.Conversation) *llmv1.Conversation {
	out := &llmv1.Conversation{}
	to := out.ProtoReflect()
	c.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(field, v)
		return true
	})
	return out
}
