package providertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// sender writes the events of a stream, each flushed.
type sender struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	req   *chatRequest
	count int
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, req *chatRequest, answer reply) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := &sender{Server: s, w: w, r: r, req: req}
	out.flush()
	if req.Model == SlowFirstToken && !s.wait(r.Context(), s.Delay) {
		return
	}
	n := max(req.N, 1)
	for i := range n {
		out.choice(i, map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil)
	}
	for i := range n {
		if !out.answer(i, answer) {
			return
		}
		out.choice(i, map[string]any{}, answer.finish())
	}
	if req.StreamOptions.IncludeUsage && req.Model != NoUsage {
		out.chunk([]any{}, answer.usage(n))
	}
	if req.Model != NoDone {
		out.data("[DONE]")
	}
}

// answer writes one candidate; false if the stream must end here.
func (s *sender) answer(i int, answer reply) bool {
	if answer.tool != "" {
		s.choice(i, map[string]any{"tool_calls": []any{map[string]any{
			"index": 0, "id": fmt.Sprintf("call_%d", i), "type": "function",
			"function": map[string]any{"name": answer.tool, "arguments": ""},
		}}}, nil)
		for _, piece := range pieces(answer.arguments) {
			s.choice(i, map[string]any{"tool_calls": []any{map[string]any{
				"index": 0, "function": map[string]any{"arguments": piece},
			}}}, nil)
		}
		return true
	}
	all := pieces(answer.text)
	for j, piece := range all {
		if j == len(all)/2 && !s.misbehave() {
			return false
		}
		s.choice(i, map[string]any{"content": piece}, nil)
		if s.Pace > 0 && !s.wait(s.r.Context(), s.Pace) {
			return false
		}
	}
	return true
}

// misbehave does what the model is named for in the middle of its answer.
func (s *sender) misbehave() bool {
	switch s.req.Model {
	case Cut:
		panic(http.ErrAbortHandler)
	case Stall:
		return s.wait(s.r.Context(), time.Hour)
	case Malformed:
		s.data(`{"id":"chatcmpl-fake","choices":[{"index":0,"delta":{"content":"bro`)
	case ErrorInStream:
		s.data(`{"error":{"message":"` + LeakyText + `","type":"server_error","code":null,"param":null}}`)
		return false
	}
	return true
}

func (s *sender) choice(i int, delta map[string]any, finish any) {
	choice := map[string]any{"index": i, "delta": delta, "logprobs": nil, "finish_reason": finish}
	if s.req.Model == UnknownFields {
		choice["x_choice"] = map[string]any{"kept": true}
	}
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
	if s.req.Model == UnknownFields {
		out["x_top"] = []any{1, "two"}
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	s.data(string(body))
}

func (s *sender) data(data string) {
	if s.count++; s.count%5 == 0 { // as some providers keep a connection alive
		_, _ = io.WriteString(s.w, ": keep-alive\n\n")
	}
	_, _ = io.WriteString(s.w, "data: "+data+"\n\n")
	s.flush()
}

func (s *sender) flush() { _ = http.NewResponseController(s.w).Flush() }

// pieces cuts a text behind each space.
func pieces(text string) []string {
	out := strings.SplitAfter(text, " ")
	if len(out) == 1 && len(text) > 4 { // so that one word is streamed too
		mid := len(text) / 2
		for mid < len(text) && text[mid]&0xC0 == 0x80 {
			mid++
		}
		return []string{text[:mid], text[mid:]}
	}
	return out
}
