package openai

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestUnexpressed(t *testing.T) {
	const user = `{"role":"user","content":"x"}`
	with := func(members string) string { return `{"model":"m","messages":[` + user + `],` + members + `}` }
	call := func(members string) string {
		return `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"index":0,"id":"a","function":{"name":"b","arguments":"{}"` + members + `}]}]}`
	}
	tests := []struct {
		name, body string
		want       []string
	}{
		{"nothing", with(`"temperature":1`), nil},
		{
			"defaults", with(`"logit_bias":{},"logprobs":false,"top_logprobs":0,"store":false,"service_tier":"auto","verbosity":"medium","prediction":null,` +
				`"x":null,"stream_options":{"include_obfuscation":false}`), nil,
		},
		{
			"what has no place", with(`"logit_bias":{"1":2},"logprobs":true,"top_logprobs":2,"store":true,"service_tier":"flex","verbosity":"low",` +
				`"prediction":{"type":"content"},"web_search_options":{},"audio":{"voice":"a"},"prompt_cache_key":"k","safety_identifier":"s","min_p":0.1`),
			[]string{
				"logit_bias", "logprobs", "top_logprobs", "store", "service_tier", "verbosity", "prediction", "web_search_options", "audio",
				"prompt_cache_key", "safety_identifier", "min_p",
			},
		},
		{"a message", `{"model":"m","messages":[` + user + `,{"role":"assistant","content":"x","prefix":true}]}`, []string{"messages[1].prefix"}},
		{"a part", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"x","y":1}]}]}`, []string{"messages[0].content[1].y"}},
		{"an image", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b","format":"png"}}]}]}`, []string{"messages[0].content[0].image_url.format"}},
		{"a call", call(`},"z":1`), []string{"messages[0].tool_calls[0].z"}},
		{"a call's function", call(`,"z":1}`), []string{"messages[0].tool_calls[0].function.z"}},
		{"a tool", with(`"tools":[{"type":"function","function":{"name":"f"}},{"type":"web_search","web":{"x":1},"y":2},{"type":"function","function":{"name":"g","z":1}}]`), []string{"tools[1]", "tools[2].function.z"}},
		{"a choice", with(`"tools":[{"type":"code"}],"tool_choice":"required"`), []string{"tools[0]"}},
		{"a named tool", with(`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}`), nil},
		{"a format", with(`"response_format":{"type":"text","strict":true}`), []string{"response_format.strict"}},
		{"a name for a header", with(`"a\r\nb,\u00e9":1`), []string{"a??b???"}},
		{"a long name", with(`"` + strings.Repeat("n", 500) + `":1`), []string{strings.Repeat("n", maxMemberName)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _, err := ParseRequest([]byte(tt.body))
			if err != nil || !slices.Equal(r.Unexpressed(), tt.want) {
				t.Fatalf("got %q, %v; want %q", r.Unexpressed(), err, tt.want)
			}
		})
	}
	var many []string
	for range 300 {
		many = append(many, `"x`+strings.Repeat("y", len(many))+`":1`)
	}
	if r, _, err := ParseRequest([]byte(with(strings.Join(many, ",")))); err != nil || len(r.Unexpressed()) != MaxUnexpressed {
		t.Errorf("%d unexpressed, %v", len(r.Unexpressed()), err)
	}
}

func TestCachePointsAndSources(t *testing.T) {
	_, c, err := ParseRequest([]byte(`{"model":"m","messages":[
		{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b","cache_control":null}]},
		{"role":"assistant","content":"c","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	parts := c.GetMessages()[0].GetParts()
	if len(parts) != 3 || parts[1].GetCachePoint().GetTtl() != "1h" || len(c.GetMessages()[1].GetParts()[0].GetText().GetCitations()) != 1 {
		t.Errorf("got %v", c)
	}
}

func TestRenderFor(t *testing.T) {
	const messages = `"messages":[{"role":"user","content":"a"}]`
	const body = `{"model":"m",` + messages
	limit := &llmv1.Sampling{MaxOutputTokens: proto.Int64(9), Temperature: proto.Float64(0.5), Stop: []string{"\n"}}
	tests := []struct {
		name, body string
		to         provider.Request
		stream     bool
		quirks     provider.Quirks
		want       string
	}{
		{
			"defaults", body + `}`,
			provider.Request{Defaults: limit},
			false,
			provider.Quirks{},
			`{"temperature":0.5,"max_completion_tokens":9,"stop":["\n"],` + body[1:] + `}`,
		},
		{
			"defaults beside the client's", body + `,"max_tokens":3,"temperature":null,"stop":"x"}`,
			provider.Request{Defaults: limit},
			false,
			provider.Quirks{},
			body + `,"max_tokens":3,"temperature":0.5,"stop":"x"}`,
		},
		{
			"an old limit", body + `,"max_completion_tokens" : 3}`,
			provider.Request{Defaults: &llmv1.Sampling{MaxOutputTokens: proto.Int64(9)}},
			false,
			provider.Quirks{MaxTokens: "max_tokens"},
			body + `,"max_tokens":3}`,
		},
		{"a new limit", body + `,"max_tokens":3}`, provider.Request{}, false, provider.Quirks{MaxTokens: "max_completion_tokens"}, body + `,"max_completion_tokens":3}`},
		{"both limits", body + `,"max_tokens":3,"max_completion_tokens":4}`, provider.Request{}, false, provider.Quirks{MaxTokens: "max_tokens"}, body + `,"max_tokens":3}`},
		{
			"instructions", body + `}`,
			provider.Request{Instructions: "Be \"kind\"."},
			false,
			provider.Quirks{SystemRole: "developer"},
			`{"model":"m","messages":[{"role":"developer","content":"Be \"kind\"."},{"role":"user","content":"a"}]}`,
		},
		{
			"instructions and a mask", body + `}`,
			provider.Request{Instructions: "I", Context: "C", Revisions: map[int]string{0: "b"}},
			false,
			provider.Quirks{},
			`{"model":"m","messages":[{"role":"system","content":"I"},{"role":"user","content":"C\n\nb"}]}`,
		},
		{
			"no stream options", body + `, "stream":true , "stream_options":{"include_usage":false}}`,
			provider.Request{},
			true,
			provider.Quirks{NoStreamOptions: true},
			body + `, "stream":true }`,
		},
		{"no stream options to add", body + `}`, provider.Request{}, true, provider.Quirks{NoStreamOptions: true}, `{"stream":true,` + body[1:] + `}`},
		{
			"thinking", `{"model":"m","messages":[{"role":"assistant","content":"a", "reasoning":"t","reasoning_details":[{"text":"t"}]},` +
				`{"reasoning_content":"u","role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":""},"extra_content":{"x":1}}]}]}`,
			provider.Request{Revisions: map[int]string{0: "masked", 1: "b"}},
			false,
			provider.Quirks{Thinking: NoThinking},
			`{"model":"m","messages":[{"role":"assistant","content":"b"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":""}}]}]}`,
		},
		{"members dropped", `{"user":"u","n":1,"model":"m","seed":1,` + messages + ` ,"top_p":1, "stop":null }`, provider.Request{}, false, provider.Quirks{Drop: []string{"user", "n", "seed", "top_p", "stop", "model"}}, `{"model":"m",` + messages + `  }`},
		{"all behind", body + ` , "user":"u" , "n":1 }`, provider.Request{}, false, provider.Quirks{Drop: []string{"n", "user"}}, body + `  }`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, c, err := ParseRequest([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.to.Conversation = c
			got, err := r.RenderFor(&tt.to, tt.stream, tt.quirks)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestEncodeFor(t *testing.T) {
	c := &llmv1.Conversation{
		Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{newText("s")}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{signed("t", "S"), newText("a")}},
		},
		Sampling:  &llmv1.Sampling{MaxOutputTokens: proto.Int64(3)},
		Reasoning: &llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_XHIGH},
	}
	tests := []struct {
		quirks provider.Quirks
		want   string
	}{
		{
			provider.Quirks{},
			`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"assistant","content":"a"}],"max_completion_tokens":3,"reasoning_effort":"xhigh","stream":true,"stream_options":{"include_usage":true}}`,
		},
		{
			provider.Quirks{MaxTokens: "max_tokens", NoStreamOptions: true, SystemRole: "developer", Reasoning: "reasoning", Thinking: "reasoning_details"},
			`{"model":"m","messages":[{"role":"developer","content":"s"},{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","index":0,"text":"t","signature":"S"}]}],` +
				`"max_tokens":3,"reasoning":{"effort":"xhigh"},"stream":true}`,
		},
	}
	for _, tt := range tests {
		got, err := EncodeFor(&provider.Request{Conversation: c, Model: "m"}, true, tt.quirks)
		if err != nil || string(got) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
		}
	}
}

func requestFor(c *llmv1.Conversation, model string) *provider.Request {
	return &provider.Request{Conversation: c, Model: model}
}
