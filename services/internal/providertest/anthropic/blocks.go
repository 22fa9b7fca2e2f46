package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// block is one block of a message's content.
type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	Source       source          `json:"source"`
	Title        string          `json:"title"`
	Citations    json.RawMessage `json:"citations"`
	Thinking     string          `json:"thinking"`
	Signature    string          `json:"signature"`
	Data         string          `json:"data"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	Content      json.RawMessage `json:"content"`
	IsError      bool            `json:"is_error"`
	CacheControl *cacheControl   `json:"cache_control"`
}

type source struct {
	Type      string          `json:"type"`
	MediaType string          `json:"media_type"`
	Data      string          `json:"data"`
	URL       string          `json:"url"`
	FileID    string          `json:"file_id"`
	Content   json.RawMessage `json:"content"`
}

// turn is all messages of one role in a row: the API joins them.
type turn struct {
	role   string
	at     int // of its first message
	blocks []block
}

// blocksOf reads content, which may be a text.
func blocksOf(raw json.RawMessage) ([]block, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []block{{Type: "text", Text: text}}, nil
	}
	var blocks []block
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, faultf("Input should be a valid list")
	}
	return blocks, nil
}

func (r *request) turns() ([]turn, error) {
	var out []turn
	for i, m := range r.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return nil, faultf("messages: Unexpected role %q. Allowed roles are \"user\" or \"assistant\"", m.Role)
		}
		blocks, err := blocksOf(m.Content)
		if err != nil {
			return nil, faultf("messages.%d.content: %w", i, err)
		}
		if len(blocks) == 0 && (i < len(r.Messages)-1 || m.Role == "user") {
			return nil, faultf("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		if len(out) > 0 && out[len(out)-1].role == m.Role {
			out[len(out)-1].blocks = append(out[len(out)-1].blocks, blocks...)
			continue
		}
		out = append(out, turn{role: m.Role, at: i, blocks: blocks})
	}
	switch {
	case len(out) == 0:
		return nil, faultf("messages: at least one message is required")
	case out[0].role != "user":
		return nil, faultf("messages: first message must use the \"user\" role")
	}
	return out, nil
}

func (r *request) checkMessages() error {
	turns, err := r.turns()
	if err != nil {
		return err
	}
	var open []string // calls that the turn before made
	for i, t := range turns {
		if err := r.checkResults(t, open); err != nil {
			return err
		}
		open, r.asked.Results = nil, nil
		var said []string
		for j, b := range t.blocks {
			if err := r.checkBlock(t.role, b); err != nil {
				return faultf("messages.%d.content.%d: %w", t.at, j, err)
			}
			switch b.Type {
			case "tool_use":
				open = append(open, b.ID)
			case "text":
				said = append(said, b.Text)
			}
		}
		if t.role == "user" && len(said) > 0 {
			r.asked.Last = strings.Join(said, "\n")
		}
		last := i == len(turns)-1 || i == len(turns)-2 && turns[i+1].role == "user"
		if err := r.checkThoughts(t, last && len(open) > 0); err != nil {
			return err
		}
	}
	if len(open) > 0 {
		return unanswered(turns[len(turns)-1].at, open)
	}
	return r.checkPrefill(turns[len(turns)-1])
}

// checkPrefill checks what the answer is to go on from, if anything.
func (r *request) checkPrefill(end turn) error {
	if end.role != "assistant" {
		return nil
	}
	if providertest.Behaviour(r.Model) == providertest.NoPrefill {
		return faultf("This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	for _, b := range end.blocks {
		r.asked.Prefill += b.Text
	}
	if r.asked.Prefill != strings.TrimRight(r.asked.Prefill, " \n\t") {
		return faultf("messages: final assistant content cannot end with trailing whitespace")
	}
	return nil
}

func unanswered(at int, ids []string) error {
	return faultf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
		"Each `tool_use` block must have a corresponding `tool_result` block in the next message", at, strings.Join(ids, ", "))
}

// checkResults checks that a turn answers the calls of the turn before, first of all.
func (r *request) checkResults(t turn, open []string) error {
	left := slices.Clone(open)
	for j, b := range t.blocks {
		if b.Type != "tool_result" {
			if len(left) > 0 {
				break
			}
			continue
		}
		at := slices.Index(left, b.ToolUseID)
		if at < 0 || t.role != "user" {
			return faultf("messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each "+
				"`tool_result` block must have a corresponding `tool_use` block in the previous message", t.at, j, b.ToolUseID)
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		return unanswered(t.at-1, left)
	}
	return nil
}

// checkThoughts: while a loop of tools runs and thinking is enabled, the
// assistant's message must begin with its thoughts.
func (r *request) checkThoughts(t turn, looping bool) error {
	if !looping || r.Thinking == nil || r.Thinking.Type != "enabled" {
		return nil
	}
	if first := t.blocks[0].Type; first != "thinking" && first != "redacted_thinking" {
		return faultf("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` "+
			"is enabled, a final `assistant` message must start with a thinking block", t.at, first)
	}
	return nil
}
