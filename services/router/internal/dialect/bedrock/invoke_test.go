package bedrock_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
)

func invoke(t *testing.T, w *world, model, body string) (map[string]any, error) {
	t.Helper()
	out, err := w.runtime().InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{ModelId: aws.String(model), Body: []byte(body)})
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(out.Body, &answer); err != nil {
		t.Fatalf("%s: %v", out.Body, err)
	}
	return answer, nil
}

// invokeStream collects the chunks of a stream.
func invokeStream(t *testing.T, w *world, model, body string) ([]map[string]any, error) {
	t.Helper()
	out, err := w.runtime().InvokeModelWithResponseStream(t.Context(), &bedrockruntime.InvokeModelWithResponseStreamInput{
		ModelId: aws.String(model), Body: []byte(body), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return nil, err
	}
	s := out.GetStream()
	defer func() { _ = s.Close() }()
	var chunks []map[string]any
	for event := range s.Events() {
		part, ok := event.(*types.ResponseStreamMemberChunk)
		if !ok {
			t.Fatalf("%T", event)
		}
		var chunk map[string]any
		if err := json.Unmarshal(part.Value.Bytes, &chunk); err != nil {
			t.Fatalf("%s: %v", part.Value.Bytes, err)
		}
		chunks = append(chunks, chunk)
	}
	return chunks, s.Err()
}

const titanBody = `{"inputText":"one two\n\"three\" 😀","textGenerationConfig":{"maxTokenCount":100,"temperature":0.5}}`

func TestSDKTitanText(t *testing.T) {
	w := newWorld(t)
	const want = "You said: one two\n\"three\" 😀"
	whole, err := invoke(t, w, "amazon.titan-text-express-v1", titanBody)
	if err != nil {
		t.Fatal(err)
	}
	result := whole["results"].([]any)[0].(map[string]any)
	if result["outputText"] != want || result["completionReason"] != "FINISH" || whole["inputTextTokenCount"].(float64) <= 0 || result["tokenCount"].(float64) <= 0 {
		t.Errorf("got %v", whole)
	}
	chunks, err := invokeStream(t, w, "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/a1b2", titanBody)
	if err != nil || len(chunks) < 3 {
		t.Fatalf("%v, %v", chunks, err)
	}
	var text strings.Builder
	for _, c := range chunks {
		text.WriteString(c["outputText"].(string))
	}
	last := chunks[len(chunks)-1]
	metrics, _ := last["amazon-bedrock-invocationMetrics"].(map[string]any)
	if text.String() != want || last["completionReason"] != "FINISH" || metrics["inputTokenCount"] != whole["inputTextTokenCount"] ||
		metrics["outputTokenCount"] != last["totalOutputTextTokenCount"] || metrics["outputTokenCount"].(float64) <= 0 {
		t.Errorf("got %q, %v", text.String(), last)
	}
	calls := w.Calls()
	if got := calls[1].Conversation.GetModel(); got != "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/a1b2" {
		t.Errorf("model %s", got)
	}
	if got := calls[0].Conversation.GetSampling(); got.GetMaxOutputTokens() != 100 || got.GetTemperature() != 0.5 {
		t.Errorf("sampling %v", got)
	}
}

func TestSDKTitanEmbeddings(t *testing.T) {
	w := newWorld(t)
	for model, body := range map[string]string{
		"amazon.titan-embed-text-v2:0": `{"inputText":"a text"}`, "m": `{"inputText":"a text","dimensions":8,"normalize":true}`,
	} {
		got, err := invoke(t, w, model, body)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, f := range got["embedding"].([]any) {
			sum += f.(float64) * f.(float64)
		}
		if sum < 0.999 || sum > 1.001 || got["inputTextTokenCount"].(float64) <= 0 {
			t.Errorf("%s: length %v of %v", model, sum, got)
		}
	}
	got, err := invoke(t, w, "cohere.embed-english-v3", `{"texts":["a","b"],"input_type":"search_query"}`)
	if err != nil || len(got["embeddings"].([]any)) != 2 || got["response_type"] != "embeddings_floats" {
		t.Errorf("%v, %v", got, err)
	}
	if resp, _ := w.do(t, http.MethodPost, "/bedrock/model/m/invoke", `{"texts":["a"],"input_type":"search_query"}`); resp.Header.Get("X-Tollgate-Dropped") != "input_type" {
		t.Errorf("dropped: %v", resp.Header)
	}
	if _, err := invokeStream(t, w, "amazon.titan-embed-text-v2:0", `{"inputText":"a"}`); code(err) != "ValidationException" {
		t.Errorf("a stream of vectors: %v", err)
	}
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestSDKErrors(t *testing.T) {
	reason := func(r llmv1.ErrorReason) error { return errs.New(r, "") }
	tests := []struct {
		err  error
		is   func(error) bool
		code string
	}{
		{reason(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED), as[*types.ThrottlingException], "ThrottlingException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED), as[*types.ThrottlingException], "ThrottlingException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED), as[*types.ServiceQuotaExceededException], "ServiceQuotaExceededException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND), as[*types.ResourceNotFoundException], "ResourceNotFoundException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED), as[*types.AccessDeniedException], "AccessDeniedException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED), as[*types.ValidationException], "ValidationException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED), as[*types.ValidationException], "ValidationException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE), as[*types.ServiceUnavailableException], "ServiceUnavailableException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE), as[*types.ServiceUnavailableException], "ServiceUnavailableException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_OVERLOADED), as[*types.ThrottlingException], "ThrottlingException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT), as[*types.ModelTimeoutException], "ModelTimeoutException"},
		{reason(llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH), as[*types.ModelErrorException], "ModelErrorException"},
		{errors.New("a bug"), as[*types.InternalServerException], "InternalServerException"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.Err = tt.err
		_, err := invoke(t, w, "m", titanBody)
		if !tt.is(err) || strings.Contains(err.Error(), "a bug") {
			t.Errorf("%v: %v", tt.err, err)
		}
		if _, err := invokeStream(t, w, "m", titanBody); code(err) != tt.code {
			t.Errorf("streamed, %v: %v", tt.err, err)
		}
	}
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func TestSDKWaitsAsToldAndTriesAgain(t *testing.T) {
	w := newWorld(t)
	w.Err = errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "").WithRetryAfter(1500 * time.Millisecond)
	resp, _ := w.do(t, http.MethodPost, "/bedrock/model/m/invoke", titanBody)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" || resp.Header.Get("X-Amz-Retry-After") != "1500" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	w.Err = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "")
	before := len(w.Calls())
	_, err := w.runtime(func(o *bedrockruntime.Options) { o.RetryMaxAttempts = 2 }).InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{ModelId: aws.String("m"), Body: []byte(titanBody)})
	if err == nil || len(w.Calls())-before != 2 {
		t.Errorf("%v after %d attempts", err, len(w.Calls())-before)
	}
}

func TestSDKStreamFails(t *testing.T) {
	for reason, want := range map[llmv1.ErrorReason]string{
		llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:    "ModelStreamErrorException",
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:  "ServiceUnavailableException",
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT:      "ModelTimeoutException",
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED: "ThrottlingException",
		llmv1.ErrorReason_ERROR_REASON_INTERNAL:              "InternalServerException",
	} {
		w := newWorld(t)
		w.After, w.Reason = 3, reason
		chunks, err := invokeStream(t, w, "m", titanBody)
		if code(err) != want || len(chunks) == 0 {
			t.Errorf("%s: %v after %d chunks", reason, err, len(chunks))
		}
		for _, c := range chunks {
			if c["completionReason"] != nil {
				t.Errorf("%s: a broken answer looks whole: %v", reason, c)
			}
		}
	}
	w := newWorld(t)
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
	chunks, err := invokeStream(t, w, "m", titanBody)
	if err != nil || chunks[len(chunks)-1]["completionReason"] != "CONTENT_FILTERED" {
		t.Errorf("blocked: %v, %v", chunks, err)
	}
}

func TestInvokeRefuses(t *testing.T) {
	w := newWorld(t)
	tests := []struct{ name, body, header, value, want string }{
		{"no JSON", `{`, "", "", "is not valid JSON"},
		{"another format", `{"prompt":"hi"}`, "", "", "Converse reaches every model"},
		{"a guardrail of Amazon's", titanBody, "X-Amzn-Bedrock-GuardrailIdentifier", "gr-1", "guardrailIdentifier"},
		{"a trace", titanBody, "X-Amzn-Bedrock-Trace", "ENABLED", "trace"},
		{"labels", titanBody, "X-Amzn-Bedrock-Request-Metadata", `{"a":1}`, "requestMetadata"},
		{"a field", `{"inputText":"a","textGenerationConfig":{"topP":2}}`, "", "", "textGenerationConfig.topP"},
		{"too large", `{"inputText":"` + strings.Repeat("a", 1<<20) + `"}`, "", "", "larger"},
	}
	for _, tt := range tests {
		resp, body := w.do(t, http.MethodPost, "/bedrock/model/m/invoke", tt.body, headersOf(tt.header, tt.value)...)
		if resp.StatusCode != http.StatusBadRequest && tt.name != "too large" || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s", tt.name, resp.StatusCode, body)
		}
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls got through", n)
	}
	resp, _ := w.do(t, http.MethodPost, "/bedrock/model/m/invoke", titanBody, "X-Amzn-Bedrock-Request-Metadata", `{"team":"search"}`, "X-Amzn-Bedrock-Trace", "DISABLED")
	if resp.StatusCode != http.StatusOK || w.Calls()[0].Conversation.GetMetadata()["team"] != "search" ||
		resp.Header.Get("X-Amzn-Bedrock-Input-Token-Count") == "" || resp.Header.Get("X-Tollgate-Target") != "east" {
		t.Errorf("%d %v %v", resp.StatusCode, w.Calls()[0].Conversation, resp.Header)
	}
}

func TestSDKBearerKey(t *testing.T) {
	w := newWorld(t)
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", dialecttest.Key)
	if _, err := invoke(t, w, "m", titanBody); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "tg_other")
	if _, err := invoke(t, w, "m", titanBody); code(err) != "UnrecognizedClientException" {
		t.Errorf("an unknown key: %v", err)
	}
}

func headersOf(name, value string) []string {
	if name == "" {
		return nil
	}
	return []string{name, value}
}
