package anthropic

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// sender writes the events of one answer.
type sender struct {
	*providertest.Events
	host *providertest.Host
	r    *http.Request
	answer
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, a answer) {
	out := sender{Events: s.Events(w, r, a.req.Model), host: s.Host, r: r, answer: a}
	if out.Events == nil {
		return
	}
	defer out.Close()
	if a.does(providertest.ErrorFirst) {
		out.fail()
		return
	}
	start := a.envelope()
	if !a.does(providertest.NoUsage) {
		start["usage"] = a.usage(min(1, a.Usage.Output))
	}
	out.event("message_start", map[string]any{"message": start})
	out.event("ping", map[string]any{})
	blocks := a.blocks()
	for i, b := range blocks {
		if !out.block(i, b, i == len(blocks)-1) {
			return
		}
	}
	end := map[string]any{"delta": a.stop()}
	if !a.does(providertest.NoUsage) {
		usage := a.usage(a.Usage.Output)
		delete(usage, "cache_creation") // only the first event tells these two
		delete(usage, "service_tier")
		end["usage"] = usage
	}
	if !s.Late(r, a.req.Model) {
		return
	}
	out.event("message_delta", end)
	if !a.does(providertest.NoDone) {
		out.event("message_stop", map[string]any{})
	}
}

func (s sender) event(name string, members map[string]any) {
	members["type"] = name
	if s.does(providertest.UnknownFields) && name != "error" {
		members["x_event"] = "kept"
	}
	s.Send(name, string(providertest.Marshal(members)))
}

// block streams one block; false if the stream must end within it. What the
// model is named for happens in the middle of the last block.
func (s sender) block(i int, b map[string]any, last bool) bool {
	start, deltas := unfold(b)
	s.event("content_block_start", map[string]any{"index": i, "content_block": start})
	for j, delta := range deltas {
		if last && j == len(deltas)/2 && !s.midway() {
			return false
		}
		s.event("content_block_delta", map[string]any{"index": i, "delta": delta})
		if !s.host.Paced(s.r) {
			return false
		}
		if j%8 == 7 { // the API may ping at any time
			s.event("ping", map[string]any{})
		}
	}
	s.event("content_block_stop", map[string]any{"index": i})
	return true
}

// unfold parts a block into how it begins and what is added to it.
func unfold(b map[string]any) (start map[string]any, deltas []map[string]any) {
	start = maps.Clone(b)
	text := func(pieces []string, kind, member string) {
		for _, piece := range pieces {
			deltas = append(deltas, map[string]any{"type": kind, member: piece})
		}
	}
	switch b["type"] {
	case "text":
		start["text"] = ""
		text(providertest.Pieces(b["text"].(string)), "text_delta", "text")
		delete(start, "citations")
		citations, _ := b["citations"].([]map[string]any)
		for _, c := range citations {
			deltas = append(deltas, map[string]any{"type": "citations_delta", "citation": c})
		}
	case "thinking":
		start["thinking"], start["signature"] = "", ""
		text(providertest.Pieces(b["thinking"].(string)), "thinking_delta", "thinking")
		text([]string{b["signature"].(string)}, "signature_delta", "signature")
	case "tool_use":
		start["input"] = map[string]any{}
		arguments := string(b["input"].(json.RawMessage))
		text(append([]string{""}, providertest.Crumbs(arguments)...), "input_json_delta", "partial_json")
	}
	return start, deltas
}

// midway does what the model is named for in the middle of its answer.
func (s sender) midway() bool {
	return s.host.Midway(s.r, s.req.Model, providertest.Middle{
		Malformed: func() {
			s.Send("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"bro`)
		},
		Fail: s.fail, Noise: s.Noise, Tear: s.Tear, Huge: s.Huge,
		Alive: func() { s.event("ping", map[string]any{}) },
	})
}

func (s sender) fail() {
	s.event("error", errorBody(overloaded, "Overloaded. "+providertest.LeakyText))
}
