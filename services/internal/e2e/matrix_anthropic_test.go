package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func anthropicMessages(d *deployment) sdk {
	client := anthropic.NewClient(option.WithBaseURL(d.url+"/anthropic"), option.WithAPIKey(d.key), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: tap{http.DefaultTransport}}))
	return sdk{
		name: "anthropic messages",
		status: func(err error) int {
			var e *anthropic.Error
			if !errors.As(err, &e) {
				return 0
			}
			return e.StatusCode
		},
		ask: func(ctx context.Context, model string, q question) (*outcome, error) {
			p := messageParams(model, q)
			if !q.stream {
				got, err := client.Messages.New(ctx, p)
				if err != nil {
					return nil, err
				}
				return messageOutcome(got), nil
			}
			stream := client.Messages.NewStreaming(ctx, p)
			defer stream.Close()
			var sum anthropic.Message
			for stream.Next() {
				if err := sum.Accumulate(stream.Current()); err != nil {
					return nil, err
				}
			}
			if err := stream.Err(); err != nil {
				return nil, err
			}
			if sum.StopReason == "" {
				return nil, errors.New("the stream ended without a stop reason")
			}
			return messageOutcome(&sum), nil
		},
	}
}

func messageParams(model string, q question) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: model, MaxTokens: 4096}
	user := []anthropic.ContentBlockParamUnion{anthropic.NewTextBlock(q.text)}
	if q.image != nil {
		user = append([]anthropic.ContentBlockParamUnion{
			anthropic.NewImageBlockBase64("image/png", base64.StdEncoding.EncodeToString(q.image)),
		}, user...)
	}
	p.Messages = append(p.Messages, anthropic.NewUserMessage(user...))
	for _, t := range q.before {
		p.Messages = append(p.Messages, t.raw.(anthropic.MessageParam))
		var next []anthropic.ContentBlockParamUnion
		for i, result := range t.results {
			next = append(next, anthropic.NewToolResultBlock(t.Calls[i].ID, result, false))
		}
		if t.then != "" {
			next = append(next, anthropic.NewTextBlock(t.then))
		}
		p.Messages = append(p.Messages, anthropic.NewUserMessage(next...))
	}
	if q.tools {
		for _, name := range []string{"f", "g"} {
			p.Tools = append(p.Tools, anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
				Properties: citySchema["properties"], Required: []string{"city"},
			}, name))
		}
	}
	if q.schema {
		p.OutputConfig.Format.Schema = answerSchema
	}
	if q.thinking {
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	}
	return p
}

func messageOutcome(m *anthropic.Message) *outcome {
	out := &outcome{raw: m.ToParam()}
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			out.Text += b.Text
		case "thinking":
			out.Thinking += b.Thinking
		case "tool_use":
			out.Calls = append(out.Calls, call{b.ID, b.Name, string(b.Input)})
		}
	}
	return out
}
