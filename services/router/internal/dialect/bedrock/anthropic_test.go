package bedrock_test

import (
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
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
