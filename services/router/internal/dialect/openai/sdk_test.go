package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

func sdk(w *world) openai.Client {
	return openai.NewClient(option.WithBaseURL(w.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func params(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(text)},
	}
}

// collect reads a stream as the SDK does.
func collect(t *testing.T, w *world, p openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, error) {
	t.Helper()
	client := sdk(w)
	s := client.Chat.Completions.NewStreaming(t.Context(), p)
	defer func() { _ = s.Close() }()
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		if !acc.AddChunk(s.Current()) {
			t.Errorf("the SDK cannot add %s", s.Current().RawJSON())
		}
	}
	return acc, s.Err()
}

// The official SDK gets the same answer whether the target speaks its format
// or another one, streamed or not.
func TestSDKChat(t *testing.T) {
	for name, foreign := range map[string]bool{"native": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Foreign = foreign
			client := sdk(w)
			p := params("gpt-4o-mini", "one two\n\"three\" 😀")
			p.N = param.NewOpt[int64](2)
			const want = "You said: one two\n\"three\" 😀"
			whole, err := client.Chat.Completions.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			p.StreamOptions.IncludeUsage = param.NewOpt(true)
			streamed, err := collect(t, w, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []*openai.ChatCompletion{whole, &streamed.ChatCompletion} {
				if len(got.Choices) != 2 || got.Usage.PromptTokens != 6 || got.Usage.CompletionTokens != 12 || got.ID != "chatcmpl-fake" {
					t.Fatalf("got %+v", got)
				}
				for _, c := range got.Choices {
					if c.Message.Content != want || c.FinishReason != "stop" || c.Message.Role != "assistant" {
						t.Errorf("got %+v", c)
					}
				}
			}
		})
	}
}

func TestSDKTools(t *testing.T) {
	for name, foreign := range map[string]bool{"native": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Foreign = foreign
			client := sdk(w)
			p := params("gpt-4o-mini", "look it up")
			p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
				Name: "find", Parameters: shared.FunctionParameters{
					"type": "object", "properties": map[string]any{"what": map[string]any{"type": "string"}, "n": map[string]any{"type": "integer"}},
				},
			})}
			whole, err := client.Chat.Completions.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			streamed, err := collect(t, w, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []openai.ChatCompletionChoice{whole.Choices[0], streamed.Choices[0]} {
				if got.FinishReason != "tool_calls" || len(got.Message.ToolCalls) != 1 {
					t.Fatalf("got %+v", got)
				}
				call := got.Message.ToolCalls[0]
				if call.ID != "call_0" || call.Function.Name != "find" || call.Function.Arguments != `{"n":7,"what":"some text"}` {
					t.Errorf("got %+v", call)
				}
			}
			// The second turn carries the call and its result back.
			p.Messages = append(p.Messages, whole.Choices[0].Message.ToParam(), openai.ToolMessage("found", "call_0"))
			again, err := client.Chat.Completions.New(t.Context(), p)
			if err != nil || again.Choices[0].Message.Content != "The tools said: found. You said: look it up" {
				t.Errorf("got %+v, %v", again, err)
			}
		})
	}
}

func TestSDKImagesAndSchema(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	p := params("gpt-4o-mini", "x")
	p.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("see"),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64,AQID"}),
	})}
	got, err := client.Chat.Completions.New(t.Context(), p)
	if err != nil || got.Choices[0].Message.Content != "I see image/png of 3 bytes. You said: see" {
		t.Fatalf("got %+v, %v", got, err)
	}
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "s", Schema: map[string]any{"type": "object", "properties": map[string]any{"ok": map[string]any{"type": "boolean"}}},
	}}
	got, err = client.Chat.Completions.New(t.Context(), p)
	if err != nil || got.Choices[0].Message.Content != `{"ok":true}` {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestSDKEmbeddingsAndModels(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "e", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b c"}}, Dimensions: param.NewOpt[int64](3),
	})
	if err != nil || len(got.Data) != 2 || len(got.Data[1].Embedding) != 3 || got.Usage.PromptTokens != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if want := providertest.Vector("b c", 3); float32(got.Data[1].Embedding[2]) != want[2] {
		t.Errorf("got %v, want %v", got.Data[1].Embedding, want)
	}
	page, err := client.Models.List(t.Context())
	if err != nil || len(page.Data) != 2 || page.Data[0].ID != "gpt-4o-mini" {
		t.Fatalf("got %+v, %v", page, err)
	}
	model, err := client.Models.Get(t.Context(), "gpt-4o-mini")
	if err != nil || model.ID != "gpt-4o-mini" || model.OwnedBy != "tollgate" {
		t.Fatalf("got %+v, %v", model, err)
	}
}

// The SDK makes its own errors of ours.
func TestSDKErrors(t *testing.T) {
	tests := []struct {
		reason     llmv1.ErrorReason
		status     int
		kind, code string
	}{
		{llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, 404, "invalid_request_error", "model_not_found"},
		{llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, 429, "rate_limit_error", "rate_limit_exceeded"},
		{llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, errs.HTTPStatus(llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED), "insufficient_quota", "insufficient_quota"},
		{llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED, 400, "invalid_request_error", "content_filter"},
		{llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, 502, "server_error", "provider_unavailable"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.Err = errs.New(tt.reason, "").WithRetryAfter(1500 * time.Millisecond)
		client := sdk(w)
		_, whole := client.Chat.Completions.New(t.Context(), params("m", "x"))
		_, streamed := collect(t, w, params("m", "x"))
		for _, err := range []error{whole, streamed} {
			var e *openai.Error
			if !errors.As(err, &e) || e.StatusCode != tt.status || e.Type != tt.kind || e.Code != tt.code {
				t.Fatalf("%v: got %v", tt.reason, err)
			}
			budget := tt.reason == llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED
			if (e.Response.Header.Get("X-Should-Retry") == "false") != budget {
				t.Errorf("%v: X-Should-Retry %q", tt.reason, e.Response.Header.Get("X-Should-Retry"))
			}
			if e.Response.Header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After %q", e.Response.Header.Get("Retry-After"))
			}
		}
	}
}

// A stream that fails before its first content is an error with a status;
// behind it, it is an error to the SDK too, and never an answer that looks whole.
func TestSDKStreamFaults(t *testing.T) {
	w := newWorld(t)
	_, err := collect(t, w, params(providertest.Unavailable, "x"))
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 502 {
		t.Errorf("before content: %v", err)
	}
	for _, model := range []string{providertest.Cut, providertest.ErrorInStream, providertest.Malformed} {
		got, err := collect(t, w, params(model, "one two three four"))
		if err == nil || len(got.Choices) == 0 || got.Choices[0].FinishReason != "" {
			t.Errorf("%s: got %+v, %v", model, got.Choices, err)
		}
		if err != nil && strings.Contains(err.Error(), "10.1.2.3") {
			t.Errorf("%s: leaks %v", model, err)
		}
	}
	w.After, w.Reason = 4, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
	got, err := collect(t, w, params("m", "one two three four"))
	if err != nil || got.Choices[0].FinishReason != "content_filter" {
		t.Errorf("blocked: got %+v, %v", got.Choices, err)
	}
}

func TestSDKDisconnectStopsTheProvider(t *testing.T) {
	w := newWorld(t)
	w.Ended = make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	client := sdk(w)
	s := client.Chat.Completions.NewStreaming(ctx, params(providertest.Stall, "one two three four"))
	if !s.Next() {
		t.Fatal(s.Err())
	}
	cancel()
	_ = s.Close()
	select {
	case err := <-w.Ended:
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("the gateway goes on")
	}
	if _, ok := w.upstream.Last().AwaitCancelled(time.Second); !ok {
		t.Error("the provider goes on")
	}
}

// What no client knows reaches it all the same.
func TestSDKUnknownFieldsSurvive(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	p := params(providertest.UnknownFields, "x")
	p.SetExtraFields(map[string]any{"x_asked": map[string]any{"a": 1}})
	got, err := client.Chat.Completions.New(t.Context(), p)
	if err != nil || got.JSON.ExtraFields["x_top"].Raw() != `[1,"two"]` {
		t.Fatalf("got %v, %v", got, err)
	}
	var sent map[string]any
	if err := json.Unmarshal(w.upstream.Last().Body, &sent); err != nil || sent["x_asked"] == nil {
		t.Errorf("sent %s", w.upstream.Last().Body)
	}
	s := client.Chat.Completions.NewStreaming(t.Context(), p)
	defer func() { _ = s.Close() }()
	for s.Next() {
		if s.Current().JSON.ExtraFields["x_top"].Raw() != `[1,"two"]` {
			t.Errorf("got %s", s.Current().RawJSON())
		}
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}
