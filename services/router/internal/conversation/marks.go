package conversation

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// leastMarked is the least number of tokens before a mark of the prompt cache:
// providers keep no shorter beginnings.
const leastMarked = 1024

// WithCachePoints returns the conversation with marks of what a provider may
// keep in its prompt cache: behind the tools, behind the instructions, and
// behind the last turn that will stand the same in the next request. c itself is
// left alone, and returned if nothing is long enough or the client has placed
// marks of its own.
func WithCachePoints(c *llmv1.Conversation, count func(*llmv1.Conversation) int64) *llmv1.Conversation {
	messages := c.GetMessages()
	if len(messages) == 0 || hasCachePoints(messages) {
		return c
	}
	instructed := 0
	for instructed < len(messages) && messages[instructed].GetRole() == llmv1.Role_ROLE_SYSTEM {
		instructed++
	}
	settled := max(settledTurns(messages), instructed)
	long := func(n int64) bool { return n >= leastMarked }
	n := count(&llmv1.Conversation{Tools: c.GetTools()})
	behindTools := len(c.GetTools()) > 0 && long(n)
	n += count(&llmv1.Conversation{Messages: messages[:instructed]})
	behindInstructions := instructed > 0 && long(n)
	n += count(&llmv1.Conversation{Messages: messages[instructed:settled]})
	behindTurns := settled > instructed && long(n)
	if !behindTools && !behindInstructions && !behindTurns {
		return c
	}
	out := Shallow(c)
	out.Messages = slices.Clone(messages)
	if behindInstructions {
		out.Messages[instructed-1] = markedBehind(out.Messages[instructed-1])
	}
	if behindTurns {
		out.Messages[settled-1] = markedBehind(out.Messages[settled-1])
	}
	if behindTools { // a mark before everything that is said stands behind the tools
		first := out.Messages[0]
		out.Messages[0] = &llmv1.Message{
			Role: first.GetRole(), Name: first.GetName(), Parts: append([]*llmv1.Part{cachePoint()}, first.GetParts()...),
		}
	}
	return out
}

// settledTurns is how many messages are said for good: all before the turn that
// asks for the answer.
func settledTurns(messages []*llmv1.Message) int {
	n := len(messages)
	if messages[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		n-- // the beginning of the answer
	}
	for n > 0 && messages[n-1].GetRole() != llmv1.Role_ROLE_ASSISTANT {
		n--
	}
	return n
}

func markedBehind(m *llmv1.Message) *llmv1.Message {
	parts := append(slices.Clip(m.GetParts()), cachePoint())
	return &llmv1.Message{Role: m.GetRole(), Name: m.GetName(), Parts: parts}
}

func cachePoint() *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{}}}
}

func hasCachePoints(messages []*llmv1.Message) bool {
	for _, m := range messages {
		for _, p := range m.GetParts() {
			if p.GetCachePoint() != nil {
				return true
			}
		}
	}
	return false
}
