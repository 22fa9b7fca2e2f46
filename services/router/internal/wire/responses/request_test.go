package responses

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

const fullRequest = `{
  "model": "gpt-5", "instructions": "Be brief.", "store": false, "stream": true, "previous_response_id": "resp_1",
  "input": [
    {"role": "developer", "content": "Rules."},
    {"type": "message", "role": "user", "content": [
      {"type": "input_text", "text": "What is \"this\"?\n"},
      {"type": "input_image", "image_url": "data:image/png;base64,AQID", "detail": "low"},
      {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AQID"},
      {"type": "input_file", "file_url": "https://a/b.pdf"}]},
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "let me "}, {"type": "summary_text", "text": "see"}]},
    {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
      {"type": "output_text", "text": "I look it up.", "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}], "logprobs": []}]},
    {"arguments": "{\"q\":1}", "type": "function_call", "call_id": "c1", "name": "find", "id": "fc_1", "status": "completed"},
    {"type": "function_call_output", "call_id": "c1", "output": "found"},
    {"type": null, "id": "msg_ab_0"},
    {"role": "user", "content": "Thanks 😀"}
  ],
  "tools": [{"type": "function", "name": "find", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "function", "name": "other", "parameters": {}, "strict": null}],
  "tool_choice": {"type": "function", "name": "find"}, "parallel_tool_calls": false,
  "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}, "verbosity": "medium"},
  "reasoning": {"effort": "xhigh", "summary": "auto"}, "max_output_tokens": 7, "temperature": 0, "top_p": 1,
  "metadata": {"k": "v"}, "user": "u", "include": ["reasoning.encrypted_content"], "truncation": "disabled", "background": false
}`

func TestParseRequest(t *testing.T) {
	r, c, err := ParseRequest([]byte(fullRequest))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Stream() || r.Store || r.Previous != "resp_1" || r.Instructions != "Be brief." || r.Dialect() != "responses" || len(r.Unexpressed()) > 0 {
		t.Errorf("got %+v", r)
	}
	if want := (Reference{"msg_ab_0", 4}); len(r.References) != 1 || r.References[0] != want {
		t.Errorf("references %v", r.References)
	}
	media := func(m string) *llmv1.Blob {
		return &llmv1.Blob{Source: &llmv1.Blob_Data{Data: []byte{1, 2, 3}}, MediaType: m}
	}
	cited := textPart("I look it up.")
	cited.GetText().Citations = []*llmv1.Citation{{Uri: "u", Title: "t"}}
	want := &llmv1.Conversation{
		Model: "gpt-5",
		Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{textPart("Rules.")}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
				textPart("What is \"this\"?\n"),
				{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: media("image/png"), Detail: "low"}}},
				{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: media("application/pdf"), Title: "a.pdf"}}},
				{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: &llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: "https://a/b.pdf"}}}}},
			}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
				{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: "let me see"}}},
				cited,
				{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "c1", Name: "find", Arguments: `{"q":1}`}}},
			}},
			{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{{Content: &llmv1.Part_ToolResult{ToolResult: &llmv1.ToolResult{
				ToolCallId: "c1", Parts: []*llmv1.Part{textPart("found")},
			}}}}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart("Thanks 😀")}},
		},
		Tools: []*llmv1.Tool{
			{Name: "find", Description: "d", Parameters: `{"type": "object"}`, Strict: true}, {Name: "other", Parameters: "{}"},
		},
		ToolChoice: &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_NAMED, Name: "find", DisableParallel: true},
		ResponseFormat: &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: &llmv1.ResponseFormat_JsonSchema{
			Name: "s", Schema: `{"type": "object"}`, Strict: true,
		}}},
		Sampling:  &llmv1.Sampling{Temperature: proto.Float64(0), TopP: proto.Float64(1), MaxOutputTokens: proto.Int64(7)},
		Reasoning: &llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_XHIGH, IncludeThinking: true},
		Metadata:  map[string]string{"k": "v"}, EndUser: "u",
	}
	if !proto.Equal(c, want) {
		t.Errorf("got  %v\nwant %v", c, want)
	}
	if _, err := r.Render(nil, false); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INTERNAL) {
		t.Errorf("rendered: %v", err)
	}
}

func TestParseText(t *testing.T) {
	r, c, err := ParseRequest([]byte(`{"model":"m","input":"a\n","tool_choice":"none"}`))
	if err != nil || !r.Store || r.Stream() || len(c.GetMessages()) != 1 || c.GetMessages()[0].GetParts()[0].GetText().GetText() != "a\n" {
		t.Errorf("got %+v, %v, %v", r, c, err)
	}
}

func TestUnexpressed(t *testing.T) {
	with := func(members string) string { return `{"model":"m","input":"x",` + members + `}` }
	for body, want := range map[string][]string{
		with(`"top_logprobs":2,"service_tier":"flex","max_tool_calls":3,"prompt_cache_key":"k","safety_identifier":"s"`): {
			"top_logprobs", "service_tier", "max_tool_calls", "prompt_cache_key", "safety_identifier",
		},
		with(`"top_logprobs":0,"service_tier":"auto","x":null,"stream_options":{"include_obfuscation":true}`):                nil,
		with(`"truncation":"auto","text":{"verbosity":"low"},"include":["reasoning.encrypted_content","logs"]`):              {"truncation", "text.verbosity", "include[1]"},
		with(`"tools":[{"type":"web_search","filters":{}},{"type":"function","name":"f","x":1}]`):                            {"tools[0]", "tools[1].x"},
		`{"model":"m","input":[{"role":"user","content":"x"},{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]}`: {"input[1].encrypted_content"},
	} {
		r, _, err := ParseRequest([]byte(body))
		if err != nil || !slices.Equal(r.Unexpressed(), want) {
			t.Errorf("%s: got %q, %v", body, r.Unexpressed(), err)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	with := func(members string) string { return `{"model":"m","input":"x",` + members + `}` }
	item := func(text string) string { return `{"model":"m","input":[{"role":"user","content":"x"},` + text + `]}` }
	for _, tt := range []struct {
		body, field string
		reason      llmv1.ErrorReason
	}{
		{``, "", invalid},
		{`[]`, "", invalid},
		{`{`, "", invalid},
		{"{\"model\":\"\xff\"}", "", invalid},
		{with(`"a":`) + "x", "", invalid},
		{`{"input":"x"}`, "model", invalid},
		{`{"model":"m"}`, "input", invalid},
		{`{"model":"m","input":[]}`, "input", invalid},
		{`{"model":"m","input":1}`, "input", invalid},
		{with(`"model":"n"`), "model", invalid},
		{with(`"Input":"n"`), "Input", invalid},
		{item(`1`), "input[1]", invalid},
		{item(`{"type":"web_search_call"}`), "input[1].type", unsupported},
		{item(`{"role":"robot","content":"x"}`), "input[1].role", invalid},
		{item(`{"role":"user"}`), "input[1].content", invalid},
		{item(`{"role":"user","content":[{"type":"input_audio"}]}`), "input[1].content[0].type", unsupported},
		{item(`{"role":"user","content":[{"type":"input_text"}]}`), "input[1].content[0].text", invalid},
		{item(`{"role":"user","content":[{"type":"input_image","file_id":"f"}]}`), "input[1].content[0].file_id", unsupported},
		{item(`{"role":"user","content":[{"type":"input_image","image_url":"http://a"}]}`), "input[1].content[0].image_url", invalid},
		{item(`{"role":"user","content":[{"type":"input_file","file_url":"data:a"}]}`), "input[1].content[0].file_url", invalid},
		{item(`{"type":"function_call","name":"f","arguments":"{}"}`), "input[1].call_id", invalid},
		{item(`{"type":"function_call","call_id":"c","name":"f","arguments":{}}`), "input[1].arguments", invalid},
		{item(`{"type":"function_call_output","output":"x"}`), "input[1].call_id", invalid},
		{item(`{"type":"item_reference"}`), "input[1].id", invalid},
		{with(`"background":true`), "background", unsupported},
		{with(`"conversation":"c"`), "conversation", unsupported},
		{with(`"prompt":{"id":"p"}`), "prompt", unsupported},
		{with(`"temperature":3`), "temperature", invalid},
		{with(`"max_output_tokens":0`), "max_output_tokens", invalid},
		{with(`"tools":[{"type":"function"}]`), "tools[0].name", invalid},
		{with(`"tools":[{}]`), "tools[0].type", invalid},
		{with(`"tool_choice":"required"`), "tool_choice", invalid},
		{with(`"tool_choice":{"type":"web_search"}`), "tool_choice.type", unsupported},
		{with(`"text":{"format":{"type":"json_schema"}}`), "text.format.name", invalid},
		{with(`"reasoning":{"effort":"huge"}`), "reasoning.effort", invalid},
		{with(`"metadata":{"a":1}`), "metadata.a", invalid},
		{with(`"x":` + strings.Repeat("[", 100_000)), "", invalid},
	} {
		_, _, err := ParseRequest([]byte(tt.body))
		e := errs.From(err)
		if e == nil || e.Reason != tt.reason || e.Field != tt.field {
			t.Errorf("%.120s: got %v, want %v at %q", tt.body, err, tt.reason, tt.field)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(fullRequest))
	f.Add([]byte(`{"model":"m","input":[{"type":"reasoning","encrypted_content":"tg1.e30","content":[{"text":"a"}]},{"type":"item_reference","id":"a_b_1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, c, err := ParseRequest(bytes.Clone(body))
		if err != nil {
			if errs.From(err).Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL {
				t.Fatalf("not typed: %v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		response := NewResponse(r, NewID())
		said := &llmv1.Message{}
		for _, m := range c.GetMessages() {
			said.Parts = append(said.Parts, m.GetParts()...)
		}
		response.Complete(&llmv1.Completion{Candidates: []*llmv1.Candidate{{Message: said}}}, nil)
		if out := response.Append(nil); !json.Valid(out) || bytes.ContainsAny(out, "\n\r") {
			t.Fatalf("wrote %s", out)
		}
	})
}
