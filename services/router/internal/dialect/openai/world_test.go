package openai_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
	"github.com/tollgate/tollgate/services/router/internal/recall"
)

const key = dialecttest.Key

// world is a dialect in front of a gateway in front of a provider.
type world struct {
	*dialecttest.Gateway
	upstream  *providertest.Server
	moderator *moderator
	kept      *recall.Memory
	url       string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	up := providertest.New(t)
	adapter, err := openaicompat.New(provider.Target{Name: "t", BaseURL: up.BaseURL()})
	if err != nil {
		t.Fatal(err)
	}
	g := &dialecttest.Gateway{Adapter: adapter, Report: &routerv1.RequestReport{
		RequestId: "req_1", Target: "east", Attempts: 2, CostNanousd: 1234,
		GuardrailNotices: []*llmv1.GuardrailNotice{{Check: "ip_address", Action: "flag", Count: 1}, {Check: "email", Action: "mask", Count: 2}},
	}}
	mux := http.NewServeMux()
	m, kept := &moderator{}, keeper()
	dialect.New(g, azureKeys{dialecttest.Keys{Role: auth.RoleDeveloper}},
		dialect.WithModerator(m), dialect.WithResponses(kept, slog.Default())).Register(mux)
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		mux.ServeHTTP(w, r)
	})
	server := httptest.NewServer(limited)
	t.Cleanup(func() {
		server.Close()
		_ = adapter.(io.Closer).Close()
	})
	return &world{Gateway: g, upstream: up, moderator: m, kept: kept, url: server.URL}
}

// azureKeys finds the key in the header of Azure's SDKs too, as auth.Authenticator does.
type azureKeys struct{ dialecttest.Keys }

func (k azureKeys) Authenticate(ctx context.Context, h http.Header) (*auth.Principal, error) {
	if key := h.Get("Api-Key"); key != "" {
		h = http.Header{"Authorization": {"Bearer " + key}}
	}
	return k.Keys.Authenticate(ctx, h)
}

// do asks by hand.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
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
