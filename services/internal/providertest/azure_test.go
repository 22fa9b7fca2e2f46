package providertest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// OpenAI's SDK speaks to Azure too.
func TestAzure(t *testing.T) {
	s := providertest.New(t)
	s.Key = "azure-key"
	c := openai.NewClient(azure.WithEndpoint(s.URL, "2024-10-21"), azure.WithAPIKey("azure-key"), azure.WithUnsafeAllowHTTP(), option.WithMaxRetries(0))
	p := params("my-deployment", "one")
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	var acc openai.ChatCompletionAccumulator
	for first := true; stream.Next(); first = false {
		chunk := stream.Current()
		if first && (len(chunk.Choices) > 0 || !strings.Contains(chunk.RawJSON(), "prompt_filter_results")) {
			t.Errorf("the first event: %s", chunk.RawJSON())
		}
		if !first && !acc.AddChunk(chunk) {
			t.Errorf("the SDK cannot add %s", chunk.RawJSON())
		}
	}
	if err := stream.Err(); err != nil || acc.Choices[0].Message.Content != "You said: one" {
		t.Fatalf("got %+v, %v", acc.Choices, err)
	}
	last := s.Last()
	if last.Path != "/openai/deployments/my-deployment/chat/completions" || last.Model != "my-deployment" || last.Header.Get("Api-Key") != "azure-key" {
		t.Errorf("recorded %+v", last)
	}
	vectors, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "e", Input: openai.EmbeddingNewParamsInputUnion{OfString: param.NewOpt("a b")},
	})
	if err != nil || len(vectors.Data) != 1 {
		t.Errorf("got %+v, %v", vectors, err)
	}
	v1 := openai.NewClient(option.WithBaseURL(s.URL+"/openai/v1"), option.WithAPIKey("azure-key"), option.WithMaxRetries(0))
	if got, err := v1.Chat.Completions.New(t.Context(), said("m")); err != nil || got.Choices[0].Message.Content != "You said: one" {
		t.Errorf("got %+v, %v", got, err)
	}
	for model, status := range map[string]int{providertest.RateLimited: 429, providertest.ContentFilter: 400} {
		_, err := c.Chat.Completions.New(t.Context(), said(model))
		if e := new(openai.Error); !errors.As(err, &e) || e.StatusCode != status {
			t.Errorf("%s: %v", model, err)
		}
	}
	for _, o := range []option.RequestOption{azure.WithAPIKey("other"), option.WithQueryDel("api-version")} {
		if _, err := c.Chat.Completions.New(t.Context(), said("m"), o, azure.WithUnsafeAllowHTTP()); err == nil {
			t.Error("a request without a key, or without a version, was taken")
		}
	}
}

// said is a request that asks for no stream.
func said(model string) openai.ChatCompletionNewParams {
	p := params(model, "one")
	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	return p
}

func TestCites(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	got, err := c.Chat.Completions.New(t.Context(), said("sonar~"+providertest.Cites))
	if err != nil || got.JSON.ExtraFields["citations"].Raw() != `["https://example.com/a","https://example.com/b"]` {
		t.Errorf("got %+v, %v", got, err)
	}
	stream := c.Chat.Completions.NewStreaming(t.Context(), said("sonar~"+providertest.Cites))
	for stream.Next() {
		if stream.Current().JSON.ExtraFields["search_results"].Raw() == "" {
			t.Errorf("got %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Error(err)
	}
}
