package providertest

import (
	"net/http"
	"slices"
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
	if Behaviour(req.Model) == ErrorFirst {
		out.fail()
		return
	}
	if req.azure { // its first event has no candidate
		out.Send("", string(Marshal(map[string]any{
			"id": "", "object": "", "created": 0, "model": "", "choices": []any{}, "prompt_filter_results": promptFilter,
		})))
	}
	n := max(req.N, 1)
	for i := range n {
		out.choice(i, map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil)
	}
	if !out.answers(n, answer) {
		return
	}
	for i := range n {
		out.choice(i, map[string]any{}, chatFinish[answer.Finish])
	}
	if !s.Late(r, req.Model) {
		return
	}
	if req.StreamOptions.IncludeUsage && Behaviour(req.Model) != NoUsage {
		out.chunk([]any{}, chatUsage(answer.Usage, n))
	}
	if Behaviour(req.Model) != NoDone {
		out.Send("", "[DONE]")
	}
}

// answers writes the candidates, a piece of each in turn; false if the stream
// must end within them.
func (s *sender) answers(n int, answer *Reply) bool {
	deltas := s.deltas(answer)
	for j, delta := range deltas {
		for i := range n {
			if i == 0 && j == len(deltas)/2 && !s.midway() {
				return false
			}
			s.choice(i, delta(i), nil)
			if !s.Paced(s.r) {
				return false
			}
		}
	}
	return true
}

// deltas are what is added to a candidate, one after the other.
func (s *sender) deltas(answer *Reply) []func(candidate int) map[string]any {
	var out []func(int) map[string]any
	plain := func(member string, pieces []string) {
		for _, piece := range pieces {
			out = append(out, func(int) map[string]any { return map[string]any{member: piece} })
		}
	}
	plain("reasoning_content", Pieces(answer.Thoughts))
	if len(answer.Calls) == 0 {
		plain("content", Pieces(answer.Text))
	}
	var calls [][]func(int) map[string]any
	for nth, call := range answer.Calls {
		pieces := []func(int) map[string]any{func(i int) map[string]any {
			return map[string]any{"tool_calls": []any{map[string]any{
				"index": nth, "id": callID(i, call), "type": "function",
				"function": map[string]any{"name": call.Name, "arguments": ""},
			}}}
		}}
		for _, crumb := range Crumbs(call.Arguments) {
			pieces = append(pieces, func(int) map[string]any {
				return map[string]any{"tool_calls": []any{map[string]any{
					"index": nth, "function": map[string]any{"arguments": crumb},
				}}}
			})
		}
		calls = append(calls, pieces)
	}
	if Behaviour(s.req.Model) == Interleaved {
		return append(out, inTurns(calls)...)
	}
	return append(out, slices.Concat(calls...)...)
}

// inTurns takes one of each list, then the next of each.
func inTurns[T any](lists [][]T) []T {
	var out []T
	for i, left := 0, true; left; i++ {
		left = false
		for _, list := range lists {
			if i < len(list) {
				out, left = append(out, list[i]), true
			}
		}
	}
	return out
}

// midway does what the model is named for in the middle of its answer.
func (s *sender) midway() bool {
	return s.Midway(s.r, s.req.Model, Middle{
		Malformed: func() { s.Send("", `{"id":"chatcmpl-fake","choices":[{"index":0,"delta":{"content":"bro`) },
		Fail:      s.fail, Noise: s.Noise, Alive: s.Keepalive, Tear: s.Tear, Huge: s.Huge,
	})
}

// fail sends an error where a part of the answer is expected.
func (s *sender) fail() { s.Send("", string(Marshal(errorBody("server_error", "", "")))) }

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
