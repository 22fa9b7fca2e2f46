package converse

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

const fullRequest = `{
  "messages": [
    {"content": [
      {"text": "What is \"this\"?\n"},
      {"image": {"format": "png", "source": {"bytes": "AQID"}}},
      {"image": {"source": {"s3Location": {"uri": "s3://b/k.jpg"}}, "format": "jpeg"}},
      {"audio": {"format": "wav", "source": {"bytes": "AQID"}}},
      {"document": {"format": "pdf", "name": "paper", "source": {"bytes": "AQID"}}},
      {"document": {"name": "note", "source": {"text": "Gr\u00fc\u00dfe"}}},
      {"document": {"context": "why", "format": "csv", "source": {"bytes": "YSxi"}, "name": "data"}},
      {"guardContent": {"text": {"text": "guard me", "qualifiers": []}}},
      {"cachePoint": {"type": "default", "ttl": "1h"}}], "role": "user"},
    {"role": "assistant", "content": [
      {"reasoningContent": {"reasoningText": {"text": "let me see", "signature": "sig"}}},
      {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
      {"citationsContent": {"citations": [{"title": "T", "location": {"web": {"url": "https://e.org/"}}}], "content": [{"text": "I know."}]}},
      {"toolUse": {"toolUseId": "c1", "name": "find", "input": {"q" : [1, 2.50], "s": "\u00e4"}}}]},
    {"role": "user", "content": [
      {"toolResult": {"toolUseId": "c1", "status": "error", "content": [
        {"text": "found"}, {"json": {"mail": "a\u0040b.c", "q": "\""}}, {"image": {"format": "gif", "source": {"bytes": "AQID"}}}]}},
      {"text": "Thanks 😀"}]}
  ],
  "system": [{"text": "Be br\u0069ef."}, {"cachePoint": {"type": "default"}}],
  "inferenceConfig": {"maxTokens": 7, "temperature": 0, "topP": 1, "stopSequences": ["a", "b"]},
  "toolConfig": {
    "tools": [{"toolSpec": {"name": "find", "description": "d", "inputSchema": {"json": {"type": "object"}}, "strict": true}},
              {"cachePoint": {"type": "default", "ttl": "5m"}}],
    "toolChoice": {"tool": {"name": "find"}}},
  "additionalModelRequestFields": {"top_k": 40, "thinking": {"type": "enabled", "budget_tokens": 2048}},
  "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}", "name": "s", "description": "sd"}}}},
  "requestMetadata": {"k": "v"}, "performanceConfig": {"latency": "standard"}, "guardrailConfig": null
}`

const fullConversation = `
model: "m"
messages { role: ROLE_SYSTEM
  parts { cache_point { ttl: "5m" } } parts { text { text: "Be brief." } } parts { cache_point {} } }
messages { role: ROLE_USER
  parts { text { text: "What is \"this\"?\n" } }
  parts { image { blob { data: "\001\002\003" media_type: "image/png" } } }
  parts { image { blob { uri: "s3://b/k.jpg" media_type: "image/jpeg" } } }
  parts { audio { blob { data: "\001\002\003" media_type: "audio/wav" } } }
  parts { document { blob { data: "\001\002\003" media_type: "application/pdf" } title: "paper" } }
  parts { text { text: "note" } } parts { text { text: "Grüße" } }
  parts { text { text: "data" } } parts { text { text: "why" } } parts { text { text: "a,b" } }
  parts { text { text: "guard me" } }
  parts { cache_point { ttl: "1h" } } }
messages { role: ROLE_ASSISTANT
  parts { thinking { text: "let me see" signature: "sig" } }
  parts { thinking { redacted: "secret" } }
  parts { text { text: "I know." citations { title: "T" uri: "https://e.org/" } } }
  parts { tool_call { id: "c1" name: "find" arguments: "{\"q\" : [1, 2.50], \"s\": \"\\u00e4\"}" } } }
messages { role: ROLE_USER
  parts { tool_result { tool_call_id: "c1" is_error: true
    parts { text { text: "found" } } parts { text { text: "{\"mail\": \"a@b.c\", \"q\": \"\\\"\"}" } }
    parts { image { blob { data: "\001\002\003" media_type: "image/gif" } } } } }
  parts { text { text: "Thanks 😀" } } }
tools { name: "find" description: "d" parameters: "{\"type\": \"object\"}" strict: true }
tool_choice { mode: MODE_NAMED name: "find" }
sampling { max_output_tokens: 7 temperature: 0 top_p: 1 top_k: 40 stop: "a" stop: "b" }
response_format { json_schema { name: "s" schema: "{\"type\":\"object\"}" description: "sd" strict: true } }
reasoning { budget_tokens: 2048 include_thinking: true }
metadata { key: "k" value: "v" }`

func parse(t testing.TB, body string) (*Request, *llmv1.Conversation) {
	t.Helper()
	r, c, err := ParseRequest([]byte(body), "m")
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r, c
}

func proto3(t testing.TB, text string) *llmv1.Conversation {
	t.Helper()
	c := &llmv1.Conversation{}
	if err := prototext.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseRequest(t *testing.T) {
	r, c := parse(t, fullRequest)
	if want := proto3(t, fullConversation); !proto.Equal(c, want) {
		t.Errorf("got  %v\nwant %v", prototext.Format(c), prototext.Format(want))
	}
	if got := r.Unexpressed(); len(got) > 0 {
		t.Errorf("unexpressed %q", got)
	}
	checkTexts(t, r, c)
}

// checkTexts checks that the noted places are those of conversation.Texts.
func checkTexts(t testing.TB, r *Request, c *llmv1.Conversation) {
	t.Helper()
	texts := conversation.Texts(c)
	if len(texts) != len(r.texts) {
		t.Fatalf("%d places for %d texts", len(r.texts), len(texts))
	}
	for i, text := range texts {
		at := r.texts[i]
		got := string(r.raw[at.Start:at.End])
		switch at.kind {
		case nowhere:
			got = ""
		case quoted:
			got = string(jsonscan.AppendUnescaped(nil, []byte(got)))
		case encoded:
			got = string(decode(got))
		case result:
			got = string(plainJSON([]byte(got)))
		}
		if got != *text.Value {
			t.Fatalf("text %d stands at %q, not %q", i, got, *text.Value)
		}
	}
}

func TestUnexpressed(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":[{"text":"hi"}]}]`
	for _, test := range []struct {
		body string
		want []string
	}{
		{`{` + hi + `,"guardrailConfig":{"guardrailIdentifier":"g"}}`, []string{"guardrailConfig"}},
		{`{` + hi + `,"performanceConfig":{"latency":"optimized"},"serviceTier":{"type":"default"}}`, []string{"performanceConfig"}},
		{`{` + hi + `,"additionalModelRequestFields":{"anthropic_beta":["x"],"thinking":{"type":"adaptive","display":"x"}}}`, []string{"additionalModelRequestFields.anthropic_beta", "additionalModelRequestFields.thinking.display"}},
		{`{` + hi + `,"additionalModelResponseFieldPaths":["/stop_sequence"]}`, []string{"additionalModelResponseFieldPaths"}},
		{`{` + hi + `,"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}}`, []string{"toolConfig.tools[0].systemTool"}},
		{`{` + hi + `,"outputConfig":{"effort":"max"}}`, []string{"outputConfig.effort"}},
		{`{` + hi + `,"new,\u0001thing":1}`, []string{"new??thing"}},
		{`{"messages":[{"role":"user","content":[{"document":{"name":"n","context":"c","citations":{"enabled":true},"source":{"content":[{"text":"a"},{"text":"b"}]}}},{"searchResult":{"source":"s","title":"t","content":[{"text":"found"}]}},{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k","bucketOwner":"1"}}}}]}]}`, []string{"messages[0].content[0].document.citations", "messages[0].content[2].image.source.s3Location.bucketOwner"}},
	} {
		r, c := parse(t, test.body)
		if got := r.Unexpressed(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q", test.body, got)
		}
		checkTexts(t, r, c)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	block := func(b string) string { return `{"messages":[{"role":"user","content":[` + b + `]}]}` }
	with := func(m string) string {
		return `{"messages":[{"role":"user","content":[{"text":"hi"}]}],` + m + `}`
	}
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	for _, test := range []struct {
		body, field string
		reason      llmv1.ErrorReason
	}{
		{``, "", invalid},
		{`[]`, "", invalid},
		{`{`, "", invalid},
		{block(`{"text":"x"}`) + `x`, "", invalid},
		{"{\"messages\":\"\xff\"}", "", invalid},
		{`{"x":` + strings.Repeat("[", 100_000), "", invalid},
		{`{}`, "messages", invalid},
		{`{"messages":[]}`, "messages", invalid},
		{`{"messages":null}`, "messages", invalid},
		{`{"Messages":[]}`, "Messages", invalid},
		{`{"messages":[],"messages":[]}`, "messages", invalid},
		{`{"messages":[{"content":[]}]}`, "messages[0].role", invalid},
		{`{"messages":[{"role":"robot","content":[]}]}`, "messages[0].role", invalid},
		{`{"messages":[{"role":"user"}]}`, "messages[0].content", invalid},
		{`{"messages":[{"role":"user","content":"x"}]}`, "messages[0].content", invalid},
		{block(`{}`), "messages[0].content[0]", invalid},
		{block(`{"text":1}`), "messages[0].content[0].text", invalid},
		{block(`{"text":"a","cachePoint":{"type":"default"}}`), "messages[0].content[0]", invalid},
		{block(`{"video":{"format":"mp4"}}`), "messages[0].content[0].video", unsupported},
		{block(`{"json":{}}`), "messages[0].content[0].json", unsupported},
		{block(`{"image":{"format":"bmp","source":{"bytes":"AQID"}}}`), "messages[0].content[0].image.format", invalid},
		{block(`{"image":{"format":"png"}}`), "messages[0].content[0].image.source", invalid},
		{block(`{"image":{"format":"png","source":{"bytes":"%"}}}`), "messages[0].content[0].image.source.bytes", invalid},
		{block(`{"image":{"format":"png","source":{"bytes":"AQID","s3Location":{"uri":"s3://b/k"}}}}`), "messages[0].content[0].image.source.s3Location", invalid},
		{block(`{"image":{"format":"png","source":{"s3Location":{"uri":"http://169.254.169.254/"}}}}`), "messages[0].content[0].image.source.s3Location.uri", invalid},
		{block(`{"toolUse":{"toolUseId":"c","name":"f"}}`), "messages[0].content[0].toolUse.input", invalid},
		{block(`{"toolUse":{"name":"f","input":{}}}`), "messages[0].content[0].toolUse.toolUseId", invalid},
		{block(`{"toolResult":{"toolUseId":"c","status":"?"}}`), "messages[0].content[0].toolResult.status", invalid},
		{block(`{"toolResult":{"content":[]}}`), "messages[0].content[0].toolResult.toolUseId", invalid},
		{block(`{"toolResult":{"toolUseId":"c","content":[{"toolResult":{}}]}}`), "messages[0].content[0].toolResult.content[0].toolResult", unsupported},
		{block(`{"reasoningContent":{}}`), "messages[0].content[0].reasoningContent", invalid},
		{block(`{"cachePoint":{"type":"x"}}`), "messages[0].content[0].cachePoint.type", invalid},
		{block(`{"cachePoint":{"type":"default","ttl":"9h"}}`), "messages[0].content[0].cachePoint.ttl", invalid},
		{with(`"system":"x"`), "system", invalid},
		{with(`"system":[{"image":{}}]`), "system[0].image", unsupported},
		{with(`"inferenceConfig":{"maxTokens":0}`), "inferenceConfig.maxTokens", invalid},
		{with(`"inferenceConfig":{"temperature":1.5}`), "inferenceConfig.temperature", invalid},
		{with(`"inferenceConfig":{"temperature":"1"}`), "inferenceConfig.temperature", invalid},
		{with(`"inferenceConfig":{"stopSequences":["a",1]}`), "inferenceConfig.stopSequences[1]", invalid},
		{with(`"toolConfig":{"tools":[{}]}`), "toolConfig.tools[0]", invalid},
		{with(`"toolConfig":{"tools":[{"toolSpec":{}}]}`), "toolConfig.tools[0].toolSpec.name", invalid},
		{with(`"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":"{}"}}}]}`), "toolConfig.tools[0].toolSpec.inputSchema.json", invalid},
		{with(`"toolConfig":{"toolChoice":{"tool":{}}}`), "toolConfig.toolChoice.tool.name", invalid},
		{with(`"toolConfig":{"toolChoice":{"auto":{},"any":{}}}`), "toolConfig.toolChoice", invalid},
		{with(`"outputConfig":{"textFormat":{"type":"text"}}`), "outputConfig.textFormat", invalid},
		{with(`"additionalModelRequestFields":{"top_k":-1}`), "additionalModelRequestFields.top_k", invalid},
		{with(`"additionalModelRequestFields":{"thinking":{"type":"x"}}`), "additionalModelRequestFields.thinking.type", invalid},
		{with(`"requestMetadata":{"k":1}`), "requestMetadata.k", invalid},
	} {
		_, _, err := ParseRequest([]byte(test.body), "m")
		e := errs.From(err)
		if err == nil || e.Reason != test.reason || e.Field != test.field {
			t.Errorf("%.120s: got %v, field %q", test.body, err, e.Field)
		}
	}
}

func sameJSON(t testing.TB, name, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Errorf("%s: %v in %s", name, err, got)
		return
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%s: %v in %s", name, err, want)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s: got  %s\nwant %s", name, got, want)
	}
}

func TestRenderUntouched(t *testing.T) {
	r, c := parse(t, fullRequest)
	got, err := r.Render(&provider.Request{Conversation: c, Model: "other"}, true)
	if err != nil || string(got) != fullRequest {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestRender(t *testing.T) {
	defaults := &llmv1.Sampling{Temperature: proto.Float64(0.5), MaxOutputTokens: proto.Int64(9), TopK: proto.Int32(3), Stop: []string{"x"}}
	const m = `"messages":[{"role":"user","content":[{"text":"hi"}]}]`
	for _, test := range []struct {
		name, body, want string
		to               provider.Request
	}{
		{
			"revised", `{"x":1,"messages":[{"role":"user","content":[{"text":"my \u0022mail"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"f","input":{"a":1}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"json":{"a":1},"n":null},{"json":[2]}]}}]}]}`,
			`{"x":1,"messages":[{"role":"user","content":[{"text":"my [X]\""}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"f","input":{"a":"[X]"}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"gone \"it\"","n":null},{"json":["[X]"]}]}}]}]}`,
			provider.Request{Revisions: map[int]string{0: `my [X]"`, 1: `{"a":"[X]"}`, 2: `gone "it"`, 3: `["[X]"]`}},
		},
		{
			"revised documents", `{"messages":[{"role":"user","content":[{"document":{"format":"txt","name":"n","source":{"bytes":"YQ=="}}},{"searchResult":{"source":"s","title":"t","content":[{"text":"c"}]}}]}]}`,
			`{"messages":[{"role":"user","content":[{"document":{"format":"txt","name":"n","source":{"bytes":"W1hd"}}},{"searchResult":{"source":"s","title":"t","content":[{"text":"[X]"}]}}]}]}`,
			provider.Request{Revisions: map[int]string{1: "[X]", 4: "[X]"}},
		},
		{"context", `{` + m + `}`, `{"messages":[{"role":"user","content":[{"text":"C\n"},{"text":"hi"}]}]}`, provider.Request{Context: "C\n"}},
		{
			"context behind results", `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[]}},{"text":"hi"}]}]}`,
			`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[]}},{"text":"C"},{"text":"hi"}]}]}`,
			provider.Request{Context: "C"},
		},
		{
			"context behind results only", `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[]}}]}]}`,
			`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[]}},{"text":"C"}]}]}`,
			provider.Request{Context: "C"},
		},
		{"context in nothing", `{"messages":[{"role":"user","content":[ ]}]}`, `{"messages":[{"role":"user","content":[{"text":"C"}]}]}`, provider.Request{Context: "C"}},
		{
			"context without a user", `{"messages":[{"role":"assistant","content":[{"text":"a"}]}]}`,
			`{"messages":[{"role":"assistant","content":[{"text":"a"}]},{"role":"user","content":[{"text":"C"}]}]}`,
			provider.Request{Context: "C"},
		},
		{"instructions", `{` + m + `}`, `{"system":[{"text":"I"}],` + m + `}`, provider.Request{Instructions: "I"}},
		{"instructions before others", `{` + m + `,"system":[{"text":"a"}]}`, `{"system":[{"text":"I"},{"text":"a"}],` + m + `}`, provider.Request{Instructions: "I"}},
		{"instructions in nothing", `{` + m + `,"system":[]}`, `{"system":[{"text":"I"}],` + m + `}`, provider.Request{Instructions: "I"}},
		{"instructions for null", `{` + m + `,"system":null}`, `{"system":[{"text":"I"}],` + m + `}`, provider.Request{Instructions: "I"}},
		{"defaults", `{` + m + `}`, `{` + m + `,"inferenceConfig":{"maxTokens":9,"temperature":0.5,"stopSequences":["x"]},"additionalModelRequestFields":{"top_k":3}}`, provider.Request{Defaults: defaults}},
		{
			"defaults beside", `{"inferenceConfig":{"temperature":0.1,"maxTokens":null},"additionalModelRequestFields":{"a":1},` + m + `}`,
			`{` + m + `,"inferenceConfig":{"maxTokens":9,"temperature":0.1,"stopSequences":["x"]},"additionalModelRequestFields":{"a":1,"top_k":3}}`,
			provider.Request{Defaults: defaults},
		},
		{
			"defaults for null", `{"inferenceConfig":null,"additionalModelRequestFields":{"top_k":null},` + m + `}`,
			`{` + m + `,"inferenceConfig":{"maxTokens":9,"temperature":0.5,"stopSequences":["x"]},"additionalModelRequestFields":{"top_k":3}}`,
			provider.Request{Defaults: defaults},
		},
		{
			"defaults that are set", `{"inferenceConfig":{"temperature":0,"maxTokens":1,"stopSequences":[]},"additionalModelRequestFields":{"top_k":1},` + m + `}`,
			`{"inferenceConfig":{"temperature":0,"maxTokens":1,"stopSequences":[]},"additionalModelRequestFields":{"top_k":1},` + m + `}`,
			provider.Request{Defaults: defaults},
		},
		{
			"top_k of Nova", `{"additionalModelRequestFields":{"inferenceConfig":null},` + m + `}`,
			`{"additionalModelRequestFields":{"inferenceConfig":{"topK":3}},` + m + `}`,
			provider.Request{Defaults: &llmv1.Sampling{TopK: proto.Int32(3)}, Model: "us.amazon.nova-lite-v1:0"},
		},
	} {
		r, c := parse(t, test.body)
		test.to.Conversation = c
		got, err := r.Render(&test.to, false)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		sameJSON(t, test.name, string(got), test.want)
		if strings.Count(string(got), "maxTokens") > 1 {
			t.Errorf("%s: twice in %s", test.name, got)
		}
	}
	r, c := parse(t, `{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"f","input":{}}},{"reasoningContent":{"redactedContent":"AQID"}}]}]}`)
	for i, text := range []string{"no JSON", "text", "?"} {
		if got, err := r.Render(&provider.Request{Conversation: c, Revisions: map[int]string{i: text}}, false); err == nil {
			t.Errorf("revision %d: got %s", i, got)
		}
	}
}

// Rendering after any revision says what the canonical form says.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(fullRequest), "x")
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"json":{"a":"\ud83d"}}]}}]}],"system":[]}`), `"`)
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"document":{"format":"pdf`), "")
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		r, c, err := ParseRequest(body, "m")
		if err != nil {
			return
		}
		checkTexts(t, r, c)
		to := &provider.Request{Conversation: c, Model: "m", Instructions: "I", Defaults: &llmv1.Sampling{TopK: proto.Int32(3), TopP: proto.Float64(1)}}
		text = strings.ToValidUTF8(text, "\uFFFD")
		revisions := map[int]string{}
		for i, at := range r.texts {
			if at.kind == quoted || at.kind == result || at.kind == encoded && text != "" {
				revisions[i] = text
			}
		}
		conversation.Revise(c, revisions)
		to.Revisions = revisions
		out, err := r.Render(to, true)
		if err != nil {
			t.Fatalf("render: %v", err)
		}
		to.CachePoints = conversation.CachePointsOf(c, func(*llmv1.Conversation) int64 { return 5000 })
		marked, err := r.Render(to, true)
		if err != nil || strings.ReplaceAll(string(marked), pointBlock, "") != strings.ReplaceAll(string(out), pointBlock, "") {
			t.Fatalf("%v: %s", err, marked)
		}
		if _, _, err := ParseRequest(marked, "m"); err != nil {
			t.Fatalf("%v in %s", err, marked)
		}
		_, again, err := ParseRequest(out, "m")
		if err != nil {
			t.Fatalf("%v in %s from %s", err, out, body)
		}
		want := conversation.Texts(c)
		got := conversation.Texts(again)[1:] // behind the instructions
		if len(got) != len(want) {
			t.Fatalf("%d texts, want %d, in %s", len(got), len(want), out)
		}
		for i := range got {
			if r.texts[i].kind != result && *got[i].Value != *want[i].Value {
				t.Fatalf("text %d: %q, want %q", i, *got[i].Value, *want[i].Value)
			}
		}
		_, _ = EncodeConversation(to, true)
	})
}
