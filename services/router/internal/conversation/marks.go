package conversation

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// leastMarked is the least number of tokens before a mark of the prompt cache:
// providers keep no shorter beginnings.
const leastMarked = 1024

// CachePoints says behind what of a conversation marks stand of what a provider
// may keep in its prompt cache.
type CachePoints struct {
	// Tools, Instructions: behind all of them.
	Tools, Instructions bool
	// Turns: behind the last turn that will stand the same in the next request.
	Turns bool
}

// None says that no mark stands anywhere.
func (p CachePoints) None() bool { return p == CachePoints{} }

// CachePointsOf finds what of a conversation is worth a mark: what is long enough
// by count. There is none if the client has placed marks of its own.
func CachePointsOf(c *llmv1.Conversation, count func(*llmv1.Conversation) int64) (p CachePoints) {
	messages := c.GetMessages()
	if len(messages) == 0 || hasCachePoints(messages) {
		return p
	}
	instructed, settled := borders(messages)
	n := count(&llmv1.Conversation{Tools: c.GetTools()})
	p.Tools = len(c.GetTools()) > 0 && n >= leastMarked
	n += count(&llmv1.Conversation{Messages: messages[:instructed]})
	p.Instructions = instructed > 0 && n >= leastMarked
	n += count(&llmv1.Conversation{Messages: messages[instructed:settled]})
	p.Turns = settled > instructed && n >= leastMarked
	return p
}

// WithCachePoints returns the conversation with the marks that CachePointsOf has
// found in it; c itself is left alone.
func WithCachePoints(c *llmv1.Conversation, p CachePoints) *llmv1.Conversation {
	if p.None() {
		return c
	}
	out := Shallow(c)
	out.Messages = slices.Clone(c.GetMessages())
	instructed, settled := borders(out.Messages)
	if p.Instructions {
		out.Messages[instructed-1] = markedBehind(out.Messages[instructed-1])
	}
	if p.Turns {
		out.Messages[settled-1] = markedBehind(out.Messages[settled-1])
	}
	if p.Tools { // a mark before everything that is said stands behind the tools
		first := out.Messages[0]
		out.Messages[0] = &llmv1.Message{
			Role: first.GetRole(), Name: first.GetName(), Parts: append([]*llmv1.Part{cachePoint()}, first.GetParts()...),
		}
	}
	return out
}

// Instructions is how many messages at the beginning of a conversation are
// instructions.
func Instructions(messages []*llmv1.Message) int {
	n := 0
	for n < len(messages) && messages[n].GetRole() == llmv1.Role_ROLE_SYSTEM {
		n++
	}
	return n
}

// borders are where the instructions end, and where what is said for good ends:
// all before the turn that asks for the answer.
func borders(messages []*llmv1.Message) (instructed, settled int) {
	instructed = Instructions(messages)
	settled = len(messages)
	if messages[settled-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		settled-- // the beginning of the answer
	}
	for settled > 0 && messages[settled-1].GetRole() != llmv1.Role_ROLE_ASSISTANT {
		settled--
	}
	return instructed, max(instructed, settled)
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
