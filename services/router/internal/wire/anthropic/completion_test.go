package anthropic

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestDecodeCompletion(t *testing.T) {
	c, err := DecodeCompletion(golden(t, "answers/full.json"))
	if err != nil {
		t.Fatal(err)
	}
	said := newText("Zürich")
	said.GetText().Citations = []*llmv1.Citation{{Title: "T", Uri: "https://a"}}
	want := &llmv1.Completion{
		Id: "msg_01", Model: "claude-sonnet-4-5",
		Candidates: []*llmv1.Candidate{{
			FinishReason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS,
			Message: turn(assistant, newThinking("t\n", "s"), newRedacted("b3BhcXVl"), said,
				newToolCall("toolu_1", "find", `{"q" : "x\/y", "n":1.50e+1}`)),
		}},
		Usage: &llmv1.Usage{
			InputTokens: 12, CacheReadTokens: 5, CacheWrite_5MTokens: 10, CacheWrite_1HTokens: 20,
			OutputTokens: 49, ReasoningTokens: 40, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER,
		},
	}
	if !proto.Equal(c, want) {
		t.Errorf("got  %v\nwant %v", c, want)
	}
	for body, reason := range map[string]llmv1.ErrorReason{
		`{`:               llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		`[]`:              llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		`{"id":"x"}`:      llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		`{"content":[1]}`: llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		`{"content":[{"type":"tool_use","id":"a"}]}`:                         llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		`{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`: llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	} {
		if _, err := DecodeCompletion([]byte(body)); !errs.Is(err, reason) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	if c, err := DecodeCompletion([]byte(`{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":0,"output_tokens":0}}`)); err != nil || c.GetUsage() == nil {
		t.Errorf("zero usage: %v, %v", c, err)
	}
	if c, err := DecodeCompletion([]byte(`{"content":[],"stop_reason":"end_turn"}`)); err != nil || c.GetUsage() != nil {
		t.Errorf("no usage: %v, %v", c, err)
	}
}

// An answer that nobody changes leaves as it came; one in canonical form says
// the same again.
func TestAnswerRoundTrip(t *testing.T) {
	for _, name := range []string{"full", "expressible"} {
		raw := golden(t, "answers/"+name+".json")
		c, err := DecodeCompletion(raw)
		if err != nil {
			t.Fatal(err)
		}
		if out := EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, nil); !bytes.Equal(out, raw) {
			t.Errorf("%s: got %s", name, out)
		}
		encoded := EncodeCompletion(c, nil)
		if name == "expressible" && !sameJSON(t, encoded, raw) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, encoded, raw)
		}
		again, err := DecodeCompletion(encoded)
		if err != nil || !proto.Equal(again.GetUsage(), c.GetUsage()) || !proto.Equal(again.GetCandidates()[0], c.GetCandidates()[0]) {
			t.Errorf("%s: the second time %v, %v", name, again, err)
		}
	}
}

func TestEncodeAnswerRevised(t *testing.T) {
	raw := golden(t, "answers/full.json")
	c, err := DecodeCompletion(raw)
	if err != nil {
		t.Fatal(err)
	}
	parts := c.GetCandidates()[0].GetMessage().GetParts()
	parts[2].GetText().Text = "masked \"[1]\""
	parts[3].GetToolCall().Arguments = `{"q":"*"}`
	c.Candidates[0].FinishReason = llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	sources := []*llmv1.Citation{{Marker: "1", Title: "One", Uri: "https://one"}}
	out := string(EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, sources))
	for _, want := range []string{
		`"text":"masked \"[1]\""`, `"input":{"q":"*"}`, `"stop_reason":"refusal"`, `"x_block":1`, `"encrypted_index":"e"},{"type":"search_result_location"`, `"source":"https://one"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	if again, err := DecodeCompletion([]byte(out)); err != nil || again.GetCandidates()[0].GetMessage().GetParts()[2].GetText().GetText() != "masked \"[1]\"" {
		t.Errorf("got %v, %v", again, err)
	}
	// Another shape: the canonical form wins as a whole.
	c.Candidates[0].Message.Parts = parts[2:3]
	out = string(EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, nil))
	if strings.Contains(out, "x_block") || !strings.Contains(out, "masked") || strings.Contains(out, "toolu_1") {
		t.Errorf("got %s", out)
	}
}

func TestDecodeError(t *testing.T) {
	body := func(kind, message string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + message + ` sk-leak http://10.1.2.3"},"request_id":"req_1"}`
	}
	const (
		rejected    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		auth        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	)
	for _, tt := range []struct {
		status int
		body   string
		want   llmv1.ErrorReason
		public string
	}{
		{400, body("invalid_request_error", "max_tokens: Field required"), rejected, "the provider refused the request: invalid_request_error: max_tokens"},
		{400, body("invalid_request_error", "prompt is too long: 5 tokens > 4 maximum"), llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, ""},
		{400, body("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, ""},
		{400, body("invalid_request_error", "Output blocked by content filtering policy"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, ""},
		{400, body("invalid_request_error", "Your credit balance is too low"), auth, ""},
		{401, body("authentication_error", "x"), auth, ""},
		{403, body("permission_error", "x"), auth, ""},
		{404, body("not_found_error", "model: x"), llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, ""},
		{413, body("request_too_large", "x"), rejected, ""},
		{429, body("rate_limit_error", "x"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, ""},
		{500, body("api_error", "x"), unavailable, ""},
		{504, body("timeout_error", "x"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, ""},
		{529, body("overloaded_error", "x"), unavailable, ""},
		{529, ``, unavailable, ""},
		{503, `<html>`, unavailable, ""},
		{429, `{"error":"slow down"}`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, ""},
		{400, `{"error":null}`, rejected, ""},
		{418, body("new_error", "x"), rejected, ""},
	} {
		err := DecodeError(tt.status, http.Header{"Retry-After": {"2"}}, []byte(tt.body))
		e := errs.From(err)
		if e.Reason != tt.want || tt.public != "" && e.Message != tt.public || e.RetryAfter != 2*time.Second {
			t.Errorf("%d %s: got %v %q %v", tt.status, tt.body, e.Reason, e.Message, e.RetryAfter)
		}
		if shown := e.Message + e.LogValue().String(); strings.Contains(shown, "sk-leak") || strings.Contains(shown, "10.1.2.3") {
			t.Errorf("%q leaks", shown)
		}
	}
}

func TestAppendError(t *testing.T) {
	e := errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "the target cannot").WithField("tools[0]")
	want := `{"type":"error","error":{"type":"invalid_request_error","message":"tools[0]: the target cannot","code":"unsupported","param":"tools[0]"}}`
	if got := string(AppendError(nil, e)); got != want {
		t.Errorf("got %s", got)
	}
	for reason := range llmv1.ErrorReason_name {
		kind := kindOfError(errs.New(llmv1.ErrorReason(reason), ""))
		switch kind {
		case "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large",
			"rate_limit_error", "timeout_error", "overloaded_error", "api_error", "billing_error":
		default:
			t.Errorf("%v: no SDK knows %q", llmv1.ErrorReason(reason), kind)
		}
	}
}

func TestCountAndModels(t *testing.T) {
	if n, err := DecodeCount([]byte(`{"x":1,"input_tokens":42}`)); err != nil || n != 42 {
		t.Errorf("got %d, %v", n, err)
	}
	for _, body := range []string{``, `{}`, `[]`, `{"input_tokens":"1"}`, `{"input_tokens":1`} {
		if _, err := DecodeCount([]byte(body)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	if got := string(EncodeModels(nil)); got != `{"data":[],"has_more":false,"first_id":null,"last_id":null}` {
		t.Errorf("got %s", got)
	}
}
