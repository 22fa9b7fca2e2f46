package bedrock_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
)

// The official SDK is the judge of whether the fake speaks the real format.
func client(s *bedrock.Server) *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.BaseURL()), Retryer: aws.NopRetryer{}, HTTPClient: awstest.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.Secret, "a-session"),
	})
}

func said(model string, blocks ...types.ContentBlock) *bedrockruntime.ConverseInput {
	blocks = append(blocks, &types.ContentBlockMemberText{Value: "one two three four"})
	return &bedrockruntime.ConverseInput{
		ModelId: &model, Messages: []types.Message{{Role: types.ConversationRoleUser, Content: blocks}},
	}
}

func toolConfig(names ...string) *types.ToolConfiguration {
	out := &types.ToolConfiguration{}
	for _, name := range names {
		out.Tools = append(out.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{
			Name: aws.String(name), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(map[string]any{
				"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}},
			})},
		}})
	}
	return out
}

// answer is what both kinds of call come to.
type answer struct {
	content []types.ContentBlock
	stop    types.StopReason
	usage   types.TokenUsage
}

func streamed(t *testing.T, c *bedrockruntime.Client, in *bedrockruntime.ConverseInput) (answer, error) {
	t.Helper()
	var got answer
	out, err := c.ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{
		ModelId: in.ModelId, Messages: in.Messages, ToolConfig: in.ToolConfig, InferenceConfig: in.InferenceConfig,
		AdditionalModelRequestFields: in.AdditionalModelRequestFields, OutputConfig: in.OutputConfig, System: in.System,
	})
	if err != nil {
		return got, err
	}
	stream := out.GetStream()
	defer func() { _ = stream.Close() }()
	texts, inputs := map[int32]string{}, map[int32]string{}
	starts, thoughts := map[int32]types.ToolUseBlockStart{}, map[int32]*types.ReasoningTextBlock{}
	for event := range stream.Events() {
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			starts[*e.Value.ContentBlockIndex] = e.Value.Start.(*types.ContentBlockStartMemberToolUse).Value
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			i := *e.Value.ContentBlockIndex
			switch d := e.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				texts[i] += d.Value
			case *types.ContentBlockDeltaMemberToolUse:
				inputs[i] += *d.Value.Input
			case *types.ContentBlockDeltaMemberReasoningContent:
				switch r := d.Value.(type) {
				case *types.ReasoningContentBlockDeltaMemberText:
					if thoughts[i] == nil {
						thoughts[i] = &types.ReasoningTextBlock{Text: aws.String("")}
					}
					*thoughts[i].Text += r.Value
				case *types.ReasoningContentBlockDeltaMemberSignature:
					thoughts[i].Signature = aws.String(r.Value)
				case *types.ReasoningContentBlockDeltaMemberRedactedContent:
					got.content = append(got.content, &types.ContentBlockMemberReasoningContent{
						Value: &types.ReasoningContentBlockMemberRedactedContent{Value: r.Value},
					})
				}
			}
		case *types.ConverseStreamOutputMemberContentBlockStop:
			i := *e.Value.ContentBlockIndex
			switch {
			case starts[i].Name != nil:
				got.content = append(got.content, toolUse(t, starts[i], inputs[i]))
			case thoughts[i] != nil:
				got.content = append(got.content, &types.ContentBlockMemberReasoningContent{
					Value: &types.ReasoningContentBlockMemberReasoningText{Value: *thoughts[i]},
				})
			case texts[i] != "":
				got.content = append(got.content, &types.ContentBlockMemberText{Value: texts[i]})
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			got.stop = e.Value.StopReason
		case *types.ConverseStreamOutputMemberMetadata:
			got.usage = *e.Value.Usage
		}
	}
	return got, stream.Err()
}

func both(t *testing.T, c *bedrockruntime.Client, in *bedrockruntime.ConverseInput) []answer {
	t.Helper()
	whole, err := c.Converse(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	live, err := streamed(t, c, in)
	if err != nil {
		t.Fatal(err)
	}
	return []answer{{whole.Output.(*types.ConverseOutputMemberMessage).Value.Content, whole.StopReason, *whole.Usage}, live}
}

// shape writes an answer in one line.
func (a answer) shape(t *testing.T) string {
	t.Helper()
	var out []string
	for _, b := range a.content {
		switch b := b.(type) {
		case *types.ContentBlockMemberText:
			out = append(out, "text:"+b.Value)
		case *types.ContentBlockMemberToolUse:
			input, err := b.Value.Input.MarshalSmithyDocument()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, "call:"+*b.Value.ToolUseId+":"+*b.Value.Name+string(input))
		case *types.ContentBlockMemberReasoningContent:
			if text, ok := b.Value.(*types.ReasoningContentBlockMemberReasoningText); ok {
				signed := *text.Value.Signature == providertest.Signature(*text.Value.Text)
				out = append(out, fmt.Sprintf("thinking:%s:%t", *text.Value.Text, signed))
			} else {
				out = append(out, "redacted")
			}
		}
	}
	return strings.Join(out, "|") + "|" + string(a.stop)
}

func budget() document.Interface {
	return document.NewLazyDocument(map[string]any{"thinking": map[string]any{"type": "enabled", "budget_tokens": 1024}})
}

func TestAnswers(t *testing.T) {
	with := func(in *bedrockruntime.ConverseInput, edit func(*bedrockruntime.ConverseInput)) *bedrockruntime.ConverseInput {
		edit(in)
		return in
	}
	tools := func(in *bedrockruntime.ConverseInput) { in.ToolConfig = toolConfig("f", "g") }
	plain := "text:You said: one two three four|end_turn"
	tests := map[string]struct {
		in   *bedrockruntime.ConverseInput
		want string
	}{
		"text":     {said("m"), plain},
		"arn":      {said("arn:aws:bedrock:eu-central-1:123456789012:provisioned-model/abc"), plain},
		"tool":     {with(said("m"), tools), `call:tooluse_0:f{"city":"some text"}|tool_use`},
		"parallel": {with(said(providertest.ParallelTools), tools), `call:tooluse_0:f{"city":"some text"}|call:tooluse_1:g{"city":"some text 2"}|tool_use`},
		"named": {with(said("m"), func(in *bedrockruntime.ConverseInput) {
			tools(in)
			in.ToolConfig.ToolChoice = &types.ToolChoiceMemberTool{Value: types.SpecificToolChoice{Name: aws.String("g")}}
		}), `call:tooluse_0:g{"city":"some text"}|tool_use`},
		"thinking": {
			with(said("m"), func(in *bedrockruntime.ConverseInput) { in.AdditionalModelRequestFields = budget() }),
			"thinking:Thinking about: one two three four:true|" + plain,
		},
		"redacted": {said(providertest.Redacted), "thinking:Thinking about: one two three four:true|redacted|" + plain},
		"schema": {with(said("m"), func(in *bedrockruntime.ConverseInput) {
			in.OutputConfig = &types.OutputConfig{TextFormat: &types.OutputFormat{
				Type: types.OutputFormatTypeJsonSchema, Structure: &types.OutputFormatStructureMemberJsonSchema{
					Value: types.JsonSchemaDefinition{Schema: aws.String(`{"type":"object","properties":{"a":{"type":"integer"}}}`)},
				},
			}}
		}), `text:{"a":7}|end_turn`},
		"length": {with(said("m"), func(in *bedrockruntime.ConverseInput) {
			in.InferenceConfig = &types.InferenceConfiguration{MaxTokens: aws.Int32(2)}
		}), "text:You said: |max_tokens"},
		"stop": {with(said("m"), func(in *bedrockruntime.ConverseInput) {
			in.InferenceConfig = &types.InferenceConfiguration{StopSequences: []string{"three"}}
		}), "text:You said: one two |stop_sequence"},
		"refusal":   {said(providertest.Refusal), "text:I must not say that.|content_filtered"},
		"guardrail": {said(providertest.ContentFilter), "text:Sorry, the guardrail blocked this.|guardrail_intervened"},
		"image": {said("m", &types.ContentBlockMemberImage{Value: types.ImageBlock{
			Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: []byte{1, 2, 3}},
		}}), "text:I see image/png of 3 bytes. You said: one two three four|end_turn"},
		"document": {said("m", &types.ContentBlockMemberDocument{Value: types.DocumentBlock{
			Format: types.DocumentFormatPdf, Name: aws.String("a b"), Source: &types.DocumentSourceMemberBytes{Value: []byte("%PDF")},
		}}), "text:I see application/pdf of 4 bytes. You said: one two three four|end_turn"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := bedrock.New(t)
			for i, got := range both(t, client(s), tt.in) {
				if got.shape(t) != tt.want {
					t.Errorf("answer %d:\ngot  %s\nwant %s", i, got.shape(t), tt.want)
				}
				if *got.usage.InputTokens == 0 || *got.usage.TotalTokens != *got.usage.InputTokens+*got.usage.OutputTokens {
					t.Errorf("answer %d: usage %+v", i, got.usage)
				}
			}
			if last := s.Last(); last.Model != *tt.in.ModelId || !last.Stream {
				t.Errorf("recorded %s", last.Model)
			}
		})
	}
}

func TestToolLoopAndCache(t *testing.T) {
	s := bedrock.New(t)
	c := client(s)
	in := said(providertest.ParallelTools)
	in.ToolConfig, in.AdditionalModelRequestFields = toolConfig("f", "g"), budget()
	in.System = []types.SystemContentBlock{
		&types.SystemContentBlockMemberText{Value: "be kind"},
		&types.SystemContentBlockMemberCachePoint{Value: types.CachePointBlock{Type: types.CachePointTypeDefault}},
	}
	live, err := streamed(t, c, in)
	if err != nil || *live.usage.CacheWriteInputTokens == 0 {
		t.Fatalf("%+v %v", live.usage, err)
	}
	var results []types.ContentBlock
	for _, b := range live.content {
		if call, ok := b.(*types.ContentBlockMemberToolUse); ok {
			results = append(results, &types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
				ToolUseId: call.Value.ToolUseId, Content: []types.ToolResultContentBlock{
					&types.ToolResultContentBlockMemberText{Value: "sunny for " + *call.Value.Name},
				},
			}})
		}
	}
	in.Messages = append(in.Messages, types.Message{Role: types.ConversationRoleAssistant, Content: live.content},
		types.Message{Role: types.ConversationRoleUser, Content: results})
	for _, got := range both(t, c, in) {
		if !strings.Contains(got.shape(t), "The tools said: sunny for f | sunny for g. You said: one two three four") {
			t.Errorf("got %s", got.shape(t))
		}
		if *got.usage.CacheReadInputTokens != *live.usage.CacheWriteInputTokens || *got.usage.CacheWriteInputTokens != 0 {
			t.Errorf("usage %+v", got.usage)
		}
	}
	in.Messages[1].Content = live.content[1:] // without its thoughts
	if _, err := c.Converse(t.Context(), in); code(err) != "ValidationException" {
		t.Errorf("thoughts were left out: %v", err)
	}
	in.Messages[2].Content = results[:1]
	if _, err := c.Converse(t.Context(), in); code(err) != "ValidationException" {
		t.Errorf("a result was left out: %v", err)
	}
}

func code(err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return ""
	}
	return e.ErrorCode()
}

func TestErrors(t *testing.T) {
	s := bedrock.New(t)
	c := client(s)
	for model, want := range map[string]string{
		providertest.RateLimited: "ThrottlingException", providertest.RateLimitedAfter: "ThrottlingException",
		providertest.ServerError: "InternalServerException", providertest.Overloaded: "ServiceUnavailableException",
		providertest.TimedOut: "ModelTimeoutException", providertest.Unauthorized: "UnrecognizedClientException",
		providertest.Forbidden: "AccessDeniedException", providertest.Missing: "ResourceNotFoundException",
		providertest.TooLarge: "RequestEntityTooLargeException", providertest.ContextExceeded: "ValidationException",
		providertest.Rejected: "ValidationException", bedrock.NotReady: "ModelNotReadyException", bedrock.ModelFailed: "ModelErrorException",
		bedrock.Quota: "ServiceQuotaExceededException", bedrock.NoOnDemand: "ValidationException",
	} {
		_, whole := c.Converse(t.Context(), said(model))
		_, live := streamed(t, c, said(model))
		for _, err := range []error{whole, live} {
			if code(err) != want || !strings.Contains(err.Error(), providertest.LeakyText) {
				t.Errorf("%s: %v", model, err)
			}
		}
	}
	var typed *types.ThrottlingException
	if _, err := c.Converse(t.Context(), said(providertest.RateLimited)); !errors.As(err, &typed) {
		t.Errorf("got %v", err)
	}
}

func TestCredentials(t *testing.T) {
	s := bedrock.New(t)
	s.Key = "a-bearer-key"
	for name, tt := range map[string]struct{ access, secret, want string }{
		"known":        {awstest.AccessKey, awstest.Secret, ""},
		"wrong secret": {awstest.AccessKey, "other", "InvalidSignatureException"},
		"unknown key":  {"AKIDOTHER", awstest.Secret, "UnrecognizedClientException"},
	} {
		o := client(s).Options()
		o.Credentials = credentials.NewStaticCredentialsProvider(tt.access, tt.secret, "")
		_, err := bedrockruntime.New(o).Converse(t.Context(), said("m"))
		if code(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The SDK sends a bearer key over TLS only.
	for authorization, want := range map[string]int{
		"Bearer a-bearer-key": 200, "Bearer other": 403, "": 403, "AWS4-HMAC-SHA256 Credential=AKIDFAKE": 403,
	} {
		body := strings.NewReader(`{"messages":[{"role":"user","content":[{"text":"x"}]}]}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/model/m/converse", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d", authorization, res.StatusCode)
		}
	}
}

func TestStreams(t *testing.T) {
	s := bedrock.New(t)
	s.Delay = 20 * time.Millisecond
	c := client(s)
	for _, model := range []string{
		providertest.Tiny, providertest.OneWrite, providertest.SlowFirstToken, providertest.UnknownFields, awstest.UnknownEvent,
	} {
		got, err := streamed(t, c, said(model))
		if err != nil || got.shape(t) != "text:You said: one two three four|end_turn" {
			t.Errorf("%s: %s, %v", model, got.shape(t), err)
		}
	}
	for model, want := range map[string]string{
		providertest.Malformed: "", providertest.Reset: "", providertest.Huge: "", awstest.BadCRC: "", awstest.BadPrelude: "",
		providertest.ErrorInStream: "ModelStreamErrorException", awstest.Throttled: "ThrottlingException", awstest.Unmodelled: "InternalFailure",
	} {
		_, err := streamed(t, c, said(model))
		if err == nil || want != "" && code(err) != want {
			t.Errorf("%s: %v", model, err)
		}
	}
	for _, model := range []string{providertest.EndsEarly, providertest.NoDone, providertest.Cut} {
		// The SDK takes the end of the body for the end, and mostly a cut too.
		if got, err := streamed(t, c, said(model)); err != nil && model != providertest.Cut || got.stop != "" {
			t.Errorf("%s: %+v, %v", model, got, err)
		}
	}
}
