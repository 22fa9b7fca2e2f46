package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
)

// citySchema is the schema of the tools' arguments.
var citySchema = map[string]any{
	"type": "object", "required": []string{"city"}, "additionalProperties": false,
	"properties": map[string]any{"city": map[string]any{"type": "string"}},
}

// answerSchema is the schema of a structured answer.
var answerSchema = map[string]any{
	"type": "object", "required": []string{"a"}, "additionalProperties": false,
	"properties": map[string]any{"a": map[string]any{"type": "string", "enum": []string{"one", "two"}}},
}

func dataURL(image []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(image)
}

func openaiClient(d *deployment) openai.Client {
	return openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey(d.key), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: tap{http.DefaultTransport}}))
}

func openaiStatus(err error) int {
	var e *openai.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.StatusCode
}

func openaiChat(d *deployment) sdk {
	client := openaiClient(d)
	return sdk{name: "openai chat", status: openaiStatus, ask: func(ctx context.Context, model string, q question) (*outcome, error) {
		p := chatParams(model, q)
		if q.stream {
			return chatStreamed(ctx, &client, p)
		}
		got, err := client.Chat.Completions.New(ctx, p)
		if err != nil {
			return nil, err
		}
		out, err := chatOutcome([]byte(got.Choices[0].Message.RawJSON()))
		if err == nil && len(got.Choices) > 1 {
			out.Second = got.Choices[1].Message.Content
		}
		return out, err
	}}
}

func chatParams(model string, q question) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: model}
	user := openai.UserMessage(q.text)
	if q.image != nil {
		user = openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: dataURL(q.image)}),
			openai.TextContentPart(q.text),
		})
	}
	p.Messages = append(p.Messages, user)
	for _, t := range q.before {
		answered := param.Override[openai.ChatCompletionAssistantMessageParam](t.raw.(json.RawMessage))
		p.Messages = append(p.Messages, openai.ChatCompletionMessageParamUnion{OfAssistant: &answered})
		for i, result := range t.results {
			p.Messages = append(p.Messages, openai.ToolMessage(result, t.Calls[i].ID))
		}
		if t.then != "" {
			p.Messages = append(p.Messages, openai.UserMessage(t.then))
		}
	}
	if q.tools {
		for _, name := range []string{"f", "g"} {
			p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Parameters: citySchema}))
		}
	}
	if q.schema {
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "answer", Strict: openai.Bool(true), Schema: answerSchema,
		}}
	}
	if q.two {
		p.N = openai.Int(2)
	}
	if q.thinking {
		p.ReasoningEffort = shared.ReasoningEffortMedium
	}
	return p
}

// chatMessage is a message with what the SDK's types do not have.
type chatMessage struct {
	Role             string            `json:"role"`
	Content          string            `json:"content"`
	ReasoningContent string            `json:"reasoning_content,omitempty"`
	ReasoningDetails []json.RawMessage `json:"reasoning_details,omitempty"`
	ToolCalls        []chatCall        `json:"tool_calls,omitempty"`
}

type chatCall struct {
	Index    int             `json:"index"`
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Extra    json.RawMessage `json:"extra_content,omitempty"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func chatOutcome(raw []byte) (*outcome, error) {
	var m chatMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	out := &outcome{Text: m.Content, Thinking: m.ReasoningContent, raw: json.RawMessage(raw)}
	for _, c := range m.ToolCalls {
		out.Calls = append(out.Calls, call{c.ID, c.Function.Name, c.Function.Arguments})
	}
	return out, nil
}

// chatStreamed adds up a stream, and checks that the SDK's own accumulator
// takes each of its chunks.
func chatStreamed(ctx context.Context, client *openai.Client, p openai.ChatCompletionNewParams) (*outcome, error) {
	stream := client.Chat.Completions.NewStreaming(ctx, p)
	defer stream.Close()
	sum := chatMessage{Role: "assistant"}
	var accumulated openai.ChatCompletionAccumulator
	for stream.Next() {
		chunk := stream.Current()
		if !accumulated.AddChunk(chunk) {
			return nil, errors.New("the SDK cannot add " + chunk.RawJSON())
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		var delta chatMessage
		if err := json.Unmarshal([]byte(chunk.Choices[0].Delta.RawJSON()), &delta); err != nil {
			return nil, err
		}
		sum.ReasoningContent += delta.ReasoningContent
		sum.ReasoningDetails = append(sum.ReasoningDetails, delta.ReasoningDetails...)
		for _, c := range delta.ToolCalls {
			for len(sum.ToolCalls) <= c.Index {
				sum.ToolCalls = append(sum.ToolCalls, c)
				sum.ToolCalls[c.Index].Function.Arguments = ""
			}
			sum.ToolCalls[c.Index].Function.Arguments += c.Function.Arguments
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if len(accumulated.Choices) == 0 || accumulated.Choices[0].FinishReason == "" {
		return nil, errors.New("the stream ended without a finish reason")
	}
	sum.Content = accumulated.Choices[0].Message.Content
	raw, err := json.Marshal(sum)
	if err != nil {
		return nil, err
	}
	out, err := chatOutcome(raw)
	if err == nil && len(accumulated.Choices) > 1 {
		out.Second = accumulated.Choices[1].Message.Content
	}
	return out, err
}
