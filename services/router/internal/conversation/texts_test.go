package conversation

import (
	"slices"
	"testing"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func text(s string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}
}

func whole() *llmv1.Conversation {
	return &llmv1.Conversation{Messages: []*llmv1.Message{
		{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{text("rules")}},
		{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
			text("question"), {Content: &llmv1.Part_Image{Image: &llmv1.Image{}}}, text("more"),
		}},
		{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
			{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: "thought"}}},
			{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Arguments: `{"a":1}`}}},
		}},
		{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{
			{Content: &llmv1.Part_ToolResult{ToolResult: &llmv1.ToolResult{Parts: []*llmv1.Part{text("result")}}}},
		}},
	}}
}

func TestTexts(t *testing.T) {
	type seen struct {
		kind guardrailv1.ContentKind
		text string
	}
	var got []seen
	for _, x := range Texts(whole()) {
		got = append(got, seen{x.Kind, *x.Value})
	}
	want := []seen{
		{guardrailv1.ContentKind_CONTENT_KIND_INSTRUCTIONS, "rules"},
		{guardrailv1.ContentKind_CONTENT_KIND_TEXT, "question"},
		{guardrailv1.ContentKind_CONTENT_KIND_TEXT, "more"},
		{guardrailv1.ContentKind_CONTENT_KIND_TEXT, "thought"},
		{guardrailv1.ContentKind_CONTENT_KIND_JSON, `{"a":1}`},
		{guardrailv1.ContentKind_CONTENT_KIND_TOOL_RESULT, "result"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestReviseReachesEveryText(t *testing.T) {
	c := whole()
	revisions := map[int]string{}
	for i := range Texts(c) {
		revisions[i] = string(rune('a' + i))
	}
	Revise(c, revisions)
	for i, x := range Texts(c) {
		if *x.Value != revisions[i] {
			t.Errorf("text %d is %q, want %q", i, *x.Value, revisions[i])
		}
	}
}
