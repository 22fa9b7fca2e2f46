package converse

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

const fullAnswer = `{"metrics":{"latencyMs":12},"output":{"message":{"x":1,"content":[
 {"reasoningContent":{"reasoningText":{"signature":"sig","text":"let me"}}},
 {"reasoningContent":{"redactedContent":"c2VjcmV0"}},
 {"text":"Gr\u00fc\u00dfe [1]"},
 {"citationsContent":{"citations":[{"title":"T","source":"s","location":{"web":{"url":"https://e.org/","domain":"e.org"}}},{"source":"s3://b"}],"content":[{"text":"a"},{"text":"b"}]}},
 {"toolUse":{"input":{"q" : 1.0},"name":"find","toolUseId":"c1"}}],"role":"assistant"}},
 "stopReason":"tool_use","trace":{"guardrail":{}},
 "usage":{"inputTokens":10,"outputTokens":5,"totalTokens":115,"cacheReadInputTokens":60,"cacheWriteInputTokens":40,"cacheDetails":[{"ttl":"1h","inputTokens":30},{"ttl":"5m","inputTokens":10}]}}`

const fullCompletion = `
candidates { finish_reason: FINISH_REASON_TOOL_CALLS message { role: ROLE_ASSISTANT
  parts { thinking { text: "let me" signature: "sig" } } parts { thinking { redacted: "secret" } }
  parts { text { text: "Grüße [1]" } }
  parts { text { text: "a" citations { title: "T" uri: "https://e.org/" } citations { uri: "s3://b" } } } parts { text { text: "b" } }
  parts { tool_call { id: "c1" name: "find" arguments: "{\"q\" : 1.0}" } } } }
usage { input_tokens: 10 output_tokens: 5 cache_read_tokens: 60 cache_write_5m_tokens: 10 cache_write_1h_tokens: 30 source: USAGE_SOURCE_PROVIDER }`

func completion(t testing.TB, text string) *llmv1.Completion {
	t.Helper()
	c := &llmv1.Completion{}
	if err := prototext.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecodeCompletion(t *testing.T) {
	c, err := DecodeCompletion([]byte(fullAnswer))
	if want := completion(t, fullCompletion); err != nil || !proto.Equal(c, want) {
		t.Errorf("got  %v, %v\nwant %v", c, err, want)
	}
	for body, reason := range map[string]llmv1.FinishReason{
		"end_turn": llmv1.FinishReason_FINISH_REASON_STOP, "stop_sequence": llmv1.FinishReason_FINISH_REASON_STOP,
		"max_tokens": llmv1.FinishReason_FINISH_REASON_LENGTH, "model_context_window_exceeded": llmv1.FinishReason_FINISH_REASON_LENGTH,
		"guardrail_intervened": llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, "content_filtered": llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER,
		"refusal": llmv1.FinishReason_FINISH_REASON_REFUSAL, "pause_turn": llmv1.FinishReason_FINISH_REASON_PAUSE,
		"malformed_tool_use": llmv1.FinishReason_FINISH_REASON_LENGTH, "new": llmv1.FinishReason_FINISH_REASON_STOP,
	} {
		c, err := DecodeCompletion([]byte(`{"output":{"message":{"content":[]}},"stopReason":"` + body + `","additionalModelResponseFields":{"stop_sequence":"END"}}`))
		if err != nil || c.Candidates[0].FinishReason != reason || c.Candidates[0].StopSequence != "END" || c.Usage != nil {
			t.Errorf("%s: %v, %v", body, c, err)
		}
	}
	c, err = DecodeCompletion([]byte(`{"output":{"message":{"content":[{"text":"x"}]}},"usage":{"inputTokens":0,"outputTokens":0}}`))
	if err != nil || !proto.Equal(c.Usage, &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}) {
		t.Errorf("zeros: %v, %v", c, err)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"output":{}}`, `{"output":{"message":{}}}`, fullAnswer[:len(fullAnswer)-1], fullAnswer + "x", `{"output":{"message":{"content":[1]}}}`} {
		if c, err := DecodeCompletion([]byte(bad)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%.40s: got %v, %v", bad, c, err)
		}
	}
}

// What was not changed goes on byte for byte.
func TestEncodeAnswerUntouched(t *testing.T) {
	a := &provider.Answer{Completion: completion(t, fullCompletion), Native: []byte(fullAnswer), Dialect: Dialect}
	if got := EncodeAnswer(a, nil, 0); string(got) != fullAnswer {
		t.Errorf("got %s", got)
	}
}

func TestEncodeAnswerRevised(t *testing.T) {
	a := &provider.Answer{Completion: completion(t, fullCompletion), Native: []byte(fullAnswer), Dialect: Dialect}
	parts := a.Completion.Candidates[0].Message.Parts
	parts[0].GetThinking().Text = "[X]"
	parts[2].GetText().Text = `"[1]"`
	parts[5].GetToolCall().Arguments = `{"q":"[X]"}`
	a.Completion.Candidates[0].FinishReason = llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	want := strings.NewReplacer("let me", "[X]", `Gr\u00fc\u00dfe [1]`, `\"[1]\"`, `{"q" : 1.0}`, `{"q":"[X]"}`, `"tool_use"`, `"content_filtered"`,
		`"toolUseId":"c1"}}]`, `"toolUseId":"c1"}},{"citationsContent":{"content":[],"citations":[{"title":"D","source":"https://d/","location":{"web":{"url":"https://d/"}}}]}}]`).Replace(fullAnswer)
	sources := []*llmv1.Citation{{Marker: "1", Title: "D", Uri: "https://d/"}, {Marker: "2", Title: "E"}}
	if got := EncodeAnswer(a, sources, 0); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// An answer of another form, or one with content that nobody has looked at, is
// written anew.
func TestEncodeAnswerAnew(t *testing.T) {
	c := completion(t, fullCompletion)
	c.Candidates[0].Message.Parts[2].GetText().Text = "B"
	for name, a := range map[string]*provider.Answer{
		"other dialect": {Completion: c, Native: []byte(`{}`), Dialect: "openai"},
		"shape":         {Completion: c, Native: []byte(`{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn"}`), Dialect: Dialect},
		"unknown block": {Completion: c, Native: []byte(strings.Replace(fullAnswer, `{"text"`, `{"video":{"text":"bad"}},{"text"`, 1)), Dialect: Dialect},
		"no arguments":  {Completion: c, Native: []byte(strings.Replace(fullAnswer, `"input":{"q" : 1.0},`, ``, 1)), Dialect: Dialect},
	} {
		sameJSON(t, name, string(EncodeAnswer(a, nil, 3*time.Millisecond)), `{"output":{"message":{"role":"assistant","content":[
			{"reasoningContent":{"reasoningText":{"text":"let me","signature":"sig"}}},{"reasoningContent":{"redactedContent":"c2VjcmV0"}},
			{"text":"B"},{"text":"a"},{"text":"b"},{"toolUse":{"toolUseId":"c1","name":"find","input":{"q":1}}},
			{"citationsContent":{"content":[],"citations":[{"title":"T","source":"https://e.org/","location":{"web":{"url":"https://e.org/"}}},{"title":"","source":"s3://b"}]}}]}},
			"stopReason":"tool_use","usage":{"inputTokens":10,"outputTokens":5,"totalTokens":115,"cacheReadInputTokens":60,"cacheWriteInputTokens":40,
			"cacheDetails":[{"ttl":"1h","inputTokens":30},{"ttl":"5m","inputTokens":10}]},"metrics":{"latencyMs":3}}`)
	}
}

func FuzzDecodeCompletion(f *testing.F) {
	f.Add([]byte(fullAnswer))
	f.Add([]byte(`{"output":{"message":{"content":[{"citationsContent":{"content":[{"text":null}]}},{"toolUse":null}]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeCompletion(raw)
		if err != nil {
			return
		}
		if got := EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, nil, 0); len(got) == 0 {
			t.Fatal("nothing")
		}
		again, err := DecodeCompletion(EncodeCompletion(c, nil, 0))
		if err != nil {
			t.Fatalf("%v of %v", err, c)
		}
		if again.Candidates[0].FinishReason == llmv1.FinishReason_FINISH_REASON_UNSPECIFIED {
			t.Fatalf("no reason in %v", again)
		}
	})
}

func TestDecodeError(t *testing.T) {
	const (
		limited  = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		auth     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
		rejected = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
		down     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		nowhere  = llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
		late     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
		long     = llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
		filtered = llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
	)
	for _, test := range []struct {
		status       int
		header, body string
		reason       llmv1.ErrorReason
	}{
		{429, "ThrottlingException", `{"message":"slow"}`, limited},
		{429, "ModelNotReadyException:http://internal.amazon.com/x", `{}`, limited},
		{400, "ServiceQuotaExceededException", `{}`, limited},
		{403, "AccessDeniedException", `{"message":"no"}`, auth},
		{403, "", `{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"bad token"}`, auth},
		{403, "", `{"Message":"Authentication failed"}`, auth},
		{404, "ResourceNotFoundException", `{}`, nowhere},
		{408, "ModelTimeoutException", `{}`, late},
		{424, "ModelErrorException", `{}`, down},
		{500, "InternalServerException", `{}`, down},
		{503, "ServiceUnavailableException", `{}`, down},
		{400, "ValidationException", `{"message":"Input is too long for requested model."}`, long},
		{400, "ValidationException", `{"message":"prompt is too long: 210000 tokens > 200000 maximum"}`, long},
		{400, "ValidationException", `{"message":"The provided model identifier is invalid."}`, nowhere},
		{400, "ValidationException", `{"message":"Invocation of model ID x with on-demand throughput isn’t supported."}`, nowhere},
		{400, "ValidationException", `{"message":"Output blocked by content filtering policy: content filter"}`, filtered},
		{400, "ValidationException", `{"message":"maxTokens too big, secret sk-1"}`, rejected},
		{400, "", `<html>`, rejected},
		{502, "", ``, down},
	} {
		h := http.Header{"Retry-After": {"7"}}
		if test.header != "" {
			h.Set("x-amzn-ErrorType", test.header)
		}
		err := DecodeError(test.status, h, []byte(test.body))
		e := errs.From(err)
		if e.Reason != test.reason || e.RetryAfter != 7*time.Second {
			t.Errorf("%d %s %s: got %v after %v", test.status, test.header, test.body, err, e.RetryAfter)
		}
		if strings.Contains(e.Message+err.Error(), "sk-1") {
			t.Errorf("the provider's text shows in %v", err)
		}
	}
}

func TestErrorFace(t *testing.T) {
	for reason, want := range map[llmv1.ErrorReason]string{
		llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT: "ValidationException", llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED: "ThrottlingException",
		llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND: "ResourceNotFoundException", llmv1.ErrorReason_ERROR_REASON_INTERNAL: "InternalServerException",
		llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED: "UnrecognizedClientException", llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED: "ValidationException",
		llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED: "ServiceQuotaExceededException",
	} {
		e := errs.New(reason, "it \"is\"")
		if got := ErrorType(e); got != want {
			t.Errorf("%v: got %s", reason, got)
		}
		if got := string(AppendError(nil, e)); got != `{"message":"it \"is\""}` {
			t.Errorf("%v: got %s", reason, got)
		}
	}
}
