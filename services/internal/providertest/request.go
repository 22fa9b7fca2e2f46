package providertest

import (
	"encoding/json"
	"strings"
)

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
	ToolChoice        json.RawMessage `json:"tool_choice"`
	ParallelToolCalls *bool           `json:"parallel_tool_calls"`
	ResponseFormat    struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	Stop                json.RawMessage `json:"stop"`

	azure bool // it came to one of Azure's addresses
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// chatPart is one part of a message's content.
type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
	File struct {
		FileData string `json:"file_data"`
	} `json:"file"`
	InputAudio struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	} `json:"input_audio"`
}

// read returns a message's text and what it shows; false if it is not legal.
func (m chatMessage) read() (text string, seen []string, ok bool) {
	if len(m.Content) == 0 || string(m.Content) == "null" || json.Unmarshal(m.Content, &text) == nil {
		return text, nil, true
	}
	var parts []chatPart
	if json.Unmarshal(m.Content, &parts) != nil {
		return "", nil, false
	}
	var texts []string
	for _, p := range parts {
		url := ""
		switch p.Type {
		case "text", "refusal":
			texts = append(texts, p.Text)
			continue
		case "image_url":
			url = p.ImageURL.URL
		case "file":
			url = p.File.FileData
		case "input_audio":
			url = "data:audio/" + p.InputAudio.Format + ";base64," + p.InputAudio.Data
		}
		what, ok := dataURL(url)
		if !ok {
			return "", nil, false
		}
		seen = append(seen, what)
	}
	return strings.Join(texts, "\n"), seen, true
}

// dataURL describes what a URL carries, or where it points.
func dataURL(url string) (string, bool) {
	rest, carries := strings.CutPrefix(url, "data:")
	if !carries {
		return "what is at " + url, strings.HasPrefix(url, "http")
	}
	mediaType, data, _ := strings.Cut(rest, ";base64,")
	raw, ok := Base64(data)
	return Media(mediaType, raw), ok
}

// asked reads a request; what names the parameter that is at fault.
func (r *chatRequest) asked() (a *Asked, what string) {
	a = &Asked{
		Model: r.Model, JSON: r.ResponseFormat.Type == "json_object",
		Single:   r.ParallelToolCalls != nil && !*r.ParallelToolCalls,
		Thinking: r.ReasoningEffort != "" && r.ReasoningEffort != "none",
		MaxWords: max(r.MaxTokens, r.MaxCompletionTokens),
	}
	if r.ResponseFormat.Type == "json_schema" {
		a.Schema = r.ResponseFormat.JSONSchema.Schema
	}
	if string(r.ToolChoice) != `"none"` {
		for _, tool := range r.Tools {
			a.Tools = append(a.Tools, Tool{Name: tool.Function.Name, Schema: tool.Function.Parameters})
		}
	}
	var stop string
	if json.Unmarshal(r.Stop, &a.Stops) != nil && json.Unmarshal(r.Stop, &stop) == nil {
		a.Stops = []string{stop}
	}
	open := map[string]bool{} // calls without a result
	for _, m := range r.Messages {
		text, seen, ok := m.read()
		if !ok || (m.Role == "tool") != open[m.ToolCallID] || m.Role != "tool" && len(open) > 0 {
			return nil, "messages"
		}
		delete(open, m.ToolCallID)
		a.Words += Words(text)
		switch {
		case m.Role == "tool":
			a.Results = append(a.Results, text)
			continue
		case m.Role == "user" && text != "":
			a.Last = text
		}
		a.Results, a.Seen = nil, append(a.Seen, seen...)
		for _, call := range m.ToolCalls {
			open[call.ID] = true
			a.Words += Words(call.Function.Arguments)
			a.Calls++
		}
	}
	if len(r.Messages) == 0 || len(open) > 0 {
		return nil, "messages"
	}
	return a, ""
}
