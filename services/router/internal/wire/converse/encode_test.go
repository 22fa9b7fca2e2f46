package converse

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// What the format can say survives: a request is the same after canonical form
// and back.
func TestEncodeConversationRoundTrip(t *testing.T) {
	_, c := parse(t, fullRequest)
	raw, err := EncodeConversation(&provider.Request{Conversation: c, Model: "anthropic.claude-x"}, true)
	if err != nil {
		t.Fatal(err)
	}
	_, again := parse(t, string(raw))
	want := proto.CloneOf(c)
	want.Metadata = nil                                 // never sent
	want.Messages[2].Parts[2].GetText().Citations = nil // a hint that the format drops in requests
	if !proto.Equal(again, want) {
		t.Errorf("got  %v\nwant %v", prototext.Format(again), prototext.Format(want))
	}
}

func TestEncodeConversation(t *testing.T) {
	const hi = `messages { role: ROLE_USER parts { text { text: "hi" } } } `
	for _, test := range []struct{ name, model, conversation, want string }{
		{
			"turns gather", "m", `messages { role: ROLE_SYSTEM parts { text { text: "a" } } } ` + hi + `messages { role: ROLE_ASSISTANT parts { text { text: " " } } parts { tool_call { id: "1" name: "f" arguments: "{\"a\":1}" } } parts { tool_call { id: "2" name: "g" } } }
			messages { role: ROLE_TOOL parts { tool_result { tool_call_id: "1" parts { text { text: "x" } } } } }
			messages { role: ROLE_TOOL parts { tool_result { tool_call_id: "2" is_error: true } } }
			messages { role: ROLE_SYSTEM parts { text { text: "b" } } }
			messages { role: ROLE_USER parts { text { text: "so?" } } }`,
			`{"messages":[{"role":"user","content":[{"text":"hi"}]},
			{"role":"assistant","content":[{"toolUse":{"toolUseId":"1","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"2","name":"g","input":{}}}]},
			{"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[{"text":"x"}]}},{"toolResult":{"toolUseId":"2","content":[],"status":"error"}},{"text":"so?"}]}],
			"system":[{"text":"a"},{"text":"b"}]}`,
		},
		{"empty turns go", "m", hi + `messages { role: ROLE_ASSISTANT parts { text { text: "" } } } ` + hi, `{"messages":[{"role":"user","content":[{"text":"hi"},{"text":"hi"}]}]}`},
		{
			"results first", "m", `messages { role: ROLE_USER parts { text { text: "t" } } parts { tool_result { tool_call_id: "1" } } }`,
			`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[]}},{"text":"t"}]}]}`,
		},
		{
			"documents", "m", `messages { role: ROLE_USER parts { document { blob { data: "a" media_type: "application/pdf" } title: "my  r\u00e9port_1.pdf" } } parts { document { blob { data: "a" media_type: "text/markdown; charset=utf-8" } } } parts { document { blob { uri: "s3://b/x.docx" } } } }`,
			`{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"my r-port-1","source":{"bytes":"YQ=="}}},{"document":{"format":"md","name":"document","source":{"bytes":"YQ=="}}},{"document":{"format":"docx","name":"document (2)","source":{"s3Location":{"uri":"s3://b/x.docx"}}}}]}]}`,
		},
		{"tools", "m", hi + `tools { name: "f" } tool_choice { mode: MODE_REQUIRED }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"any":{}}}}`},
		{"claude thinks", "us.anthropic.claude-sonnet-4-5-v1:0", hi + `reasoning { effort: EFFORT_HIGH } sampling { top_k: 5 }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"top_k":5,"thinking":{"type":"enabled","budget_tokens":16384}}}`},
		{"claude thinks within its limit", "anthropic.claude", hi + `reasoning { effort: EFFORT_HIGH } sampling { max_output_tokens: 4000 }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":4000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`},
		{"claude has no room to think", "anthropic.claude", hi + `reasoning { effort: EFFORT_LOW } sampling { max_output_tokens: 100 }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":100}}`},
		{"nova thinks", "eu.amazon.nova-2-lite-v1:0", hi + `reasoning { budget_tokens: 3000 } sampling { top_k: 5 }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"inferenceConfig":{"topK":5},"reasoningConfig":{"type":"enabled","maxReasoningEffort":"medium"}}}`},
		{"gpt-oss thinks", "openai.gpt-oss-120b-1:0", hi + `reasoning { effort: EFFORT_MINIMAL }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"reasoning_effort":"low"}}`},
		{"somebody thinks", "arn:aws:bedrock:x:1:application-inference-profile/abc", hi + `reasoning { effort: EFFORT_XHIGH }`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"outputConfig":{"effort":"xhigh"}}`},
	} {
		raw, err := EncodeConversation(&provider.Request{Conversation: proto3(t, test.conversation), Model: test.model}, false)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		sameJSON(t, test.name, string(raw), test.want)
	}
}

func TestEncodeConversationRefuses(t *testing.T) {
	user := func(part string) string { return `messages { role: ROLE_USER parts { ` + part + ` } } ` }
	for _, text := range []string{
		user(`image { blob { uri: "https://e.org/a.png" } }`),
		user(`image { blob { data: "a" media_type: "image/tiff" } }`),
		user(`document { blob { data: "a" media_type: "application/zip" } }`),
		user(`tool_result { parts { audio { blob { data: "a" } } } }`),
		`messages { role: ROLE_SYSTEM parts { image { blob { data: "a" } } } }`,
		`messages { role: ROLE_ASSISTANT parts { tool_call { id: "1" name: "f" arguments: "{" } } }`,
		user(`text { text: "a" }`) + `tools { name: "f" parameters: "{" }`,
		user(`text { text: "a" }`) + `tools { name: "f" } tool_choice { mode: MODE_NONE }`,
		user(`text { text: "a" }`) + `tools { name: "f" } tool_choice { disable_parallel: true }`,
		user(`text { text: "a" }`) + `sampling { seed: 1 }`,
		user(`text { text: "a" }`) + `response_format { json_object {} }`,
	} {
		raw, err := EncodeConversation(&provider.Request{Conversation: proto3(t, text), Model: "m"}, false)
		reason := errs.From(err).Reason
		if err == nil || reason != llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED && reason != llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT {
			t.Errorf("%s: got %s, %v", text, raw, err)
		}
	}
}

// Context goes where a native request puts it.
func TestEncodeConversationContext(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[]}},{"text":"hi"},{"text":"you"}]}]}`
	r, c := parse(t, body)
	to := &provider.Request{Conversation: c, Model: "m", Context: "C"}
	native, err := r.Render(to, false)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := EncodeConversation(to, false)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "context", string(raw), string(native))
	if !strings.Contains(string(raw), `{"text":"C"},{"text":"hi"}`) {
		t.Errorf("got %s", raw)
	}
}
