package providertest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// The official SDK is the judge of whether the fake speaks the real format.
func client(s *providertest.Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.BaseURL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
}

func params(model, text string) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
	p.StreamOptions.IncludeUsage = param.NewOpt(true)
	return p
}

func streamed(t *testing.T, s *providertest.Server, p openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, error) {
	t.Helper()
	c := client(s)
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	defer func() { _ = stream.Close() }()
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		if !acc.AddChunk(stream.Current()) {
			t.Errorf("the SDK cannot add %s", stream.Current().RawJSON())
		}
	}
	return acc, stream.Err()
}

func TestAnswers(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	tool := params("m", "x")
	tool.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "f"})}
	schema := params("m", "x")
	schema.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "s", Schema: map[string]any{"type": "object", "properties": map[string]any{
			"a": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"one"}}},
		}},
	}}
	two := params("m", "one two")
	two.N = param.NewOpt[int64](2)
	tests := map[string]struct {
		params  openai.ChatCompletionNewParams
		choices int
		text    string
		call    string
	}{
		"text":   {params("m", "one two"), 1, "You said: one two", ""},
		"n":      {two, 2, "You said: one two", ""},
		"tool":   {tool, 1, "", "{}"},
		"schema": {schema, 1, `{"a":["one"]}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := tt.params
			p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
			whole, err := c.Chat.Completions.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			live, err := streamed(t, s, tt.params)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []*openai.ChatCompletion{whole, &live.ChatCompletion} {
				if len(got.Choices) != tt.choices || got.Usage.TotalTokens == 0 {
					t.Fatalf("got %+v", got)
				}
				message := got.Choices[tt.choices-1].Message
				if message.Content != tt.text || (len(message.ToolCalls) == 1) != (tt.call != "") {
					t.Errorf("got %+v", message)
				}
				if tt.call != "" && (message.ToolCalls[0].Function.Arguments != tt.call || got.Choices[0].FinishReason != "tool_calls") {
					t.Errorf("got %+v", message.ToolCalls)
				}
			}
		})
	}
}

func TestEmbeddingsAndModels(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "e", Input: openai.EmbeddingNewParamsInputUnion{OfString: param.NewOpt("a b")},
	})
	if err != nil || len(got.Data) != 1 || got.Usage.PromptTokens != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	var vector []float32
	for _, f := range got.Data[0].Embedding {
		vector = append(vector, float32(f))
	}
	if !slices.Equal(vector, providertest.Vector("a b", len(vector))) {
		t.Errorf("got %v", vector)
	}
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) != 1 {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestMisbehaviour(t *testing.T) {
	s := providertest.New(t)
	s.Delay = 50 * time.Millisecond
	for model, status := range map[string]int{
		providertest.RateLimited: 429, providertest.Unavailable: 503, providertest.Unauthorized: 401, providertest.Missing: 404,
		providertest.FailOnce: 500, providertest.ContextExceeded: 400, providertest.ContentFilter: 400, providertest.Rejected: 400,
	} {
		c := client(s)
		p := params(model, "one two three four")
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
		_, err := c.Chat.Completions.New(t.Context(), p)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != status {
			t.Errorf("%s: %v", model, err)
		}
	}
	for model, broken := range map[string]bool{
		providertest.FailOnce: false, providertest.SlowFirstToken: false, providertest.NoDone: false, providertest.NoUsage: false,
		providertest.UnknownFields: false, providertest.Cut: true, providertest.Malformed: true, providertest.ErrorInStream: true, providertest.Reset: true,
	} {
		got, err := streamed(t, s, params(model, "one two three four"))
		if broken != (err != nil) {
			t.Errorf("%s: %v", model, err)
		}
		if usage := got.Usage.TotalTokens > 0; err == nil && usage == (model == providertest.NoUsage) {
			t.Errorf("%s: usage %+v", model, got.Usage)
		}
	}
}
