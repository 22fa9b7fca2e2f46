package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

const fullRequest = `{
  "model": "gpt-4o-mini", "x_unknown": {"deep": [1, 2.5e3, null]},
  "messages": [
    {"role": "developer", "content": "Be br\u0069ef."},
    {"role": "user", "name": "Ann", "content": [
      {"type": "text", "text": "What is \"this\"?\n"},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID", "detail": "low"}},
      {"type": "input_audio", "input_audio": {"data": "AQID", "format": "wav"}},
      {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AQID"}}]},
    {"tool_calls": [{"id": "c1", "type": "function", "function": {"arguments": "{\"q\":1}", "name": "find"}}],
     "content": null, "role": "assistant", "reasoning_content": "let me see"},
    {"role": "tool", "tool_call_id": "c1", "content": "found"},
    {"role": "assistant", "content": "It is this.", "refusal": null},
    {"role": "user", "content": "Thanks 😀"}
  ],
  "tools": [{"type": "function", "function": {"name": "find", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
  "tool_choice": {"type": "function", "function": {"name": "find"}}, "parallel_tool_calls": false,
  "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
  "temperature": 0, "top_p": 1, "max_tokens": 5, "max_completion_tokens": 7, "n": 2, "stop": ["a", "b"], "seed": 3,
  "presence_penalty": -2, "frequency_penalty": 2, "reasoning_effort": "low", "metadata": {"k": "v"}, "user": "u",
  "stream": true, "stream_options": {"include_usage": true}, "logprobs": null
}`

func TestParseRequest(t *testing.T) {
	r, c, err := ParseRequest([]byte(fullRequest))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Stream() || !r.IncludeUsage() || r.Dialect() != "openai" {
		t.Errorf("stream %v, usage %v", r.Stream(), r.IncludeUsage())
	}
	blob := &llmv1.Blob{Source: &llmv1.Blob_Data{Data: []byte{1, 2, 3}}}
	media := func(m string) *llmv1.Blob {
		b := proto.CloneOf(blob)
		b.MediaType = m
		return b
	}
	want := &llmv1.Conversation{
		Model: "gpt-4o-mini",
		Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{newText("Be brief.")}},
			{Role: llmv1.Role_ROLE_USER, Name: "Ann", Parts: []*llmv1.Part{
				newText("What is \"this\"?\n"),
				{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: media("image/png"), Detail: "low"}}},
				{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{Blob: media("audio/wav")}}},
				{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: media("application/pdf"), Title: "a.pdf"}}},
			}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{newThinking("let me see"), newToolCall("c1", "find", `{"q":1}`)}},
			{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{newToolResult("c1", []*llmv1.Part{newText("found")})}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{newText("It is this.")}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{newText("Thanks 😀")}},
		},
		Tools:      []*llmv1.Tool{{Name: "find", Description: "d", Parameters: `{"type": "object"}`, Strict: true}},
		ToolChoice: &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_NAMED, Name: "find", DisableParallel: true},
		ResponseFormat: &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: &llmv1.ResponseFormat_JsonSchema{
			Name: "s", Schema: `{"type": "object"}`, Strict: true,
		}}},
		Sampling: &llmv1.Sampling{
			Temperature: proto.Float64(0), TopP: proto.Float64(1), MaxOutputTokens: proto.Int64(7), CandidateCount: proto.Int32(2),
			Stop: []string{"a", "b"}, Seed: proto.Int64(3), PresencePenalty: proto.Float64(-2), FrequencyPenalty: proto.Float64(2),
		},
		Reasoning: &llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_LOW, IncludeThinking: true},
		Metadata:  map[string]string{"k": "v"}, EndUser: "u",
	}
	if !proto.Equal(c, want) {
		t.Errorf("got  %v\nwant %v", c, want)
	}
	checkTexts(t, r, c)
}

// checkTexts checks that the noted places are those of conversation.Texts.
func checkTexts(t interface {
	Helper()
	Fatalf(string, ...any)
}, r *Request, c *llmv1.Conversation,
) {
	t.Helper()
	texts := conversation.Texts(c)
	if len(texts) != len(r.texts) {
		t.Fatalf("%d places for %d texts", len(r.texts), len(texts))
	}
	for i, text := range texts {
		if got := string(jsonscan.AppendUnescaped(nil, r.raw[r.texts[i].Start:r.texts[i].End])); got != *text.Value {
			t.Fatalf("text %d stands at %q, not %q", i, got, *text.Value)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	message := func(m string) string { return `{"model":"m","messages":[` + m + `]}` }
	user := message(`{"role":"user","content":"x"}`)
	with := func(member string) string { return user[:len(user)-1] + "," + member + "}" }
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	tests := []struct {
		name, body, field string
		reason            llmv1.ErrorReason
	}{
		{"empty", ``, "", invalid},
		{"array", `[]`, "", invalid},
		{"open", `{`, "", invalid},
		{"open array", `{"model":"m","messages":[`, "", invalid},
		{"cut", user[:len(user)-2], "", invalid},
		{"tail", user + `x`, "", invalid},
		{"comma", `{"model":"m",}`, "", invalid},
		{"deep", `{"x":` + deep, "", invalid},
		{"control", "{\"model\":\"a\nb\"}", "", invalid},
		{"utf-8", "{\"model\":\"\xff\"}", "", invalid},
		{"no model", `{"messages":[{"role":"user","content":"x"}]}`, "model", invalid},
		{"no messages", `{"model":"m"}`, "messages", invalid},
		{"empty messages", message(``), "messages", invalid},
		{"model twice", with(`"model":"n"`), "model", invalid},
		{"messages in another case", with(`"Messages":[]`), "Messages", invalid},
		{"messages with a long s", with("\"me\u017f\u017fages\":[]"), "me\u017f\u017fages", invalid},
		{"escaped twin", with(`"mod\u0065l":"n"`), "model", invalid},
		{"role", message(`{"role":"robot","content":"x"}`), "messages[0].role", invalid},
		{"role missing", message(`{"content":"x"}`), "messages[0].role", invalid},
		{"role function", message(`{"role":"function","content":"x"}`), "messages[0].role", unsupported},
		{"content missing", message(`{"role":"user"}`), "messages[0].content", invalid},
		{"content null", message(`{"role":"user","content":null}`), "messages[0].content", invalid},
		{"content number", message(`{"role":"user","content":1}`), "messages[0].content", invalid},
		{"content twice", message(`{"role":"user","content":"a","content":"b"}`), "messages[0].content", invalid},
		{"part kind", message(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"video"}]}`), "messages[0].content[1].type", unsupported},
		{"hidden text", message(`{"role":"user","content":[{"type":"image_url","text":"a","image_url":{"url":"https://a/b"}}]}`), "messages[0].content[0]", invalid},
		{"part text", message(`{"role":"user","content":[{"type":"text"}]}`), "messages[0].content[0].text", invalid},
		{"image address", message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://a"}}]}`), "messages[0].content[0].image_url.url", invalid},
		{"image data", message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,!"}}]}`), "messages[0].content[0].image_url.url", invalid},
		{"audio format", message(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AQID","format":"ogg"}}]}`), "messages[0].content[0].input_audio.format", invalid},
		{"file id", message(`{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}`), "messages[0].content[0].file.file_id", unsupported},
		{"tool id", message(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id", invalid},
		{"user with calls", message(`{"role":"user","content":"x","tool_calls":[{"id":"a","function":{"name":"b","arguments":"{}"}}]}`), "messages[0]", invalid},
		{"call arguments", message(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"b","arguments":{}}}]}`), "messages[0].tool_calls[0].function.arguments", invalid},
		{"old call", message(`{"role":"assistant","content":"x","function_call":{"name":"a"}}`), "messages[0].function_call", unsupported},
		{"functions", with(`"functions":[]`), "functions", unsupported},
		{"n", with(`"n":0`), "n", invalid},
		{"n text", with(`"n":"1"`), "n", invalid},
		{"n fraction", with(`"n":1.5`), "n", invalid},
		{"temperature", with(`"temperature":2.1`), "temperature", invalid},
		{"stream", with(`"stream":"yes"`), "stream", invalid},
		{"stream options", with(`"stream_options":{"include_usage":1}`), "stream_options.include_usage", invalid},
		{"stop", with(`"stop":[1]`), "stop[0]", invalid},
		{"tool", with(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", invalid},
		{"custom tool", with(`"tools":[{"type":"custom","custom":{}}]`), "tools[0].custom", unsupported},
		{"choice", with(`"tool_choice":"any"`), "tool_choice", invalid},
		{"choice without tools", with(`"tool_choice":"required"`), "tool_choice", invalid},
		{"format", with(`"response_format":{"type":"xml"}`), "response_format.type", unsupported},
		{"spoken answer", with(`"modalities":["text","audio"]`), "modalities", unsupported},
		{"metadata", with(`"metadata":{"a":1}`), "metadata.a", invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseRequest([]byte(tt.body))
			e := errs.From(err)
			if e == nil || e.Reason != tt.reason || e.Field != tt.field {
				t.Fatalf("got %v (field %q), want %v at %q", err, fieldOf(e), tt.reason, tt.field)
			}
		})
	}
}

func fieldOf(e *errs.Error) string {
	if e == nil {
		return ""
	}
	return e.Field
}

func render(t *testing.T, body string, to provider.Request, stream bool) string {
	t.Helper()
	r, c, err := ParseRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	to.Conversation = c
	out, err := r.Render(&to, stream)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out) {
		t.Fatalf("not JSON: %s", out)
	}
	return string(out)
}

func TestRender(t *testing.T) {
	const head = `{"model":"m", "messages":[{"role":"user","content":"a"},{"role":"user","content":`
	const parts = head + `[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]}`
	tests := []struct {
		name, body string
		to         provider.Request
		stream     bool
		want       string
	}{
		{"untouched", head + `"b"}] , "x":1 }`, provider.Request{Model: "m"}, false, head + `"b"}] , "x":1 }`},
		{
			"all at once", head + `"b\n"}]}`,
			provider.Request{Model: "up\"", Revisions: map[int]string{1: "<b>\n", 0: ""}, Context: "C\"1"},
			true,
			`{"stream":true,"stream_options":{"include_usage":true},"model":"up\"", "messages":[{"role":"user","content":""},{"role":"user","content":"C\"1\n\n<b>\n"}]}`,
		},
		{
			"context before parts", parts,
			provider.Request{Context: "C"},
			false,
			head + `[{"type":"text","text":"C"},{"type":"image_url","image_url":{"url":"https://x/y"}}]}]}`,
		},
		{"context in no parts", head + `[]}]}`, provider.Request{Context: "C"}, false, head + `[{"type":"text","text":"C"}]}]}`},
		{
			"context without a user", `{"model":"m","messages":[{"role":"system","content":"s"}]}`,
			provider.Request{Context: "C"},
			false,
			`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"C"}]}`,
		},
		{
			"usage switched on", head + `"b"}],"stream":true,"stream_options":{"include_usage":false}}`,
			provider.Request{},
			true,
			head + `"b"}],"stream":true,"stream_options":{"include_usage":true}}`,
		},
		{
			"usage among options", head + `"b"}],"stream":true,"stream_options":{"x":1}}`,
			provider.Request{},
			true,
			head + `"b"}],"stream":true,"stream_options":{"include_usage":true,"x":1}}`,
		},
		{
			"empty options", head + `"b"}],"stream":true,"stream_options":{ }}`,
			provider.Request{},
			true,
			head + `"b"}],"stream":true,"stream_options":{"include_usage":true }}`,
		},
		{
			"nulls", head + `"b"}],"stream":null,"stream_options":null}`,
			provider.Request{},
			true,
			head + `"b"}],"stream":true,"stream_options":{"include_usage":true}}`,
		},
		{
			"stream answered whole", head + `"b"}],"stream":true,"stream_options":{"include_usage":true}}`,
			provider.Request{},
			false,
			head + `"b"}],"stream":false,"stream_options":null}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := render(t, tt.body, tt.to, tt.stream)
			want := strings.ReplaceAll(tt.want, `<b>\n`, "<b>\\n")
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	r, c, _ := ParseRequest([]byte(parts))
	if _, err := r.Render(&provider.Request{Conversation: c, Revisions: map[int]string{9: "x"}}, false); err == nil {
		t.Error("a revision of a text that is not there was accepted")
	}
}

// drawText draws text that is nasty to JSON.
func drawText(t *rapid.T, label string) string {
	return rapid.StringOfN(rapid.OneOf(
		rapid.RuneFrom([]rune{'"', '\\', '\n', 0, 0x1f, '<', '😀', 0x2028, '\u00e9', '/', 'u'}), rapid.Rune(),
	), 0, 12, -1).Draw(t, label)
}

// written writes text as a JSON string in one of the ways that clients do.
func written(t *rapid.T, text string) json.RawMessage {
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "raw") {
		return jsonscan.AppendString(nil, text)
	}
	if rapid.Bool().Draw(t, "ascii") {
		var b strings.Builder
		for _, r := range string(out) {
			switch {
			case r > 0xffff:
				r -= 0x10000
				fmt.Fprintf(&b, `\u%04X\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			case r > 126:
				fmt.Fprintf(&b, `\u%04x`, r)
			default:
				b.WriteRune(r)
			}
		}
		return json.RawMessage(b.String())
	}
	return out
}

// object writes members in a random order.
func object(t *rapid.T, members map[string]json.RawMessage) json.RawMessage {
	keys := make([]string, 0, len(members))
	for k := range members {
		keys = append(keys, k)
	}
	keys = rapid.Permutation(keys).Draw(t, "order")
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", k, members[k])
	}
	b.WriteByte('}')
	return b.Bytes()
}

func drawMessage(t *rapid.T) json.RawMessage {
	role := rapid.SampledFrom([]string{"system", "developer", "user", "assistant", "tool"}).Draw(t, "role")
	m := map[string]json.RawMessage{"role": json.RawMessage(`"` + role + `"`), "x": json.RawMessage(`{"role":["content"]}`)}
	if rapid.Bool().Draw(t, "string") {
		m["content"] = written(t, drawText(t, "content"))
	} else {
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			if rapid.Bool().Draw(t, "image") {
				parts = append(parts, `{"image_url": {"url": "https://a/b"}, "type": "image_url"}`)
				continue
			}
			parts = append(parts, string(object(t, map[string]json.RawMessage{
				"type": json.RawMessage(`"text"`), "text": written(t, drawText(t, "text")), "y": json.RawMessage(`null`),
			})))
		}
		m["content"] = json.RawMessage(" [" + strings.Join(parts, " , ") + "]")
	}
	switch {
	case role == "tool":
		m["tool_call_id"] = json.RawMessage(`"c"`)
	case role == "assistant" && rapid.Bool().Draw(t, "more"):
		m["refusal"] = written(t, drawText(t, "refusal"))
		m["reasoning_content"] = written(t, drawText(t, "thinking"))
		m["tool_calls"] = json.RawMessage(`[{"id":"c","function":` + string(object(t, map[string]json.RawMessage{
			"name": json.RawMessage(`"f"`), "arguments": written(t, drawText(t, "arguments")),
		})) + `}]`)
	}
	return object(t, m)
}

// Whatever a client writes: the places are those of the texts, and rendering
// with revisions gives what revising the canonical form gives.
func TestRenderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var messages []string
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			messages = append(messages, string(drawMessage(t)))
		}
		body := object(t, map[string]json.RawMessage{
			"model": written(t, "m"+drawText(t, "model")), "messages": json.RawMessage("[" + strings.Join(messages, ",") + "]"),
			"stream": json.RawMessage(rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "stream")),
		})
		r, c, err := ParseRequest(body)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		checkTexts(t, r, c)
		to := &provider.Request{Conversation: c, Model: "other", Revisions: map[int]string{}, Context: drawText(t, "context")}
		for i := range conversation.Texts(c) {
			if rapid.Bool().Draw(t, "revise") {
				to.Revisions[i] = drawText(t, "revision")
			}
		}
		streamed := rapid.Bool().Draw(t, "streamed")
		out, err := r.Render(to, streamed)
		if err != nil {
			t.Fatal(err)
		}
		got, gotConversation, err := ParseRequest(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		conversation.Revise(c, to.Revisions)
		c.Model = "other"
		c.Messages = conversation.WithContext(c, to.Context)
		if got.Stream() != streamed || got.IncludeUsage() != streamed {
			t.Fatalf("stream %v, usage %v: %s", got.Stream(), got.IncludeUsage(), out)
		}
		if flat(gotConversation) != flat(c) {
			t.Fatalf("got  %v\nwant %v", gotConversation, c)
		}
	})
}

// flat writes a conversation so that a text in front of one text part and the
// two as parts look the same.
func flat(c *llmv1.Conversation) string {
	var b strings.Builder
	for _, m := range c.GetMessages() {
		fmt.Fprintf(&b, "%v:", m.GetRole())
		for _, p := range m.GetParts() {
			if text := p.GetText(); text != nil {
				b.WriteString(strings.ReplaceAll(text.GetText(), "\n", ""))
				continue
			}
			fmt.Fprintf(&b, "%v", proto.CloneOf(p).String())
		}
	}
	return b.String()
}

func TestEncodeConversationRoundTrip(t *testing.T) {
	_, c, err := ParseRequest([]byte(fullRequest))
	if err != nil {
		t.Fatal(err)
	}
	body, err := EncodeConversation(&provider.Request{Conversation: c, Model: "gpt-4o-mini"}, true)
	if err != nil {
		t.Fatal(err)
	}
	r, again, err := ParseRequest(body)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if !r.Stream() || !r.IncludeUsage() {
		t.Error("stream or usage is not asked for")
	}
	// Labels are the caller's own, and unsigned thinking has no place in a request.
	c.Metadata = nil
	c.Messages[2].Parts = c.Messages[2].Parts[1:]
	if !proto.Equal(c, again) {
		t.Errorf("got  %v\nwant %v", again, c)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(fullRequest))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[]}],"stream_options":{}}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"assistant","content":"","reasoning":"ab","reasoning_details":[{"text":"a","signature":"s"},{"text":"b"},{"data":"d"}],"annotations":[{"url_citation":{"url":"u"}}]}],"tools":[{"type":"x"}]}`))
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
		checkTexts(t, r, c)
		revisions := map[int]string{}
		for i := range r.texts {
			revisions[i] = "masked"
		}
		to := &provider.Request{
			Conversation: c, Model: "m2", Context: "C", Revisions: revisions, Instructions: "I", Defaults: &llmv1.Sampling{Seed: proto.Int64(1)},
		}
		out, err := r.RenderFor(to, true, provider.Quirks{MaxTokens: "max_tokens", Drop: []string{"user", "n"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ParseRequest(out); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
}
