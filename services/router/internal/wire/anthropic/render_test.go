package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestRender(t *testing.T) {
	const head = `{"model":"m", "max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"user","content":`
	call := `[{"type":"tool_use","id":"c","name":"f","input":{"a":1}}]`
	tests := []struct {
		name, body string
		to         provider.Request
		stream     bool
		want       string
	}{
		{"untouched", head + `"b"}] , "x":1 }`, provider.Request{Model: "m"}, false, head + `"b"}] , "x":1 }`},
		{
			"all at once", head + `"b\n"}]}`,
			provider.Request{
				Model: "up\"", Revisions: map[int]string{1: "<b>\n", 0: ""}, Context: "C\"1", Instructions: "I\"",
				Defaults: &llmv1.Sampling{Temperature: proto.Float64(0.25), TopK: proto.Int32(3), Stop: []string{"\""}},
			},
			true,
			`{"system":"I\"","temperature":0.25,"top_k":3,"stop_sequences":["\""],"stream":true,` +
				`"model":"up\"", "max_tokens":9,"messages":[{"role":"user","content":""},{"role":"user","content":"C\"1\n\n<b>\n"}]}`,
		},
		{
			"context before blocks", head + `[{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]}`,
			provider.Request{Context: "C"},
			false,
			head + `[{"type":"text","text":"C"},{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]}`,
		},
		{"context in no blocks", head + `[]}]}`, provider.Request{Context: "C"}, false, head + `[{"type":"text","text":"C"}]}]}`},
		{
			"context behind results", head + `[{"type":"tool_result","tool_use_id":"c","content":"r"},{"type":"text","text":"b"}]}]}`,
			provider.Request{Context: "C"},
			false,
			head + `[{"type":"tool_result","tool_use_id":"c","content":"r"},{"type":"text","text":"C"},{"type":"text","text":"b"}]}]}`,
		},
		{
			"context where results come last", head + `[{"type":"tool_result","tool_use_id":"c","content":"r"}]}]}`,
			provider.Request{Context: "C"},
			false,
			strings.Replace(head, `"a"`, `"C\n\na"`, 1) + `[{"type":"tool_result","tool_use_id":"c","content":"r"}]}]}`,
		},
		{
			"context without a user", `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":"s"} ]}`,
			provider.Request{Context: "C"},
			false,
			`{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":"s"} ,{"role":"user","content":"C"}]}`,
		},
		{
			"arguments", head + `"b"},{"role":"assistant","content":` + call + `}]}`,
			provider.Request{Revisions: map[int]string{2: `{"a":"*"}`}},
			false,
			head + `"b"},{"role":"assistant","content":` + strings.Replace(call, `{"a":1}`, `{"a":"*"}`, 1) + `}]}`,
		},
		{
			"arguments that are no object", head + `"b"},{"role":"assistant","content":` + call + `}]}`,
			provider.Request{Revisions: map[int]string{2: `{"a":*}`}},
			false,
			head + `"b"},{"role":"assistant","content":` + strings.Replace(call, `{"a":1}`, `{"raw_arguments":"{\"a\":*}"}`, 1) + `}]}`,
		},
		{
			"instructions before a text", head + `"b"}],"system":"S\n"}`,
			provider.Request{Instructions: "I", Revisions: map[int]string{0: "T"}},
			false,
			head + `"b"}],"system":[{"type":"text","text":"I"},{"type":"text","text":"T"}]}`,
		},
		{"instructions for an empty text", head + `"b"}],"system":""}`, provider.Request{Instructions: "I"}, false, head + `"b"}],"system":"I"}`},
		{"instructions for null", head + `"b"}],"system":null}`, provider.Request{Instructions: "I"}, false, head + `"b"}],"system":"I"}`},
		{"instructions for no blocks", head + `"b"}],"system":[ ]}`, provider.Request{Instructions: "I"}, false, head + `"b"}],"system":[{"type":"text","text":"I"} ]}`},
		{
			"instructions before blocks", head + `"b"}],"system":[{"type":"text","text":"S"}]}`,
			provider.Request{Instructions: "I"},
			false,
			head + `"b"}],"system":[{"type":"text","text":"I"},{"type":"text","text":"S"}]}`,
		},
		{
			"nulls", head + `"b"}],"stream":null,"temperature":null,"top_p":null}`,
			provider.Request{Defaults: &llmv1.Sampling{Temperature: proto.Float64(1), MaxOutputTokens: nil}},
			true,
			head + `"b"}],"stream":true,"temperature":1,"top_p":null}`,
		},
		{
			"thinking of others", head + `"b"},{"role":"assistant","content":[{"type":"thinking","thinking":"x"} , {"type":"thinking","thinking":"y","signature":""},` +
				`{"type":"thinking","thinking":"z","signature":"s"},{"type":"text","text":"c"}, {"type":"thinking","thinking":"e"} ]}]}`,
			provider.Request{Revisions: map[int]string{2: "X", 4: "Z"}},
			false,
			head + `"b"},{"role":"assistant","content":[{"type":"thinking","thinking":"Z","signature":"s"},{"type":"text","text":"c"} ]}]}`,
		},
		{"nothing but thinking", head + `[{"type":"thinking","thinking":"x"}]}]}`, provider.Request{}, false, head + `[{"type":"thinking","thinking":"x"}]}]}`},
		{"stream answered whole", head + `"b"}],"stream":true}`, provider.Request{}, false, head + `"b"}],"stream":false}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, c, err := ParseRequest([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.to.Conversation = c
			out, err := r.Render(&tt.to, tt.stream)
			if err != nil || !json.Valid(out) {
				t.Fatalf("%v: %s", err, out)
			}
			if want := strings.ReplaceAll(tt.want, "\n", `\n`); string(out) != want {
				t.Errorf("got  %s\nwant %s", out, want)
			}
		})
	}
	r, c, _ := ParseRequest([]byte(head + `"b"}]}`))
	if _, err := r.Render(&provider.Request{Conversation: c, Revisions: map[int]string{9: "x"}}, false); err == nil {
		t.Error("a revision of a text that is not there was accepted")
	}
}

// The canonical form puts context and instructions where the native one does.
func TestRenderIsCanonical(t *testing.T) {
	for _, name := range []string{"full", "plain", "expressible"} {
		r, c, err := ParseRequest(golden(t, "requests/"+name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		to := &provider.Request{
			Conversation: conversation.WithInstructions(c, "I"), Instructions: "I", Context: "C", Model: "claude-sonnet-4-5",
			Revisions: map[int]string{0: "first"},
		}
		conversation.Revise(c, to.Revisions)
		rendered, err := r.Render(to, false)
		if err != nil {
			t.Fatal(err)
		}
		_, read, err := ParseRequest(rendered)
		if err != nil {
			t.Fatal(err)
		}
		got, err := EncodeConversation(&provider.Request{Conversation: read, Model: to.Model}, false)
		if err != nil {
			t.Fatal(err)
		}
		want, err := EncodeConversation(to, false)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// The same request in the envelopes that the format has.
func TestEnvelopes(t *testing.T) {
	const rest = `"max_tokens":9,"messages":[{"role":"user","content":"a"}]`
	direct := `{"model":"m","stream":true,` + rest + `,"temperature":0.5}`
	invoke := `{"anthropic_version":"bedrock-2023-05-31",` + rest + `,"anthropic_beta":["x"],"x":1}`

	r, c, err := ParseInvoke([]byte(invoke), "anthropic.claude", true)
	if err != nil || c.GetModel() != "anthropic.claude" || !r.Stream() {
		t.Fatalf("got %v, %v", c, err)
	}
	to := &provider.Request{Conversation: c, Model: "up"}
	if out, err := r.RenderInvoke(to); err != nil || string(out) != invoke {
		t.Errorf("invoke to invoke: %s, %v", out, err)
	}
	if out, err := r.Render(to, true); err != nil || string(out) != `{"stream":true,"model":"up",`+rest+`,"x":1}` && string(out) != `{"model":"up","stream":true,`+rest+`,"x":1}` {
		t.Errorf("invoke to direct: %s, %v", out, err)
	}
	if r, c, err = ParseRequest([]byte(direct)); err != nil {
		t.Fatal(err)
	}
	to = &provider.Request{Conversation: c, Model: "up", Context: "C"}
	want := `{"anthropic_version":"bedrock-2023-05-31",` + strings.Replace(rest, `"a"`, `"C\n\na"`, 1) + `,"temperature":0.5}`
	if out, err := r.RenderInvoke(to); err != nil || string(out) != want {
		t.Errorf("direct to invoke: %s, %v", out, err)
	}
	to.Context = ""
	if out, err := r.RenderCount(to); err != nil || string(out) != `{"model":"up","messages":[{"role":"user","content":"a"}]}` {
		t.Errorf("count: %s, %v", out, err)
	}
	if out, err := EncodeInvoke(to); err != nil || string(out) != `{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"temperature":0.5,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}` {
		t.Errorf("encoded to invoke: %s, %v", out, err)
	}
	if out, err := EncodeCount(to); err != nil || string(out) != `{"model":"up","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}` {
		t.Errorf("encoded to count: %s, %v", out, err)
	}
	if _, _, err := ParseCount([]byte(`{"model":"m","messages":[{"role":"user","content":"a"}]}`)); err != nil {
		t.Error(err)
	}
	for _, member := range []string{"", `"model":"other",`, `"stream":true,`} {
		model := "m"
		if member == "" {
			model = ""
		}
		if _, _, err := ParseInvoke([]byte("{"+member+invoke[1:]), model, true); err == nil {
			t.Errorf("%s was accepted beside %q", member, model)
		}
	}
}
