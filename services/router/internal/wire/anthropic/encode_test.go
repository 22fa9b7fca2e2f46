package anthropic

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func turn(role llmv1.Role, parts ...*llmv1.Part) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: parts}
}

const (
	system    = llmv1.Role_ROLE_SYSTEM
	user      = llmv1.Role_ROLE_USER
	assistant = llmv1.Role_ROLE_ASSISTANT
	toolRole  = llmv1.Role_ROLE_TOOL
)

// written is a request in canonical form as the format has it, without its model.
func encodedFrom(t *testing.T, model string, c *llmv1.Conversation) string {
	t.Helper()
	out, err := EncodeConversation(&provider.Request{Conversation: c, Model: model}, false)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(out), `{"model":"`+model+`","max_tokens":4096`), "}")
}

func TestEncodeMessages(t *testing.T) {
	hi := turn(user, newText("a"))
	tests := []struct {
		name     string
		messages []*llmv1.Message
		want     string
	}{
		{"plain", []*llmv1.Message{hi}, `,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`},
		{
			"instructions from everywhere",
			[]*llmv1.Message{turn(system, newText("s")), hi, turn(system, newText("t"), newCachePoint("5m"))},
			`,"system":[{"type":"text","text":"s"},{"type":"text","text":"t","cache_control":{"type":"ephemeral","ttl":"5m"}}]` +
				`,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`,
		},
		{
			"turns of one side are one",
			[]*llmv1.Message{hi, turn(user, newText("b")), turn(assistant, newText("c")), turn(assistant, newText("d"))},
			`,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},` +
				`{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]}]`,
		},
		{
			"results beside each other, ids made legal",
			[]*llmv1.Message{
				hi, turn(assistant, newText(" "), newToolCall("a.1", "f", ""), newToolCall("b", "f", `[1]`)),
				turn(toolRole, result("a.1", false)), turn(toolRole, result("b", true, newText("x"))), turn(user, newText("b")),
			},
			`,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},` +
				`{"role":"assistant","content":[{"type":"tool_use","id":"a_1","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{"raw_arguments":"[1]"}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"a_1"},{"type":"tool_result","tool_use_id":"b","is_error":true,"content":[{"type":"text","text":"x"}]},{"type":"text","text":"b"}]}]`,
		},
		{
			"nothing to send",
			[]*llmv1.Message{hi, turn(assistant, newText(""), newThinking("unsigned", "")), turn(user, newText("b"))},
			`,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`,
		},
		{
			"a text document",
			[]*llmv1.Message{turn(user, document("D", blob("text/markdown", '#')))},
			`,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"#"},"title":"D"}]}]`,
		},
		{
			"four marks",
			[]*llmv1.Message{turn(user, newCachePoint(""), newText("a"), newCachePoint(""), newCachePoint(""), newText("b"), newCachePoint(""), newText("c"),
				newCachePoint(""), newText("d"), newCachePoint("")), turn(assistant, newThinking("t", "s"), newCachePoint("")), turn(user, newText("e"), newCachePoint("1h"))},
			`,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}},` +
				`{"type":"text","text":"c","cache_control":{"type":"ephemeral"}},{"type":"text","text":"d","cache_control":{"type":"ephemeral"}}]},` +
				`{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]},{"role":"user","content":[{"type":"text","text":"e","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := encodedFrom(t, "m", &llmv1.Conversation{Messages: tt.messages}); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// How much to think is said in the terms of each model.
func TestEncodeReasoning(t *testing.T) {
	effort := func(e llmv1.Reasoning_Effort) *llmv1.Reasoning { return &llmv1.Reasoning{Effort: e} }
	const low, high, none = llmv1.Reasoning_EFFORT_LOW, llmv1.Reasoning_EFFORT_HIGH, llmv1.Reasoning_EFFORT_NONE
	for _, tt := range []struct {
		model string
		r     *llmv1.Reasoning
		limit int64
		want  string
	}{
		{"claude-sonnet-4-5-20250929", effort(low), 0, `"max_tokens":5120|,"thinking":{"type":"enabled","budget_tokens":1024}`},
		{"claude-sonnet-4-5", effort(high), 8000, `"max_tokens":8000|,"thinking":{"type":"enabled","budget_tokens":4000}`},
		{"us.anthropic.claude-opus-4-1-20250805-v1:0", &llmv1.Reasoning{BudgetTokens: proto.Int64(5)}, 8000, `"max_tokens":8000|,"thinking":{"type":"enabled","budget_tokens":1024}`},
		{"claude-3-7-sonnet-latest", effort(none), 0, `"max_tokens":4096|,"thinking":{"type":"disabled"}`},
		{"claude-haiku-4-5", &llmv1.Reasoning{IncludeThinking: true}, 0, `"max_tokens":4096|`},
		{"claude-opus-4-6", effort(high), 0, `"max_tokens":4096|,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`},
		{"claude-opus-4-6", &llmv1.Reasoning{BudgetTokens: proto.Int64(2000)}, 0, `"max_tokens":6096|,"thinking":{"type":"enabled","budget_tokens":2000}`},
		{"claude-opus-5", &llmv1.Reasoning{IncludeThinking: true}, 0, `"max_tokens":4096|,"thinking":{"type":"adaptive","display":"summarized"}`},
		{"claude-opus-4-7", effort(llmv1.Reasoning_EFFORT_XHIGH), 10, `"max_tokens":10|,"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}`},
	} {
		c := &llmv1.Conversation{Messages: []*llmv1.Message{turn(user, newText("a"))}, Reasoning: tt.r}
		if tt.limit > 0 {
			c.Sampling = &llmv1.Sampling{MaxOutputTokens: &tt.limit}
		}
		out, err := EncodeConversation(&provider.Request{Conversation: c, Model: tt.model}, false)
		if err != nil {
			t.Fatal(err)
		}
		limit, rest, _ := strings.Cut(tt.want, "|")
		if !strings.Contains(string(out), limit) || !strings.HasSuffix(string(out), `}]}]`+rest+`}`) {
			t.Errorf("%s, %v: got %s", tt.model, tt.r, out)
		}
	}
	// Within a loop of tools that another provider began, there is no budget.
	loop := &llmv1.Conversation{Reasoning: effort(high), Messages: []*llmv1.Message{
		turn(user, newText("a")), turn(assistant, newToolCall("c", "f", "{}")), turn(toolRole, result("c", false)),
	}}
	if got := encodedFrom(t, "claude-sonnet-4-5", loop); strings.Contains(got, "budget_tokens") {
		t.Errorf("got %s", got)
	}
	loop.Messages[1].Parts = append([]*llmv1.Part{newThinking("t", "s")}, loop.Messages[1].Parts...)
	if out, err := EncodeConversation(&provider.Request{Conversation: loop, Model: "claude-sonnet-4-5"}, false); err != nil || !strings.Contains(string(out), "budget_tokens") {
		t.Errorf("got %s, %v", out, err)
	}
}

// A schema is closed where it leaves that open, and only there.
func TestEncodeSchema(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"object","properties":{"type":{"type":"object"},"a":{"items":[{"type": "object"}]}}}`: `{"additionalProperties":false,"type":"object","properties":{"type":{"additionalProperties":false,"type":"object"},"a":{"items":[{"additionalProperties":false,"type": "object"}]}}}`,
		`{"type":"object","additionalProperties":{"type":"object"}}`:                                   `{"type":"object","additionalProperties":{"additionalProperties":false,"type":"object"}}`,
		`{"enum":[{"type":"object"}],"type":"string"}`:                                                 `{"enum":[{"type":"object"}],"type":"string"}`,
		`true`: `true`,
	} {
		if got := closed(schema); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	c := func(change func(*llmv1.Conversation)) *llmv1.Conversation {
		out := &llmv1.Conversation{Messages: []*llmv1.Message{turn(user, newText("a"))}}
		change(out)
		return out
	}
	for name, asked := range map[string]*llmv1.Conversation{
		"seed": c(func(c *llmv1.Conversation) { c.Sampling = &llmv1.Sampling{Seed: proto.Int64(1)} }),
		"audio": c(func(c *llmv1.Conversation) {
			c.Messages[0].Parts = []*llmv1.Part{{Content: &llmv1.Part_Audio{Audio: &llmv1.Audio{}}}}
		}),
		"s3": c(func(c *llmv1.Conversation) {
			c.Messages[0].Parts = []*llmv1.Part{image(&llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: "s3://a/b"}})}
		}),
		"json object": c(func(c *llmv1.Conversation) {
			c.ResponseFormat = &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{JsonObject: &llmv1.ResponseFormat_JsonObject{}}}
		}),
		"schema": c(func(c *llmv1.Conversation) { c.Tools = []*llmv1.Tool{{Name: "a", Parameters: `{`}} }),
		"instructions": c(func(c *llmv1.Conversation) {
			c.Messages[0].Role = system
			c.Messages[0].Parts = []*llmv1.Part{image(blob("image/png", 1))}
		}),
		"no room to think": c(func(c *llmv1.Conversation) {
			c.Reasoning, c.Sampling = &llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_LOW}, &llmv1.Sampling{MaxOutputTokens: proto.Int64(100)}
		}),
	} {
		out, err := EncodeConversation(&provider.Request{Conversation: asked, Model: "claude-sonnet-4-5"}, false)
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
			t.Errorf("%s: got %s, %v", name, out, err)
		}
	}
}
