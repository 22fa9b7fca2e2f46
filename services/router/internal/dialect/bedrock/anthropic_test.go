package bedrock_test

import (
	"encoding/json"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	fake "github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	adapter "github.com/tollgate/tollgate/services/router/internal/provider/anthropic"
)

const anthropicBody = `{"anthropic_version":"bedrock-2023-05-31","max_tokens":100,"system":"Be brief.","messages":[{"role":"user","content":"one two\n\"three\" 😀"}]}`

func TestSDKInvokesAnthropic(t *testing.T) {
	w := newWorld(t)
	const want = "You said: one two\n\"three\" 😀"
	whole, err := invoke(t, w, arn, anthropicBody)
	if err != nil {
		t.Fatal(err)
	}
	content := whole["content"].([]any)[0].(map[string]any)
	if content["type"] != "text" || content["text"] != want || whole["stop_reason"] != "end_turn" || whole["role"] != "assistant" {
		t.Errorf("got %v", whole)
	}
	chunks, err := invokeStream(t, w, arn, anthropicBody)
	if err != nil {
		t.Fatal(err)
	}
	text, stop := "", any(nil)
	for _, c := range chunks {
		switch c["type"] {
		case "content_block_delta":
			text += c["delta"].(map[string]any)["text"].(string)
		case "message_delta":
			stop = c["delta"].(map[string]any)["stop_reason"]
		case "ping", "error":
			t.Errorf("unexpected %v", c)
		}
	}
	last := chunks[len(chunks)-1]
	metrics, _ := last["amazon-bedrock-invocationMetrics"].(map[string]any)
	if chunks[0]["type"] != "message_start" || last["type"] != "message_stop" || text != want || stop != "end_turn" ||
		metrics["inputTokenCount"].(float64) <= 0 || metrics["outputTokenCount"].(float64) <= 0 {
		t.Errorf("%q, %v, last %v", text, stop, last)
	}
	for _, call := range w.Calls() {
		if call.Conversation.GetModel() != arn || call.Native.Dialect() != "anthropic" {
			t.Errorf("asked %v as %s", call.Conversation, call.Native.Dialect())
		}
	}
	if c := w.Calls()[1].Native; len(c.Unexpressed()) > 0 {
		t.Errorf("unexpressed %v", c.Unexpressed())
	}
}

func TestSDKAnthropicStreamIsBlocked(t *testing.T) {
	w := newWorld(t)
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
	chunks, err := invokeStream(t, w, "m", anthropicBody)
	if err != nil || chunks[len(chunks)-1]["type"] != "message_stop" {
		t.Fatalf("%v, %v", chunks, err)
	}
	var stop any
	for _, c := range chunks {
		if c["type"] == "message_delta" {
			stop = c["delta"].(map[string]any)["stop_reason"]
		}
	}
	if stop != "refusal" {
		t.Errorf("stop reason %v", stop)
	}
}

func TestSDKAnthropicStreamFails(t *testing.T) {
	w := newWorld(t)
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	chunks, err := invokeStream(t, w, "m", anthropicBody)
	if code(err) != "ModelStreamErrorException" || chunks[len(chunks)-1]["type"] == "message_stop" {
		t.Errorf("%v, %v", chunks, err)
	}
}

// newAnthropicWorld has a target that speaks the format of the body.
func newAnthropicWorld(t *testing.T) (*world, *fake.Server) {
	t.Helper()
	up := fake.New(t)
	return newWorldOn(t, auth.RoleDeveloper, adapter.New, provider.Target{Name: "t", BaseURL: up.BaseURL(), APIKey: secret.New("sk-test")}), up
}

func TestSDKAnthropicNative(t *testing.T) {
	w, up := newAnthropicWorld(t)
	const body = `{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07","x"],"max_tokens":2000,` +
		`"thinking":{"type":"enabled","budget_tokens":1024},"service_tier":"standard_only",` +
		`"messages":[{"role":"user","content":[{"type":"text","text":"one two","cache_control":{"type":"ephemeral"}}]}]}`
	whole, err := invoke(t, w, arn, body)
	if err != nil {
		t.Fatal(err)
	}
	var asked map[string]any
	if err := json.Unmarshal(up.Last().Body, &asked); err != nil {
		t.Fatal(err)
	}
	if asked["model"] != arn || asked["anthropic_version"] != nil || asked["anthropic_beta"] != nil || asked["service_tier"] != "standard_only" || asked["stream"] == true {
		t.Errorf("asked %s", up.Last().Body)
	}
	if got := up.Last().Header.Get("Anthropic-Beta"); got != "context-1m-2025-08-07,x" {
		t.Errorf("betas %q", got)
	}
	chunks, err := invokeStream(t, w, arn, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(up.Last().Body, &asked); err != nil || asked["stream"] != true {
		t.Errorf("asked %s", up.Last().Body)
	}
	text, thinking, signature := "", "", ""
	for _, c := range chunks {
		if delta, ok := c["delta"].(map[string]any); ok {
			text += textOf(delta["text"])
			thinking += textOf(delta["thinking"])
			signature += textOf(delta["signature"])
		}
		if c["type"] == "ping" {
			t.Error("a ping, which Bedrock never sends")
		}
	}
	blocks := whole["content"].([]any)
	first, last := blocks[0].(map[string]any), blocks[len(blocks)-1].(map[string]any)
	if text == "" || text != last["text"] || thinking == "" || thinking != first["thinking"] || signature != first["signature"] {
		t.Errorf("streamed %q, %q, %q; whole %v", text, thinking, signature, whole)
	}
	end := chunks[len(chunks)-1]
	usage, metrics := whole["usage"].(map[string]any), end["amazon-bedrock-invocationMetrics"].(map[string]any)
	if end["type"] != "message_stop" || metrics["inputTokenCount"] != usage["input_tokens"] || metrics["outputTokenCount"] != usage["output_tokens"] {
		t.Errorf("ends with %v, usage %v", end, usage)
	}
}

func textOf(value any) string {
	text, _ := value.(string)
	return text
}

func TestBetasAreChecked(t *testing.T) {
	w, up := newAnthropicWorld(t)
	for _, betas := range []string{`"a"`, `[1]`, `["a b"]`, `["a,b"]`, `[""]`, `["a\r\nX-Y: z"]`, `[` + strings.Repeat(`"a",`, 32) + `"a"]`} {
		_, err := invoke(t, w, "m", `{"anthropic_beta":`+betas+`,`+anthropicBody[1:])
		if code(err) != "ValidationException" || !strings.Contains(err.Error(), "anthropic_beta") {
			t.Errorf("%s: %v", betas, err)
		}
	}
	if _, err := invoke(t, w, "m", `{"anthropic_beta":null,`+anthropicBody[1:]); err != nil {
		t.Error(err)
	}
	if n := len(up.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
