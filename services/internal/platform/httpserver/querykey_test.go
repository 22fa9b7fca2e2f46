package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

const queryKey = "tg_secretInTheQuery"

// shown is what a handler sees of a request.
type shown struct{ query, uri, key string }

func serveQuery(t *testing.T, target string, header http.Header) shown {
	t.Helper()
	var got shown
	server, err := httpserver.New(defaults(), httpserver.Dependencies{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = shown{r.URL.RawQuery, r.RequestURI, r.Header.Get("X-Goog-Api-Key")}
	}))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	return got
}

func TestQueryKeyMovesToItsHeader(t *testing.T) {
	tests := []struct {
		query string
		want  shown
	}{
		{"", shown{uri: "/x"}},
		{"?alt=sse", shown{"alt=sse", "/x?alt=sse", ""}},
		{"?key=k", shown{"", "/x", "k"}},
		{"?alt=sse&key=k&a=%20+b", shown{"alt=sse&a=%20+b", "/x?alt=sse&a=%20+b", "k"}},
		{"?%6Be%79=k%2B", shown{"", "/x", "k+"}},
		{"?KEY=k", shown{"", "/x", "k"}},
		{"?a=1;key=k", shown{"a=1", "/x?a=1", "k"}},
		{"?key=&key=k&key=l", shown{"", "/x", "k"}},
		{"?key", shown{"", "/x", ""}},
		{"?key=%zz", shown{"", "/x", "%zz"}},
		{"?monkey=k&keys=l&a=key", shown{"monkey=k&keys=l&a=key", "/x?monkey=k&keys=l&a=key", ""}},
	}
	for _, tt := range tests {
		if got := serveQuery(t, "/x"+tt.query, nil); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.query, got, tt.want)
		}
	}
	sent := http.Header{"X-Goog-Api-Key": {"mine"}}
	if got := serveQuery(t, "/x?key=k", sent); got != (shown{"", "/x", "mine"}) {
		t.Errorf("beside a header: %+v", got)
	}
	if got := serveQuery(t, "http://gateway/x?key=k&b=1", nil); got != (shown{"b=1", "http://gateway/x?b=1", "k"}) {
		t.Errorf("absolute form: %+v", got)
	}
}

// TestQueryKeyIsSeenNowhere: not in spans, metrics, the log or the answer,
// whether the request goes well, fails or panics.
func TestQueryKeyIsSeenNowhere(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	log := &lockedBuffer{}
	cfg := telemetry.DefaultConfig()
	cfg.MetricsAddr, cfg.SampleRatio = "", 1
	tel, err := telemetry.Setup(t.Context(), cfg, "test",
		telemetry.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(spans)), telemetry.WithLogWriter(log))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tel.Shutdown(context.Background()) }()
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := httpserver.New(defaults(), httpserver.Dependencies{Log: logger, Telemetry: tel},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logger.InfoContext(r.Context(), "asked", "url", r.URL.String(), "uri", r.RequestURI)
			switch r.URL.Path {
			case "/panic":
				panic(r.URL.String())
			case "/fail":
				httpserver.WriteError(w, r, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "no %s", r.RequestURI))
			default:
				_, _ = io.WriteString(w, r.URL.String())
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	edge := httptest.NewServer(server.Handler())
	defer edge.Close()
	var answers strings.Builder
	for _, path := range []string{"/ok", "/fail", "/panic"} {
		resp, err := edge.Client().Get(edge.URL + path + "?alt=sse&key=" + queryKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Write(&answers); err != nil {
			t.Fatal(err)
		}
	}
	metrics, err := tel.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{
		"spans": fmt.Sprintf("%+v", spans.GetSpans()), "log": log.String(),
		"metrics": fmt.Sprint(metrics), "answers": answers.String(),
	}
	for place, text := range seen {
		if strings.Contains(text, queryKey) {
			t.Errorf("the key is in the %s: %s", place, text)
		}
	}
	if n := len(spans.GetSpans()); n != 3 {
		t.Errorf("%d spans", n)
	}
	for place, text := range map[string]string{"log": seen["log"], "answers": seen["answers"]} {
		if !strings.Contains(text, "alt=sse") {
			t.Errorf("the %s does not show the rest of the query, so it proves nothing: %s", place, text)
		}
	}
}

func FuzzQueryKey(f *testing.F) {
	for _, seed := range []string{"key=k", "a=1&key=k;b", "%6bey=%", "&&=key;", "KEY"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		var got *http.Request
		server, err := httpserver.New(defaults(), httpserver.Dependencies{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
		r.URL.RawQuery, r.RequestURI = query, "/x?"+query
		server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		before, _ := url.ParseQuery(query)
		after, _ := url.ParseQuery(got.URL.RawQuery)
		if after.Has("key") || r.URL.RawQuery != query {
			t.Fatalf("%q became %q", query, got.URL.RawQuery)
		}
		for name, values := range before {
			if !strings.EqualFold(name, "key") && len(after[name]) < len(values) {
				t.Fatalf("%q lost %q: %q", query, name, got.URL.RawQuery)
			}
		}
	})
}
