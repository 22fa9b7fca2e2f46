package bedrock_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	control "github.com/aws/aws-sdk-go-v2/service/bedrock"
	controltypes "github.com/aws/aws-sdk-go-v2/service/bedrock/types"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
)

// toolUse is the block that a streamed call comes to.
func toolUse(t *testing.T, start types.ToolUseBlockStart, input string) types.ContentBlock {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(input), &value); err != nil {
		t.Errorf("input %q: %v", input, err)
	}
	return &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
		ToolUseId: start.ToolUseId, Name: start.Name, Input: document.NewLazyDocument(value),
	}}
}

func invoke(t *testing.T, s *bedrock.Server, model, body string, into any) error {
	t.Helper()
	out, err := client(s).InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{
		ModelId: &model, Body: []byte(body), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return err
	}
	return json.Unmarshal(out.Body, into)
}

func TestEmbeddings(t *testing.T) {
	s := bedrock.New(t)
	var titan struct {
		Embedding           []float32
		InputTextTokenCount int
	}
	if err := invoke(t, s, "amazon.titan-embed-text-v2:0", `{"inputText":"a b","dimensions":256,"normalize":true}`, &titan); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(titan.Embedding, providertest.Vector("a b", 256)) || titan.InputTextTokenCount != 2 {
		t.Errorf("got %+v", titan)
	}
	var cohere struct{ Embeddings [][]float32 }
	if err := invoke(t, s, "cohere.embed-english-v3", `{"texts":["a","b c"],"input_type":"search_query"}`, &cohere); err != nil {
		t.Fatal(err)
	}
	if len(cohere.Embeddings) != 2 || !slices.Equal(cohere.Embeddings[1], providertest.Vector("b c", 1024)) {
		t.Errorf("got %d", len(cohere.Embeddings))
	}
	var typed struct{ Embeddings struct{ Float [][]float32 } }
	if err := invoke(t, s, "eu.cohere.embed-v4:0", `{"texts":["a"],"input_type":"search_query","embedding_types":["float"],"output_dimension":256}`, &typed); err != nil || len(typed.Embeddings.Float[0]) != 256 {
		t.Errorf("got %+v, %v", typed, err)
	}
	for body, model := range map[string]string{
		`{"inputText":"a","dimensions":3}`: "amazon.titan-embed-text-v2:0", `{"inputText":""}`: "amazon.titan-embed-text-v2:0",
		`{"inputText":"a","normalize":true}`: "amazon.titan-embed-text-v1", `{"texts":["a"]}`: "cohere.embed-english-v3",
		`{"texts":[],"input_type":"search_query"}`: "cohere.embed-english-v3", `{}`: "meta.unknown",
	} {
		if err := invoke(t, s, model, body, new(any)); code(err) != "ValidationException" {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := invoke(t, s, "amazon.titan-embed-text-v2:0~"+providertest.RateLimited, `{"inputText":"a"}`, new(any)); code(err) != "ThrottlingException" {
		t.Errorf("got %v", err)
	}
}

func TestControlPlane(t *testing.T) {
	s := bedrock.New(t)
	c := control.New(control.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.BaseURL()), Retryer: aws.NopRetryer{}, HTTPClient: awstest.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.Secret, ""),
	})
	all, err := c.ListFoundationModels(t.Context(), &control.ListFoundationModelsInput{})
	if err != nil || len(all.ModelSummaries) != len(s.Models) {
		t.Fatalf("got %+v, %v", all, err)
	}
	first := all.ModelSummaries[0]
	if *first.ModelId != s.Models[0].ID || !strings.HasPrefix(*first.ModelArn, "arn:aws:bedrock:eu-central-1::foundation-model/") ||
		!*first.ResponseStreamingSupported || first.ModelLifecycle.Status != controltypes.FoundationModelLifecycleStatusActive {
		t.Errorf("got %+v", first)
	}
	some, err := c.ListFoundationModels(t.Context(), &control.ListFoundationModelsInput{
		ByOutputModality: controltypes.ModelModalityEmbedding, ByProvider: aws.String("amazon"),
	})
	if err != nil || len(some.ModelSummaries) != 1 || *some.ModelSummaries[0].ModelId != "amazon.titan-embed-text-v2:0" {
		t.Errorf("got %+v, %v", some, err)
	}
	var profiles []string
	pages := control.NewListInferenceProfilesPaginator(c, &control.ListInferenceProfilesInput{MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.InferenceProfileSummaries {
			profiles = append(profiles, *p.InferenceProfileId)
			if len(p.Models) != 2 || p.CreatedAt.IsZero() || p.Status != controltypes.InferenceProfileStatusActive {
				t.Errorf("got %+v", p)
			}
		}
	}
	if len(profiles) != 2 || profiles[0] != "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" {
		t.Errorf("got %v", profiles)
	}
	one, err := c.GetFoundationModel(t.Context(), &control.GetFoundationModelInput{ModelIdentifier: aws.String("amazon.nova-lite-v1:0")})
	if err != nil || *one.ModelDetails.ProviderName != "Amazon" {
		t.Errorf("got %+v, %v", one, err)
	}
	if _, err := c.GetFoundationModel(t.Context(), &control.GetFoundationModelInput{ModelIdentifier: aws.String("none")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("got %v", err)
	}
}

func TestRefusesWhatTheRealOneRefuses(t *testing.T) {
	s := bedrock.New(t)
	c := client(s)
	user := func(blocks ...types.ContentBlock) types.Message {
		return types.Message{Role: types.ConversationRoleUser, Content: blocks}
	}
	text := &types.ContentBlockMemberText{Value: "x"}
	assistant := types.Message{Role: types.ConversationRoleAssistant, Content: []types.ContentBlock{text}}
	call := types.Message{Role: types.ConversationRoleAssistant, Content: []types.ContentBlock{&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
		ToolUseId: aws.String("t1"), Name: aws.String("f"), Input: document.NewLazyDocument(map[string]any{}),
	}}}}
	result := func(id string) types.ContentBlock {
		return &types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
			ToolUseId: aws.String(id), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: "ok"}},
		}}
	}
	file := func(name string) types.ContentBlock {
		return &types.ContentBlockMemberDocument{Value: types.DocumentBlock{
			Format: types.DocumentFormatTxt, Name: aws.String(name), Source: &types.DocumentSourceMemberBytes{Value: []byte("a")},
		}}
	}
	foreign := types.Message{Role: types.ConversationRoleAssistant, Content: []types.ContentBlock{&types.ContentBlockMemberReasoningContent{
		Value: &types.ReasoningContentBlockMemberReasoningText{Value: types.ReasoningTextBlock{Text: aws.String("a"), Signature: aws.String("b")}},
	}}}
	for want, in := range map[string]*bedrockruntime.ConverseInput{
		"start with a user message": {Messages: []types.Message{assistant}},
		"must alternate":            {Messages: []types.Message{user(text), user(text)}},
		//                   {Messages: []types.Message{user()}},
		"is blank":                    {Messages: []types.Message{user(&types.ContentBlockMemberText{Value: " "})}},
		"toolConfig field must":       {Messages: []types.Message{user(text), call, user(result("t1"))}},
		"Expected toolResult":         {Messages: []types.Message{user(text), call, user(text)}, ToolConfig: toolConfig("f")},
		"exceeds the number":          {Messages: []types.Message{user(text), call, user(result("t1"), result("t2"))}, ToolConfig: toolConfig("f")},
		"file name":                   {Messages: []types.Message{user(file("a.txt"), text)}},
		"must have a text block":      {Messages: []types.Message{user(file("a"))}},
		"Invalid `signature`":         {Messages: []types.Message{user(text), foreign, user(text)}},
		"inferenceConfig.temperature": {Messages: []types.Message{user(text)}, InferenceConfig: &types.InferenceConfiguration{Temperature: aws.Float32(1.5)}},
		"extraneous key [x]":          {Messages: []types.Message{user(text)}, AdditionalModelRequestFields: document.NewLazyDocument(map[string]any{"x": 1})},
		"Member must have length":     {Messages: []types.Message{user(text)}, ToolConfig: &types.ToolConfiguration{Tools: []types.Tool{}}},
	} {
		in.ModelId = aws.String("m")
		if _, err := c.Converse(t.Context(), in); code(err) != "ValidationException" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Marks where the API, or the model, does not take them are refused.
func TestMisplacedMarks(t *testing.T) {
	c := client(bedrock.New(t))
	point := types.CachePointBlock{Type: types.CachePointTypeDefault}
	mark := &types.ContentBlockMemberCachePoint{Value: point}
	call := &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: aws.String("c"), Name: aws.String("f"), Input: document.NewLazyDocument(map[string]any{})}}
	thought := &types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberReasoningText{
		Value: types.ReasoningTextBlock{Text: aws.String("t"), Signature: aws.String(providertest.Signature("t"))},
	}}
	text := &types.ContentBlockMemberText{Value: "a"}
	for name, tt := range map[string]struct {
		model   string
		answer  []types.ContentBlock
		tools   bool
		refused bool
	}{
		"behind a text":            {"m", []types.ContentBlock{text, mark}, false, false},
		"behind nothing":           {"m", []types.ContentBlock{mark, text}, false, true},
		"behind thoughts":          {"m", []types.ContentBlock{thought, mark, text}, false, true},
		"behind a call":            {"m", []types.ContentBlock{text, call, mark}, false, false},
		"behind a call, Nova":      {"amazon.nova-pro-v1:0", []types.ContentBlock{text, call, mark}, false, true},
		"behind the tools":         {"m", []types.ContentBlock{text}, true, false},
		"behind the tools of Nova": {"amazon.nova-pro-v1:0", []types.ContentBlock{text}, true, true},
	} {
		in := said(tt.model)
		in.ToolConfig = toolConfig("f")
		if tt.tools {
			in.ToolConfig.Tools = append(in.ToolConfig.Tools, &types.ToolMemberCachePoint{Value: point})
		}
		next := types.Message{Role: types.ConversationRoleUser, Content: []types.ContentBlock{text}}
		if slices.Contains(tt.answer, types.ContentBlock(call)) {
			next.Content = []types.ContentBlock{&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
				ToolUseId: aws.String("c"), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: "r"}},
			}}}
		}
		in.Messages = append(in.Messages, types.Message{Role: types.ConversationRoleAssistant, Content: tt.answer}, next)
		if _, err := c.Converse(t.Context(), in); (err != nil) != tt.refused || err != nil && code(err) != "ValidationException" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
