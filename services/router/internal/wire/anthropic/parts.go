package anthropic

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

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

func newThinking(text, signature string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: text, Signature: signature}}}
}

// newRedacted keeps the data as the text that it is: only its provider reads it.
func newRedacted(data string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte(data)}}}
}

func newToolCall(id, name, arguments string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: name, Arguments: arguments}}}
}

func newCachePoint(ttl string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{Ttl: ttl}}}
}

// rawArguments is the member that holds arguments which are no JSON object.
const rawArguments = "raw_arguments"

// object returns a call's arguments as the JSON object that the format wants,
// byte for byte if they are one. A model that wrote none called with none; what
// is no object is kept as a text in one.
func object(arguments string) string {
	switch trimmed := strings.TrimSpace(arguments); {
	case trimmed == "":
		return "{}"
	case trimmed[0] == '{' && valid(trimmed):
		return trimmed
	default:
		out := append(make([]byte, 0, len(arguments)+len(rawArguments)+8), `{"`+rawArguments+`":`...)
		return string(append(jsonscan.AppendString(out, arguments), '}'))
	}
}

// valid says whether a text is one JSON value, as deep as the parser goes.
func valid(text string) bool {
	s := jsonscan.Scanner{Data: []byte(text)}
	s.Skip()
	return s.Finish() == nil
}
