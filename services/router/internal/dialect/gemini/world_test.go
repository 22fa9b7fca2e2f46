package gemini_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/genai"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/gemini"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/gemini"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/gemini"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
)

const key = dialecttest.Key

// keys finds the key where clients of this dialect put it.
type keys struct{ dialecttest.Keys }

func (k keys) Authenticate(ctx context.Context, h http.Header) (*auth.Principal, error) {
	return k.Keys.Authenticate(ctx, http.Header{"Authorization": {"Bearer " + h.Get("X-Goog-Api-Key")}})
}

// world is a dialect in front of a gateway in front of a provider.
type world struct {
	*dialecttest.Gateway
	url string
	// sent are the bodies that the provider has got.
	sent func() []*providertest.Recorded
}

// targets are the providers that the dialect stands in front of: one of its
// own format, and one of another.
var targets = map[string]func(t *testing.T) (provider.Adapter, func() []*providertest.Recorded, error){
	"native": func(t *testing.T) (provider.Adapter, func() []*providertest.Recorded, error) {
		up := fake.New(t)
		a, err := gemini.New(provider.Target{Name: "t", BaseURL: up.BaseURL(), APIKey: secret.New("AIza")})
		return a, up.Requests, err
	},
	"foreign": func(t *testing.T) (provider.Adapter, func() []*providertest.Recorded, error) {
		up := providertest.New(t)
		a, err := openaicompat.New(provider.Target{Name: "t", BaseURL: up.BaseURL()})
		return a, up.Requests, err
	},
}

func newWorld(t *testing.T, target string) *world {
	t.Helper()
	adapter, sent, err := targets[target](t)
	if err != nil {
		t.Fatal(err)
	}
	g := &dialecttest.Gateway{Adapter: adapter, Report: &routerv1.RequestReport{
		RequestId: "req_1", Target: "east", Attempts: 2, CostNanousd: 1234,
		GuardrailNotices: []*llmv1.GuardrailNotice{{Check: "email", Action: "mask", Count: 2}},
	}}
	mux := http.NewServeMux()
	dialect.New(g, keys{dialecttest.Keys{Role: auth.RoleDeveloper}}).Register(mux)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		_ = adapter.(io.Closer).Close()
	})
	return &world{Gateway: g, url: server.URL, sent: sent}
}

// sdk is the official client with nothing but its address changed.
func sdk(t *testing.T, w *world) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: w.url + "/gemini"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// do asks by hand.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Goog-Api-Key", key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}
