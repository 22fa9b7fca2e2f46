package openai_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/openai"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(nil), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")) // of the clients in the tests
}

const (
	chat = "/v1/chat/completions"
	hi   = `{"model":"m","messages":[{"role":"user","content":"Hi there"}]}`
	live = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi there"}]}`
)

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, param              string
	}{
		{"unknown path", "POST", "/v1/completions", "{}", nil, 404, "unimplemented", ""},
		{"method", "GET", chat, "", nil, 405, "unimplemented", ""},
		{"no key", "POST", chat, hi, []string{"Authorization", ""}, 401, "invalid_api_key", ""},
		{"wrong key", "POST", chat, hi, []string{"Authorization", "Bearer x"}, 401, "invalid_api_key", ""},
		{"too large", "POST", chat, `{"model":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, "request_too_large", ""},
		{"not JSON", "POST", chat, `{`, nil, 400, "invalid_value", ""},
		{"field", "POST", chat, `{"model":"m","messages":[{"role":"robot"}]}`, nil, 400, "invalid_value", "messages[0].role"},
		{"context", "POST", chat, hi, []string{"X-Tollgate-Context", "all"}, 400, "invalid_value", "x-tollgate-context"},
		{"collections", "POST", chat, hi, []string{"X-Tollgate-Collections", strings.Repeat("a,", 65)}, 400, "invalid_value", "x-tollgate-collections"},
		{"model", "GET", "/v1/models/none", "", nil, 404, "model_not_found", "model"},
		{"embedding", "POST", "/v1/embeddings", `{"model":"e","input":[[1]]}`, nil, 400, "unsupported", "input[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := w.do(t, tt.method, tt.path, tt.body, tt.headers...)
			var got struct {
				Error struct {
					Code, Message, Type string
					Param               *string
				}
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			var param string
			if got.Error.Param != nil {
				param = *got.Error.Param
			}
			if resp.StatusCode != tt.status || got.Error.Code != tt.code || param != tt.param || got.Error.Message == "" || got.Error.Type == "" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
	if len(w.Calls()) > 0 {
		t.Errorf("%d refused requests reached the pipeline", len(w.Calls()))
	}
}

func TestViewerMayNotAsk(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	dialect.New(w.Gateway, dialecttest.Keys{Role: auth.RoleViewer}).Register(mux)
	r := httptest.NewRequest(http.MethodPost, chat, strings.NewReader(hi))
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, r)
	if rec.Code != http.StatusForbidden || len(w.Calls()) > 0 {
		t.Errorf("got %d", rec.Code)
	}
}

func TestCall(t *testing.T) {
	w := newWorld(t)
	w.do(t, "POST", chat, hi, "X-Tollgate-Collections", "handbook, collections/faq", "X-Tollgate-Context", "none")
	call := w.Calls()[0]
	if !slices.Equal(call.Options.GetCollections(), []string{"collections/handbook", "collections/faq"}) || !call.Options.GetNoContext() {
		t.Errorf("options %v", call.Options)
	}
	if call.Principal.Organization != "acme" || call.Conversation.GetModel() != "m" || call.Native == nil {
		t.Errorf("call %+v", call)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	want := map[string]string{
		"X-Tollgate-Request-Id": "req_1", "X-Tollgate-Target": "east", "X-Tollgate-Attempts": "2",
		"X-Tollgate-Cost-Nanousd": "1234", "X-Tollgate-Cache": "none", "X-Tollgate-Guardrail": "mask; ip_address=1, email=2",
	}
	resp, _ := w.do(t, "POST", chat, hi)
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	resp, _ = w.do(t, "POST", chat, live)
	for name, value := range want {
		from := resp.Header
		if name == "X-Tollgate-Cost-Nanousd" || name == "X-Tollgate-Guardrail" {
			from = resp.Trailer
		}
		if got := from.Values(name); !slices.Equal(got, []string{value}) {
			t.Errorf("stream, %s: %q, want %q", name, got, value)
		}
	}
	w.Report.Unpriced = true
	if resp, _ = w.do(t, "POST", chat, hi); resp.Header.Get("X-Tollgate-Cost-Nanousd") != "" {
		t.Error("an unpriced model has a cost")
	}
}

// A client of the same dialect gets the provider's bytes, but for the usage
// that only the gateway asked for.
func TestStreamIsUntouched(t *testing.T) {
	w := newWorld(t)
	_, got := w.do(t, "POST", chat, strings.Replace(live, `"stream"`, `"stream_options":{"include_usage":true},"stream"`, 1))
	const usage = `{"choices":[],"created":1750000000,"id":"chatcmpl-fake","model":"m","object":"chat.completion.chunk","system_fingerprint":"fp_fake","usage":{`
	if !strings.Contains(got, "data: "+usage) || strings.Count(got, `"usage":null`) < 3 || !strings.HasSuffix(got, "\n\ndata: [DONE]\n\n") {
		t.Errorf("got %s", got)
	}
	_, got = w.do(t, "POST", chat, live)
	if strings.Contains(got, "usage") || !strings.HasSuffix(got, "\n\ndata: [DONE]\n\n") || !strings.Contains(got, `"content":"Hi "`) {
		t.Errorf("got %s", got)
	}
}

func TestStreamErrorHasNoEnd(t *testing.T) {
	w := newWorld(t)
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	resp, got := w.do(t, "POST", chat, live)
	if resp.StatusCode != 200 || strings.Contains(got, "[DONE]") || strings.Count(got, `data: {"error":`) != 1 ||
		!strings.HasSuffix(got, `"code":"stream_interrupted"}}`+"\n\n") {
		t.Errorf("got %s", got)
	}
}

// A connection goes on living behind a stream, without the stream's deadline.
func TestConnectionAfterStream(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if _, got := w.do(t, "POST", chat, live); !strings.Contains(got, "[DONE]") {
			t.Fatalf("got %s", got)
		}
		if resp, _ := w.do(t, "POST", chat, hi); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
}
