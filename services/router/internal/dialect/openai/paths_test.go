package openai_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// The SDK finds the gateway by Azure's paths, by the older ones and by the new.
func TestSDKAzure(t *testing.T) {
	w := newWorld(t)
	clients := map[string]openai.Client{
		"deployments": openai.NewClient(azure.WithUnsafeAllowHTTP(), azure.WithEndpoint(w.url, "2024-10-21"), azure.WithAPIKey(key), option.WithMaxRetries(0)),
		"v1":          openai.NewClient(option.WithBaseURL(w.url+"/openai/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)),
	}
	for name, client := range clients {
		got, err := client.Chat.Completions.New(t.Context(), params("gpt-4o-mini", "hello"))
		if err != nil || got.Choices[0].Message.Content != "You said: hello" {
			t.Fatalf("%s: got %+v, %v", name, got, err)
		}
		vectors, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: "e", Input: openai.EmbeddingNewParamsInputUnion{OfString: param.NewOpt("a")},
		})
		if err != nil || len(vectors.Data) != 1 {
			t.Fatalf("%s: got %+v, %v", name, vectors, err)
		}
	}
	for _, call := range w.Calls() {
		if call.Conversation.GetModel() != "gpt-4o-mini" {
			t.Errorf("model %q", call.Conversation.GetModel())
		}
	}
}

func TestDeploymentWinsOverTheBody(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{"messages":[{"role":"user","content":"Hi"}]}`, hi} {
		resp, got := w.do(t, "POST", "/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21", body)
		if resp.StatusCode != http.StatusOK || !strings.Contains(got, "You said: Hi") {
			t.Errorf("got %d %s", resp.StatusCode, got)
		}
	}
	for _, call := range w.Calls() {
		if call.Conversation.GetModel() != "gpt 4o" {
			t.Errorf("model %q", call.Conversation.GetModel())
		}
	}
	if resp, _ := w.do(t, "POST", "/openai/deployments/d/completions", "{}"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown path answers %d", resp.StatusCode)
	}
}

// moderator finds letters.
type moderator struct{ asked []*pipeline.ModerateCall }

func (m *moderator) Moderate(_ context.Context, c *pipeline.ModerateCall) (*pipeline.Moderation, error) {
	m.asked = append(m.asked, c)
	out := &pipeline.Moderation{RequestID: "req_1", Scores: make([]map[string]float64, len(c.Texts))}
	for i, text := range c.Texts {
		if strings.Contains(text, "@") {
			out.Scores[i] = map[string]float64{"email": 0.75}
		}
	}
	return out, nil
}

func TestSDKModerations(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	got, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
		Model: "omni-moderation-latest", Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"fine", "a@b.example"}},
	})
	if err != nil || got.Model != "tollgate-guardrail" || len(got.Results) != 2 || got.Results[0].Flagged || !got.Results[1].Flagged {
		t.Fatalf("got %+v, %v", got, err)
	}
	second := got.Results[1]
	if second.Categories.Violence || second.Categories.JSON.ExtraFields["email"].Raw() != "true" || len(second.CategoryAppliedInputTypes.Hate) > 0 {
		t.Errorf("got %s", second.RawJSON())
	}
	if call := w.moderator.asked[0]; call.Model != "omni-moderation-latest" || call.Principal.Organization != "acme" {
		t.Errorf("asked %+v", call)
	}
	parts := func(kinds ...openai.ModerationMultiModalInputUnionParam) error {
		got, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
			Input: openai.ModerationNewParamsInputUnion{OfModerationMultiModalArray: kinds},
		})
		if err == nil && (len(got.Results) != 1 || !got.Results[0].Flagged) {
			t.Errorf("got %+v", got)
		}
		return err
	}
	text := openai.ModerationMultiModalInputParamOfText("x")
	mail := openai.ModerationMultiModalInputParamOfText("a@b.example")
	if err := parts(text, mail); err != nil {
		t.Error(err)
	}
	image := openai.ModerationMultiModalInputParamOfImageURL(openai.ModerationImageURLInputImageURLParam{URL: "https://a/b"})
	var e *openai.Error
	if err := parts(text, image); !errors.As(err, &e) || e.Param != "input[1].type" || e.Code != "unsupported" {
		t.Errorf("a picture: %v", err)
	}
}
