package anthropic

import (
	"encoding/json"
	"fmt"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// answer is a reply in the API's form.
type answer struct {
	*providertest.Reply
	req *request
}

func (s *Server) answer(req *request, rec *providertest.Recorded) answer {
	return answer{s.Reply(&req.asked, rec), req}
}

func (a answer) does(behaviour string) bool {
	return providertest.Behaviour(a.req.Model) == behaviour
}

var stopReasons = map[string]string{
	providertest.FinishEnd: "end_turn", providertest.FinishLength: "max_tokens", providertest.FinishStop: "stop_sequence",
	providertest.FinishTools: "tool_use", providertest.FinishRefusal: "refusal",
}

// stop says why the answer ends.
func (a answer) stop() map[string]any {
	out := map[string]any{"stop_reason": stopReasons[a.Finish], "stop_sequence": nil}
	if a.Stop != "" {
		out["stop_sequence"] = a.Stop
	}
	return out
}

// usage is what the answer cost; the counts do not include each other.
func (a answer) usage(output int) map[string]any {
	u := a.Usage
	minutes, hour := u.CacheWrite, 0
	if a.req.hour {
		minutes, hour = 0, u.CacheWrite
	}
	return map[string]any{
		"input_tokens":                u.Prompt - u.CacheRead - u.CacheWrite,
		"cache_creation_input_tokens": u.CacheWrite, "cache_read_input_tokens": u.CacheRead,
		"cache_creation": map[string]any{"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
		"output_tokens":  output, "service_tier": "standard",
	}
}

// blocks are the blocks of the answer, with all that is in them.
func (a answer) blocks() []map[string]any {
	out := []map[string]any{}
	if a.Thoughts != "" {
		thoughts := a.Thoughts
		if a.req.Thinking != nil && a.req.Thinking.Display == "omitted" {
			thoughts = ""
		}
		out = append(out, map[string]any{"type": "thinking", "thinking": thoughts, "signature": providertest.Signature(a.Thoughts)})
	}
	if a.Redacted {
		out = append(out, map[string]any{"type": "redacted_thinking", "data": secret})
	}
	if a.Text != "" {
		text := map[string]any{"type": "text", "text": a.Text}
		if len(a.req.citations) > 0 {
			text["citations"] = a.req.citations
		}
		out = append(out, text)
	}
	for _, call := range a.Calls {
		out = append(out, map[string]any{
			"type": "tool_use", "id": fmt.Sprintf("toolu_%d", call.Index), "name": call.Name,
			"input": json.RawMessage(call.Arguments),
		})
	}
	if a.does(providertest.UnknownFields) {
		for _, b := range out {
			b["x_block"] = map[string]any{"kept": true}
		}
	}
	return out
}

// envelope is a message without its content.
func (a answer) envelope() map[string]any {
	out := map[string]any{
		"id": "msg_fake", "type": "message", "role": "assistant", "model": a.req.Model, "content": []any{},
		"stop_reason": nil, "stop_sequence": nil,
	}
	if a.does(providertest.UnknownFields) {
		out["x_top"] = []any{1, "two"}
	}
	return out
}

// whole is the answer in one piece.
func (a answer) whole() map[string]any {
	out := a.envelope()
	out["content"] = a.blocks()
	for name, value := range a.stop() {
		out[name] = value
	}
	if !a.does(providertest.NoUsage) {
		out["usage"] = a.usage(a.Usage.Output)
	}
	return out
}
