package providertest

import (
	"net/http"
)

// keepAlive is after how many events OpenAI's format gets a comment.
const keepAlive = 5

// sender writes the events of a stream, each flushed.
type sender struct {
	*Server
	*Events
	r   *http.Request
	req *chatRequest
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, req *chatRequest, answer *Reply) {
	out := &sender{Server: s, Events: s.Host.Events(w, r, req.Model), r: r, req: req}
	if out.Events == nil {
		return
	}
	out.Alive = keepAlive
	defer out.Events.Close()
	if req.azure { // its first event has no candidate
		out.Send("", string(Marshal(map[string]any{
			"id": "", "object": "", "created": 0, "model": "", "choices": []any{}, "prompt_filter_results": promptFilter,
		})))
	}
	n := max(req.N, 1)
	for i := range n {
		out.choice(i, map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil)
	}
	for i := range n {
		if !out.answer(i, answer) {
			return
		}
		out.choice(i, map[string]any{}, chatFinish[answer.Finish])
	}
	if req.StreamOptions.IncludeUsage && Behaviour(req.Model) != NoUsage {
		out.chunk([]any{}, chatUsage(answer.Usage, n))
	}
	if Behaviour(req.Model) != NoDone {
		out.Send("", "[DONE]")
	}
}

// answer writes one candidate; false if the stream must end here.
func (s *sender) answer(i int, answer *Reply) bool {
	for _, piece := range Pieces(answer.Thoughts) {
		s.choice(i, map[string]any{"reasoning_content": piece}, nil)
	}
	for nth, call := range answer.Calls {
		s.choice(i, map[string]any{"tool_calls": []any{map[string]any{
			"index": nth, "id": callID(i, call), "type": "function",
			"function": map[string]any{"name": call.Name, "arguments": ""},
		}}}, nil)
		crumbs := Crumbs(call.Arguments)
		for j, crumb := range crumbs {
			if j == len(crumbs)/2 && !s.midway() {
				return false
			}
			s.choice(i, map[string]any{"tool_calls": []any{map[string]any{
				"index": nth, "function": map[string]any{"arguments": crumb},
			}}}, nil)
		}
	}
	if len(answer.Calls) > 0 {
		return true
	}
	all := Pieces(answer.Text)
	for j, piece := range all {
		if j == len(all)/2 && !s.midway() {
			return false
		}
		s.choice(i, map[string]any{"content": piece}, nil)
		if !s.Paced(s.r) {
			return false
		}
	}
	return true
}

// midway does what the model is named for in the middle of its answer.
func (s *sender) midway() bool {
	return s.Midway(s.r, s.req.Model, Middle{
		Malformed: func() { s.Send("", `{"id":"chatcmpl-fake","choices":[{"index":0,"delta":{"content":"bro`) },
		Fail: func() {
			s.Send("", `{"error":{"message":"`+LeakyText+`","type":"server_error","code":null,"param":null}}`)
		},
		Huge: s.Huge,
	})
}

func (s *sender) choice(i int, delta map[string]any, finish any) {
	choice := map[string]any{"index": i, "delta": delta, "logprobs": nil, "finish_reason": finish}
	s.req.choiceExtras(choice)
	s.chunk([]any{choice}, nil)
}

func (s *sender) chunk(choices []any, usage any) {
	out := map[string]any{
		"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": created,
		"model": s.req.Model, "system_fingerprint": "fp_fake", "choices": choices,
	}
	if s.req.StreamOptions.IncludeUsage {
		out["usage"] = usage
	}
	s.req.extras(out)
	s.Send("", string(Marshal(out)))
}
