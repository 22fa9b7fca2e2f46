package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

func bedrockClient(d *deployment) *bedrockruntime.Client {
	made := d.newAWSKey(&accountv1.Key{DisplayName: "matrix"})
	return bedrockruntime.New(bedrockruntime.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(d.url + "/bedrock"), RetryMaxAttempts: 1,
		HTTPClient:  awstest.Over(tap{http.DefaultTransport}),
		Credentials: credentials.NewStaticCredentialsProvider(made.GetAwsAccessKeyId(), made.GetAwsSecretAccessKey(), ""),
	})
}

func bedrockConverse(d *deployment) sdk {
	client := bedrockClient(d)
	return sdk{
		name: "bedrock converse",
		status: func(err error) int {
			var e *awshttp.ResponseError
			if !errors.As(err, &e) {
				return 0
			}
			return e.HTTPStatusCode()
		},
		ask: func(ctx context.Context, model string, q question) (*outcome, error) {
			p := converseParams(model, q)
			if q.stream {
				return converseStreamed(ctx, client, p)
			}
			got, err := client.Converse(ctx, p)
			if err != nil {
				return nil, err
			}
			message, ok := got.Output.(*types.ConverseOutputMemberMessage)
			if !ok {
				return nil, errors.New("the answer has no message")
			}
			return converseOutcome(message.Value)
		},
	}
}

func converseParams(model string, q question) *bedrockruntime.ConverseInput {
	user := []types.ContentBlock{&types.ContentBlockMemberText{Value: q.text}}
	if q.image != nil {
		user = append(user, &types.ContentBlockMemberImage{Value: types.ImageBlock{
			Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: q.image},
		}})
	}
	p := &bedrockruntime.ConverseInput{ModelId: aws.String(model), Messages: []types.Message{{Role: types.ConversationRoleUser, Content: user}}}
	for _, t := range q.before {
		p.Messages = append(p.Messages, t.raw.(types.Message))
		var next []types.ContentBlock
		for i, result := range t.results {
			next = append(next, &types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
				ToolUseId: aws.String(t.Calls[i].ID), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: result}},
			}})
		}
		if t.then != "" {
			next = append(next, &types.ContentBlockMemberText{Value: t.then})
		}
		p.Messages = append(p.Messages, types.Message{Role: types.ConversationRoleUser, Content: next})
	}
	if q.tools {
		p.ToolConfig = &types.ToolConfiguration{}
		for _, name := range []string{"f", "g"} {
			p.ToolConfig.Tools = append(p.ToolConfig.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{
				Name: aws.String(name), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(citySchema)},
			}})
		}
	}
	if q.schema {
		schema, _ := json.Marshal(answerSchema)
		p.OutputConfig = &types.OutputConfig{TextFormat: &types.OutputFormat{
			Type: types.OutputFormatTypeJsonSchema,
			Structure: &types.OutputFormatStructureMemberJsonSchema{Value: types.JsonSchemaDefinition{
				Name: aws.String("answer"), Schema: aws.String(string(schema)),
			}},
		}}
	}
	if q.thinking {
		p.InferenceConfig = &types.InferenceConfiguration{MaxTokens: aws.Int32(4096)}
		p.AdditionalModelRequestFields = document.NewLazyDocument(map[string]any{
			"thinking": map[string]any{"type": "enabled", "budget_tokens": 1024},
		})
	}
	return p
}

func converseOutcome(m types.Message) (*outcome, error) {
	out := &outcome{raw: m}
	for _, block := range m.Content {
		switch b := block.(type) {
		case *types.ContentBlockMemberText:
			out.Text += b.Value
		case *types.ContentBlockMemberReasoningContent:
			if text, ok := b.Value.(*types.ReasoningContentBlockMemberReasoningText); ok {
				out.Thinking += aws.ToString(text.Value.Text)
			}
		case *types.ContentBlockMemberToolUse:
			var input any
			if err := b.Value.Input.UnmarshalSmithyDocument(&input); err != nil {
				return nil, err
			}
			arguments, err := json.Marshal(input)
			if err != nil {
				return nil, err
			}
			out.Calls = append(out.Calls, call{aws.ToString(b.Value.ToolUseId), aws.ToString(b.Value.Name), string(arguments)})
		}
	}
	return out, nil
}

// converseStreamed adds up a stream into the blocks of a message.
func converseStreamed(ctx context.Context, client *bedrockruntime.Client, p *bedrockruntime.ConverseInput) (*outcome, error) {
	got, err := client.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
		ModelId: p.ModelId, Messages: p.Messages, ToolConfig: p.ToolConfig, OutputConfig: p.OutputConfig,
		InferenceConfig: p.InferenceConfig, AdditionalModelRequestFields: p.AdditionalModelRequestFields,
	})
	if err != nil {
		return nil, err
	}
	stream := got.GetStream()
	defer stream.Close()
	sum := &converseSum{blocks: map[int32]*converseBlock{}}
	for event := range stream.Events() {
		sum.add(event)
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if !sum.stopped || !sum.metered {
		return nil, errors.New("the stream ended without a stop reason or its usage")
	}
	return sum.outcome()
}

type converseBlock struct{ text, thinking, signature, id, name, input string }

type converseSum struct {
	blocks           map[int32]*converseBlock
	order            []int32
	stopped, metered bool
}

func (s *converseSum) block(index *int32) *converseBlock {
	i := aws.ToInt32(index)
	if s.blocks[i] == nil {
		s.blocks[i] = &converseBlock{}
		s.order = append(s.order, i)
	}
	return s.blocks[i]
}

func (s *converseSum) add(event types.ConverseStreamOutput) {
	switch e := event.(type) {
	case *types.ConverseStreamOutputMemberContentBlockStart:
		b := s.block(e.Value.ContentBlockIndex)
		if start, ok := e.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
			b.id, b.name = aws.ToString(start.Value.ToolUseId), aws.ToString(start.Value.Name)
		}
	case *types.ConverseStreamOutputMemberContentBlockDelta:
		b := s.block(e.Value.ContentBlockIndex)
		switch delta := e.Value.Delta.(type) {
		case *types.ContentBlockDeltaMemberText:
			b.text += delta.Value
		case *types.ContentBlockDeltaMemberToolUse:
			b.input += aws.ToString(delta.Value.Input)
		case *types.ContentBlockDeltaMemberReasoningContent:
			switch r := delta.Value.(type) {
			case *types.ReasoningContentBlockDeltaMemberText:
				b.thinking += r.Value
			case *types.ReasoningContentBlockDeltaMemberSignature:
				b.signature += r.Value
			}
		}
	case *types.ConverseStreamOutputMemberMessageStop:
		s.stopped = true
	case *types.ConverseStreamOutputMemberMetadata:
		s.metered = e.Value.Usage != nil
	}
}

func (s *converseSum) outcome() (*outcome, error) {
	m, out := types.Message{Role: types.ConversationRoleAssistant}, &outcome{}
	for _, i := range s.order {
		b := s.blocks[i]
		out.Text, out.Thinking = out.Text+b.text, out.Thinking+b.thinking
		switch {
		case b.name != "":
			var input map[string]any
			if err := json.Unmarshal([]byte(b.input), &input); err != nil {
				return nil, err
			}
			out.Calls = append(out.Calls, call{b.id, b.name, b.input})
			m.Content = append(m.Content, &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
				ToolUseId: aws.String(b.id), Name: aws.String(b.name), Input: document.NewLazyDocument(input),
			}})
		case b.thinking != "":
			block := types.ReasoningTextBlock{Text: aws.String(b.thinking)}
			if b.signature != "" {
				block.Signature = aws.String(b.signature)
			}
			m.Content = append(m.Content, &types.ContentBlockMemberReasoningContent{
				Value: &types.ReasoningContentBlockMemberReasoningText{Value: block},
			})
		default:
			m.Content = append(m.Content, &types.ContentBlockMemberText{Value: b.text})
		}
	}
	out.raw = m
	return out, nil
}
