package gemini

import llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"

// newText makes a text part in one allocation.
func newText(text string) *llmv1.Part {
	n := &struct {
		part    llmv1.Part
		content llmv1.Part_Text
		text    llmv1.Text
	}{}
	n.text.Text, n.content.Text, n.part.Content = text, &n.text, &n.content
	return &n.part
}

func newThinking(text string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: text}}}
}

func newCall(id, name, arguments string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: name, Arguments: arguments}}}
}
