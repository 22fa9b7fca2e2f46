package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// TestSuite runs everything that a client sees over both shapes.
func TestSuite(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			up := newUpstream(t)
			d := deploy(t, s.split, up.config())
			d.ingestHandbook()
			for name, run := range map[string]func(*testing.T, *deployment, *upstream){
				"sdk chat": sdkChat, "sdk stream": sdkStream, "sdk tools": sdkTools, "sdk embeddings": sdkEmbeddings,
				"sdk models": sdkModels, "sdk errors": sdkErrors, "sdk limits": sdkLimits,
				"reflection": reflection, "rest": rest, "rest stream": restStream, "openapi": openAPI,
				"masking": masking, "streamed masking": streamedMasking, "injection": injectionBlocked,
				"enrichment": enrichment, "failover": failover, "commands": commands, "tenants": tenants,
				"disconnect": disconnect,
			} {
				t.Run(name, func(t *testing.T) {
					scoped := *d
					scoped.t = t
					run(t, &scoped, up)
				})
			}
		})
	}
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func userSays(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
}

func sdkChat(t *testing.T, d *deployment, _ *upstream) {
	client := d.sdk(d.key)
	got, err := client.Chat.Completions.New(timeout(t), userSays(modelPlain, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Choices) != 1 || got.Choices[0].Message.Content == "" || got.Choices[0].FinishReason != "stop" {
		t.Errorf("answer: %s", got.RawJSON())
	}
	if got.Usage.PromptTokens == 0 || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
		t.Errorf("usage: %s", got.Usage.RawJSON())
	}
}

func sdkStream(t *testing.T, d *deployment, _ *upstream) {
	params := userSays(modelPlain, "hello")
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	client := d.sdk(d.key)
	stream := client.Chat.Completions.NewStreaming(timeout(t), params)
	defer stream.Close()
	var whole openai.ChatCompletionAccumulator
	for stream.Next() {
		if !whole.AddChunk(stream.Current()) {
			t.Fatalf("the SDK cannot add chunk %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if whole.Choices[0].Message.Content == "" || whole.Choices[0].FinishReason != "stop" || whole.Usage.TotalTokens == 0 {
		t.Errorf("streamed answer: %+v", whole.ChatCompletion)
	}
}

func sdkTools(t *testing.T, d *deployment, _ *upstream) {
	params := userSays(modelTools, "What is the weather in Paris?")
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "get_weather",
		Parameters: shared.FunctionParameters{
			"type": "object", "properties": map[string]any{"city": map[string]string{"type": "string"}}, "required": []string{"city"},
		},
	})}
	client := d.sdk(d.key)
	first, err := client.Chat.Completions.New(timeout(t), params)
	if err != nil {
		t.Fatal(err)
	}
	calls := first.Choices[0].Message.ToolCalls
	if len(calls) == 0 || calls[0].Function.Name != "get_weather" || first.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("no tool call: %s", first.RawJSON())
	}
	params.Messages = append(params.Messages, first.Choices[0].Message.ToParam(), openai.ToolMessage("18 degrees", calls[0].ID))
	second, err := client.Chat.Completions.New(timeout(t), params)
	if err != nil {
		t.Fatal(err)
	}
	if second.Choices[0].FinishReason == "" {
		t.Errorf("answer to the tool's result: %s", second.RawJSON())
	}
}

func sdkEmbeddings(t *testing.T, d *deployment, _ *upstream) {
	client := d.sdk(d.key)
	got, err := client.Embeddings.New(timeout(t), openai.EmbeddingNewParams{
		Model: modelEmbed, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 2 || len(got.Data[0].Embedding) == 0 || got.Usage.TotalTokens == 0 {
		t.Errorf("embeddings: %s", got.RawJSON())
	}
}

func sdkModels(t *testing.T, d *deployment, _ *upstream) {
	client := d.sdk(d.key)
	got, err := client.Models.List(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range got.Data {
		ids = append(ids, m.ID)
	}
	if !strings.Contains(strings.Join(ids, " "), modelPlain) {
		t.Errorf("models %v lack %s", ids, modelPlain)
	}
}

func sdkErrors(t *testing.T, d *deployment, _ *upstream) {
	huge := userSays(modelPlain, strings.Repeat("a", 2<<20))
	badRole := userSays(modelPlain, "hello")
	badRole.SetExtraFields(map[string]any{"messages": []map[string]any{{"role": "robot", "content": "hello"}}})
	for _, c := range []struct {
		name, key   string
		params      openai.ChatCompletionNewParams
		status      int
		code, param string
	}{
		{"bad key", "tg_not-a-key", userSays(modelPlain, "hello"), http.StatusUnauthorized, "invalid_api_key", ""},
		{"unknown model", d.key, userSays("no-such-model", "hello"), http.StatusNotFound, "model_not_found", "model"},
		{"malformed body", d.key, badRole, http.StatusBadRequest, "", "messages[0].role"},
		{"large body", d.key, huge, http.StatusRequestEntityTooLarge, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := d.sdk(c.key)
			_, err := client.Chat.Completions.New(timeout(t), c.params)
			wantError(t, err, c.status, c.code, c.param)
		})
	}
}

func wantError(t *testing.T, err error, status int, code, param string) {
	t.Helper()
	var typed *openai.Error
	if !errors.As(err, &typed) {
		t.Fatalf("error is %T %v, want the SDK's own", err, err)
	}
	if typed.StatusCode != status || typed.Message == "" || (code != "" && typed.Code != code) || (param != "" && typed.Param != param) {
		t.Errorf("got %d code=%q param=%q type=%q message=%q, want %d code=%q param=%q",
			typed.StatusCode, typed.Code, typed.Param, typed.Type, typed.Message, status, code, param)
	}
}

func sdkLimits(t *testing.T, d *deployment, _ *upstream) {
	_, slow := d.newKey(&accountv1.Key{DisplayName: "slow", RequestsPerMinute: 1})
	client := d.sdk(slow)
	if _, err := client.Chat.Completions.New(timeout(t), userSays(modelPlain, "first")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Chat.Completions.New(timeout(t), userSays(modelPlain, "second"))
	wantError(t, err, http.StatusTooManyRequests, "rate_limit_exceeded", "")

	name, poor := d.newKey(&accountv1.Key{DisplayName: "poor"})
	var budget billingv1.CreateBudgetResponse
	d.rest(http.MethodPost, "/api/v1/budgets", &billingv1.CreateBudgetRequest{Budget: &billingv1.Budget{
		Scope: name, Window: billingv1.Budget_WINDOW_MONTH, LimitNanousd: 1,
	}}, &budget)
	client = d.sdk(poor)
	_, err = client.Chat.Completions.New(timeout(t), userSays(modelPlain, "hello"))
	wantError(t, err, http.StatusTooManyRequests, "insufficient_quota", "")

	_, narrow := d.newKey(&accountv1.Key{DisplayName: "narrow", AllowedModels: []string{"something-else"}})
	client = d.sdk(narrow)
	_, err = client.Chat.Completions.New(timeout(t), userSays(modelPlain, "hello"))
	wantError(t, err, http.StatusForbidden, "", "")
}
