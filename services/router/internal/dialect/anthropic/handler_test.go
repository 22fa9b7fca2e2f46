package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

const (
	path = "/anthropic/v1/messages"
	hi   = `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi there"}]}`
	live = `{"model":"m","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"Hi there"}]}`
)

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		kind, code, param        string
	}{
		{"unknown path", "POST", "/anthropic/v1/complete", "{}", nil, 404, "not_found_error", "unimplemented", ""},
		{"method", "GET", path, "", nil, 405, "not_found_error", "unimplemented", ""},
		{"no key", "POST", path, hi, []string{"X-Api-Key", ""}, 401, "authentication_error", "unauthenticated", ""},
		{"wrong key", "POST", path, hi, []string{"X-Api-Key", "x"}, 401, "authentication_error", "unauthenticated", ""},
		{"too large", "POST", path, `{"model":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, "request_too_large", "body_too_large", ""},
		{"not JSON", "POST", path, `{`, nil, 400, "invalid_request_error", "invalid_argument", ""},
		{"field", "POST", path, `{"model":"m","max_tokens":1,"messages":[{"role":"robot"}]}`, nil, 400, "invalid_request_error", "invalid_argument", "messages[0].role"},
		{"beta", "POST", path, hi, []string{"Anthropic-Beta", "a b"}, 400, "invalid_request_error", "invalid_argument", "anthropic-beta"},
		{"betas", "POST", path, hi, []string{"Anthropic-Beta", strings.Repeat("a,", 33)}, 400, "invalid_request_error", "invalid_argument", "anthropic-beta"},
		{"context", "POST", path, hi, []string{"X-Tollgate-Context", "all"}, 400, "invalid_request_error", "invalid_argument", "x-tollgate-context"},
		{"count", "POST", path + "/count_tokens", `{"model":"m"}`, nil, 400, "invalid_request_error", "invalid_argument", "messages"},
		{"model", "GET", "/anthropic/v1/models/none", "", nil, 404, "not_found_error", "model_not_found", "model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := w.do(t, tt.method, tt.path, tt.body, tt.headers...)
			var got struct {
				Type  string
				Error struct{ Type, Code, Message, Param string }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			e := got.Error
			if resp.StatusCode != tt.status || got.Type != "error" || e.Type != tt.kind || e.Code != tt.code || e.Param != tt.param || e.Message == "" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
}

// The same API under both prefixes, and by a bearer token too.
func TestPaths(t *testing.T) {
	w := newWorld(t)
	for _, prefix := range []string{"/v1/messages", path} {
		for _, headers := range [][]string{nil, {"X-Api-Key", "", "Authorization", "Bearer tg_test"}} {
			resp, body := w.do(t, "POST", prefix, hi, headers...)
			if resp.StatusCode != 200 || !strings.Contains(body, "You said: Hi there") || resp.Header.Get("X-Tollgate-Target") != "east" {
				t.Errorf("%s: %d %s", prefix, resp.StatusCode, body)
			}
		}
		if resp, body := w.do(t, "POST", prefix+"/count_tokens?beta=true", hi); resp.StatusCode != 200 || body != `{"input_tokens":2}` {
			t.Errorf("%s: %d %s", prefix, resp.StatusCode, body)
		}
	}
}

// A client of the same dialect gets the provider's bytes.
func TestStreamIsUntouched(t *testing.T) {
	w := newWorld(t)
	resp, got := w.do(t, "POST", path, live)
	if resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || !strings.HasPrefix(got, "event: message_start\ndata: {\"message\":{") ||
		!strings.Contains(got, "event: ping\n") || !strings.HasSuffix(got, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
		t.Errorf("got %s", got)
	}
	if string(w.upstream.Last().Body) != live {
		t.Errorf("sent %s", w.upstream.Last().Body)
	}
}

func TestStreamErrorHasNoEnd(t *testing.T) {
	w := newWorld(t)
	w.After, w.Reason = 4, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	resp, got := w.do(t, "POST", path, live)
	if resp.StatusCode != 200 || strings.Contains(got, "message_stop") || strings.Count(got, "event: error\n") != 1 ||
		!strings.HasSuffix(got, `"code":"stream_interrupted"}}`+"\n\n") {
		t.Errorf("got %s", got)
	}
}
