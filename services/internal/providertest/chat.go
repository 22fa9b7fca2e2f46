package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// created is the time of every answer, so that answers can be compared.
const created = 1_750_000_000

// chatRequest is what the server reads of a request.
type chatRequest struct {
	Model         string        `json:"model"`
	Messages      []chatMessage `json:"messages"`
	Stream        bool          `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N     int `json:"n"`
	Tools []struct {
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// read returns a message's text and how many pictures it has.
func (m chatMessage) read() (text string, images int) {
	if json.Unmarshal(m.Content, &text) == nil {
		return text, 0
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	_ = json.Unmarshal(m.Content, &parts)
	var texts []string
	for _, p := range parts {
		switch p.Type {
		case "text":
			texts = append(texts, p.Text)
		case "image_url":
			images++
		}
	}
	return strings.Join(texts, "\n"), images
}

// reply is what the server answers: a text or a call of a tool.
type reply struct {
	text            string
	tool, arguments string
	prompt          int
}

func (r reply) finish() string {
	if r.tool != "" {
		return "tool_calls"
	}
	return "stop"
}

// usage counts words as tokens.
func (r reply) usage(n int) map[string]any {
	completion := n * len(strings.Fields(r.text+r.arguments))
	return map[string]any{
		"prompt_tokens": r.prompt, "completion_tokens": completion, "total_tokens": r.prompt + completion,
		"prompt_tokens_details":     map[string]any{"cached_tokens": 0, "audio_tokens": 0},
		"completion_tokens_details": map[string]any{"reasoning_tokens": 0, "audio_tokens": 0},
	}
}

func (s *Server) reply(r *chatRequest, rec *Recorded) reply {
	var out reply
	var last string
	var images int
	for _, m := range r.Messages {
		text, pictures := m.read()
		out.prompt += len(strings.Fields(text))
		if m.Role == "user" {
			last, images = text, pictures
		}
	}
	tail := r.Messages[len(r.Messages)-1].Role
	switch {
	case s.Answer != nil:
		out.text = s.Answer(rec)
	case len(r.Tools) > 0 && tail != "tool" && string(r.ToolChoice) != `"none"`:
		out.tool = r.Tools[0].Function.Name
		out.arguments = sample(r.Tools[0].Function.Parameters)
	case r.ResponseFormat.Type == "json_schema":
		out.text = sample(r.ResponseFormat.JSONSchema.Schema)
	case r.ResponseFormat.Type == "json_object":
		out.text = `{"said": "yes"}`
	case images > 0:
		out.text = fmt.Sprintf("I see %d image(s). You said: %s", images, last)
	default:
		out.text = "You said: " + last
	}
	return out
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request, rec *Recorded) {
	var req chatRequest
	if err := json.Unmarshal(rec.Body, &req); err != nil || len(req.Messages) == 0 {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_value", "messages")
		return
	}
	if s.refuse(w, r, req.Model) {
		return
	}
	answer := s.reply(&req, rec)
	if req.Stream {
		s.stream(w, r, &req, answer)
		return
	}
	body, err := json.Marshal(whole(&req, answer))
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if req.Model == Truncated {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		body = body[:len(body)/2]
	}
	_, _ = w.Write(body)
}

func whole(req *chatRequest, answer reply) map[string]any {
	var choices []any
	for i := range max(req.N, 1) {
		message := map[string]any{"role": "assistant", "content": answer.text, "refusal": nil}
		if answer.tool != "" {
			message["content"] = nil
			message["tool_calls"] = []any{map[string]any{
				"id": fmt.Sprintf("call_%d", i), "type": "function",
				"function": map[string]any{"name": answer.tool, "arguments": answer.arguments},
			}}
		}
		choice := map[string]any{"index": i, "message": message, "logprobs": nil, "finish_reason": answer.finish()}
		if req.Model == UnknownFields {
			choice["x_choice"] = map[string]any{"kept": true}
		}
		choices = append(choices, choice)
	}
	out := map[string]any{
		"id": "chatcmpl-fake", "object": "chat.completion", "created": created, "model": req.Model,
		"choices": choices, "system_fingerprint": "fp_fake",
	}
	if req.Model != NoUsage {
		out["usage"] = answer.usage(max(req.N, 1))
	}
	if req.Model == UnknownFields {
		out["x_top"] = []any{1, "two"}
	}
	return out
}

// sample writes a value that fits a JSON schema, as far as types, properties,
// items and enums go.
func sample(schema json.RawMessage) string {
	var s map[string]any
	if json.Unmarshal(schema, &s) != nil {
		return "{}"
	}
	out, err := json.Marshal(sampleOf(s))
	if err != nil {
		return "{}"
	}
	return string(out)
}

func sampleOf(s map[string]any) any {
	if enum, ok := s["enum"].([]any); ok && len(enum) > 0 {
		return enum[0]
	}
	switch s["type"] {
	case "string":
		return "some text"
	case "integer", "number":
		return 7
	case "boolean":
		return true
	case "array":
		item, _ := s["items"].(map[string]any)
		return []any{sampleOf(item)}
	default:
		out := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		for name, p := range properties {
			of, _ := p.(map[string]any)
			out[name] = sampleOf(of)
		}
		return out
	}
}
