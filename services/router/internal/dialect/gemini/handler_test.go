package gemini_test

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
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/gemini"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")) // of the clients in the tests
}

const (
	models = "/gemini/v1beta/models"
	ask    = models + "/gemini-2.5-flash:generateContent"
	live   = models + "/gemini-2.5-flash:streamGenerateContent"
	hi     = `{"contents":[{"role":"user","parts":[{"text":"Hi there"}]}]}`
)

func TestRefusals(t *testing.T) {
	w := newWorld(t, "native")
	tests := []struct {
		name, method, path, body string
		headers                  []string
		code                     int
		status, reason, field    string
	}{
		{"unknown path", "POST", "/gemini/v1beta/files", "{}", nil, 404, "UNIMPLEMENTED", "UNIMPLEMENTED", ""},
		{"unknown verb", "POST", models + "/m:predict", "{}", nil, 404, "UNIMPLEMENTED", "UNIMPLEMENTED", ""},
		{"no verb", "POST", models + "/m", "{}", nil, 404, "UNIMPLEMENTED", "UNIMPLEMENTED", ""},
		{"method", "PUT", ask, "", nil, 405, "UNIMPLEMENTED", "UNIMPLEMENTED", ""},
		{"no key", "POST", ask, hi, []string{"X-Goog-Api-Key", ""}, 401, "UNAUTHENTICATED", "UNAUTHENTICATED", ""},
		{"wrong key", "POST", ask, hi, []string{"X-Goog-Api-Key", "x"}, 401, "UNAUTHENTICATED", "UNAUTHENTICATED", ""},
		{"too large", "POST", ask, `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, "", "BODY_TOO_LARGE", ""},
		{"not JSON", "POST", live, `{`, nil, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", ""},
		{"field", "POST", ask, `{"contents":[{"role":"robot","parts":[{"text":"a"}]}]}`, nil, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "contents[0].role"},
		{"count", "POST", models + "/m:countTokens", `{}`, nil, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "contents"},
		{"context", "POST", ask, hi, []string{"X-Tollgate-Context", "all"}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "x-tollgate-context"},
		{"model", "GET", models + "/none", "", nil, 404, "NOT_FOUND", "MODEL_NOT_FOUND", "model"},
		{"embedding", "POST", models + "/m:embedContent", `{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}`, nil, 400, "INVALID_ARGUMENT", "UNSUPPORTED", "taskType"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := w.do(t, tt.method, tt.path, tt.body, tt.headers...)
			var got struct {
				Error struct {
					Code            int
					Status, Message string
					Details         []struct {
						Reason          string
						FieldViolations []struct{ Field string }
					}
				}
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			field := ""
			for _, d := range got.Error.Details {
				for _, v := range d.FieldViolations {
					field = v.Field
				}
			}
			if resp.StatusCode != tt.code || tt.status != "" && got.Error.Status != tt.status || got.Error.Details[0].Reason != tt.reason || field != tt.field || got.Error.Message == "" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
	if len(w.Calls()) > 0 {
		t.Errorf("%d refused requests reached the pipeline", len(w.Calls()))
	}
}

func TestViewerMayNotAsk(t *testing.T) {
	w := newWorld(t, "native")
	mux := http.NewServeMux()
	dialect.New(w.Gateway, keys{dialecttest.Keys{Role: auth.RoleViewer}}).Register(mux)
	r := httptest.NewRequest(http.MethodPost, ask, strings.NewReader(hi))
	r.Header.Set("X-Goog-Api-Key", key)
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, r)
	if rec.Code != http.StatusForbidden || len(w.Calls()) > 0 {
		t.Errorf("got %d", rec.Code)
	}
}

func TestCall(t *testing.T) {
	w := newWorld(t, "native")
	for _, path := range []string{"/gemini/v1/models/a/b:7b:generateContent", ask} {
		w.do(t, "POST", path, hi, "X-Tollgate-Collections", "handbook, collections/faq", "X-Tollgate-Context", "none")
	}
	first, second := w.Calls()[0], w.Calls()[1]
	if !slices.Equal(first.Options.GetCollections(), []string{"collections/handbook", "collections/faq"}) || !first.Options.GetNoContext() {
		t.Errorf("options %v", first.Options)
	}
	if first.Conversation.GetModel() != "a/b:7b" || second.Conversation.GetModel() != "gemini-2.5-flash" || second.Native == nil || second.Principal.Organization != "acme" {
		t.Errorf("calls %+v, %+v", first, second)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t, "native")
	want := map[string]string{
		"X-Tollgate-Request-Id": "req_1", "X-Tollgate-Target": "east", "X-Tollgate-Attempts": "2",
		"X-Tollgate-Cost-Nanousd": "1234", "X-Tollgate-Guardrail": "mask; email=2",
	}
	resp, _ := w.do(t, "POST", ask, hi)
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for _, alt := range []string{"?alt=sse", ""} {
		resp, _ = w.do(t, "POST", live+alt, hi)
		for name, value := range want {
			from := resp.Header
			if name == "X-Tollgate-Cost-Nanousd" || name == "X-Tollgate-Guardrail" {
				from = resp.Trailer
			}
			if got := from.Values(name); !slices.Equal(got, []string{value}) {
				t.Errorf("stream, %s: %q, want %q", name, got, value)
			}
		}
	}
}

// A client of the same dialect gets the provider's bytes, as events or as an array.
func TestStreamIsUntouched(t *testing.T) {
	w := newWorld(t, "native")
	path := models + "/unknown-fields:streamGenerateContent"
	resp, got := w.do(t, "POST", path+"?alt=sse", hi)
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") || !strings.Contains(got, `"xCandidate":{"kept":true}`) ||
		!strings.Contains(got, `"xTop":[1,"two"]`) || !strings.HasSuffix(got, "\r\n\r\n") || !strings.HasPrefix(got, "data: {") {
		t.Errorf("got %s", got)
	}
	resp, got = w.do(t, "POST", path, hi)
	var array []map[string]any
	if err := json.Unmarshal([]byte(got), &array); err != nil || len(array) < 3 || array[0]["xTop"] == nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v: %s", err, got)
	}
}

func TestStreamErrorHasNoEnd(t *testing.T) {
	w := newWorld(t, "native")
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	resp, got := w.do(t, "POST", live+"?alt=sse", strings.Replace(hi, "Hi there", "one two three four", 1))
	if resp.StatusCode != 200 || strings.Contains(got, "finishReason") || strings.Count(got, `data: {"error":`) != 1 {
		t.Errorf("got %s", got)
	}
	_, got = w.do(t, "POST", live, strings.Replace(hi, "Hi there", "one two three four", 1))
	var array []map[string]any
	if err := json.Unmarshal([]byte(got), &array); err != nil || array[len(array)-1]["error"] == nil || strings.Contains(got, "finishReason") {
		t.Errorf("%v: %s", err, got)
	}
}

func TestModels(t *testing.T) {
	w := newWorld(t, "native")
	for path, want := range map[string]string{models: `"models/org/model"`, models + "/org/model": `"name":"models/org/model"`, "/gemini/v1/models": `"models/gpt-4o-mini"`} {
		if resp, got := w.do(t, "GET", path, ""); resp.StatusCode != 200 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, got)
		}
	}
}
