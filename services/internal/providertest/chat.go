package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func (s *Server) chat(w http.ResponseWriter, r *http.Request, rec *Recorded) {
	var req chatRequest
	if err := json.Unmarshal(rec.Body, &req); err != nil {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_value", "messages")
		return
	}
	req.Model = rec.Model // a container is named by its endpoint, Azure's models by their deployment
	req.azure = onAzure(rec)
	if s.refuse(w, r, req.Model) {
		return
	}
	asked, fault := req.asked()
	if fault != "" {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_value", fault)
		return
	}
	answer := s.Reply(asked, rec)
	if Behaviour(req.Model) != Thinking { // OpenAI itself counts thoughts and hides them
		answer.Thoughts = ""
	}
	if req.Stream {
		s.stream(w, r, &req, answer)
		return
	}
	if Behaviour(req.Model) == ErrorFirst {
		writeError(w, http.StatusOK, "server_error", "", "")
		return
	}
	s.WriteAnswer(w, r, req.Model, whole(&req, answer))
}

var chatFinish = map[string]string{
	FinishEnd: "stop", FinishStop: "stop", FinishLength: "length",
	FinishTools: "tool_calls", FinishRefusal: "content_filter",
}

// chatUsage is the usage of n candidates.
func chatUsage(u Usage, n int) map[string]any {
	return map[string]any{
		"prompt_tokens": u.Prompt, "completion_tokens": n * u.Output, "total_tokens": u.Prompt + n*u.Output,
		"prompt_tokens_details":     map[string]any{"cached_tokens": u.CacheRead, "audio_tokens": 0},
		"completion_tokens_details": map[string]any{"reasoning_tokens": n * u.Thoughts, "audio_tokens": 0},
	}
}

// callID names a call of a candidate.
func callID(candidate int, call Call) string {
	return fmt.Sprintf("call_%d", 100*candidate+call.Index)
}

func whole(req *chatRequest, answer *Reply) map[string]any {
	var choices []any
	for i := range max(req.N, 1) {
		message := map[string]any{"role": "assistant", "content": answer.Text, "refusal": nil}
		if answer.Thoughts != "" {
			message["reasoning_content"] = answer.Thoughts
		}
		if len(answer.Calls) > 0 {
			message["content"] = nil
			var calls []any
			for _, call := range answer.Calls {
				calls = append(calls, map[string]any{
					"id": callID(i, call), "type": "function",
					"function": map[string]any{"name": call.Name, "arguments": call.Arguments},
				})
			}
			message["tool_calls"] = calls
		}
		choice := map[string]any{"index": i, "message": message, "logprobs": nil, "finish_reason": chatFinish[answer.Finish]}
		req.choiceExtras(choice)
		choices = append(choices, choice)
	}
	out := map[string]any{
		"id": "chatcmpl-fake", "object": "chat.completion", "created": created, "model": req.Model,
		"choices": choices, "system_fingerprint": "fp_fake",
	}
	req.extras(out)
	if req.azure {
		out["prompt_filter_results"] = promptFilter
	}
	if Behaviour(req.Model) != NoUsage {
		out["usage"] = chatUsage(answer.Usage, max(req.N, 1))
	}
	return out
}

// extras adds to an answer, or to a part of one, what OpenAI itself does not send.
func (r *chatRequest) extras(out map[string]any) {
	switch Behaviour(r.Model) {
	case UnknownFields:
		out["x_top"] = []any{1, "two"}
	case Cites:
		out["citations"] = []any{"https://example.com/a", "https://example.com/b"}
		out["search_results"] = []any{
			map[string]any{"title": "A", "url": "https://example.com/a", "date": "2025-06-15"},
			map[string]any{"title": "B", "url": "https://example.com/b", "date": nil},
		}
	}
}

// choiceExtras does the same for a candidate.
func (r *chatRequest) choiceExtras(choice map[string]any) {
	if Behaviour(r.Model) == UnknownFields {
		choice["x_choice"] = map[string]any{"kept": true}
	}
	if r.azure {
		choice["content_filter_results"] = harmless
	}
}
