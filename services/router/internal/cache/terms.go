package cache

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Terms say which answers are kept, and given to others.
type Terms struct {
	// Tools lets answers call tools, Truncated have reached their limit.
	Tools, Truncated bool
}

// Keep says whether an answer is kept.
func (t Terms) Keep(c *llmv1.Completion) bool {
	for _, one := range c.GetCandidates() {
		for _, p := range one.GetMessage().GetParts() {
			if p.GetToolCall() != nil && !t.Tools {
				return false
			}
		}
		if !t.ends(one.GetFinishReason()) {
			return false
		}
	}
	return len(c.GetCandidates()) > 0
}

// shows says whether an answer with this in it may be kept, as far as it goes.
func (t Terms) shows(c *stream.Chunk) bool {
	for i := range c.Events {
		switch e := &c.Events[i]; {
		case e.Kind == stream.ToolArguments && !t.Tools, e.Part.GetToolCall() != nil && !t.Tools,
			e.Kind == stream.Finish && !t.ends(e.Reason):
			return false
		}
	}
	return true
}

func (t Terms) ends(reason llmv1.FinishReason) bool {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_STOP, llmv1.FinishReason_FINISH_REASON_TOOL_CALLS: // the parts decide
		return true
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		return t.Truncated
	default:
		return false
	}
}
