package router

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// listing is a provider that says what it is asked, and answers with a status.
type listing struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	status int
}

func newListing(t *testing.T) *listing {
	l := &listing{status: http.StatusOK}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !strings.Contains(r.URL.Path, "inference-profiles") {
			l.asked = append(l.asked, r.Method+" "+r.URL.RequestURI())
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(l.status)
		_, _ = w.Write([]byte(`{}`))
	}))
	t.Cleanup(l.Close)
	return l
}

// last is what was asked last; from then on the status is another.
func (l *listing) last(status int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
	return l.asked[len(l.asked)-1]
}

func TestProvidersAreProbed(t *testing.T) {
	l := newListing(t)
	for name, want := range map[string][2]string{
		"openai":            {"GET /models", "GET /models/a%2Fb"},
		"openai-compatible": {"GET /models", "GET /models/a%2Fb"},
		"azure":             {"GET /openai/v1/models", ""},
		"perplexity":        {"GET /models", "GET /models/a%2Fb"},
		"anthropic":         {"GET /v1/models?limit=1", "GET /v1/models/a%2Fb"},
		"gemini":            {"GET /v1beta/models?pageSize=1", "GET /v1beta/models/a%2Fb"},
		"bedrock":           {"GET /foundation-models", "GET /foundation-models/a%2Fb"},
		"vertex":            {}, "sagemaker": {}, "builtin": {},
	} {
		t.Run(name, func(t *testing.T) {
			kind := kinds()[name]
			adapter, err := kind.New(provider.Target{
				Name: name, Provider: name, BaseURL: l.URL, Region: "eu-central-1", APIKey: secret.New("k"),
				AWS:    provider.AWS{AccessKeyID: "id", SecretAccessKey: secret.New("s"), ControlURL: l.URL},
				Google: provider.Google{Project: "p"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := adapter.(io.Closer); ok {
				defer func() { _ = c.Close() }()
			}
			prober, ok := adapter.(provider.Prober)
			if ok == kind.Unchecked {
				t.Fatalf("can be probed: %v, unchecked: %v", ok, kind.Unchecked)
			}
			if !ok {
				return
			}
			for i, model := range []string{"", "a/b"} {
				if want[i] == "" {
					continue
				}
				err := prober.Probe(context.Background(), model)
				if got := l.last(http.StatusUnauthorized); err != nil || got != want[i] {
					t.Errorf("asked %s, want %s: %v", got, want[i], err)
				}
				if err := prober.Probe(context.Background(), model); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH) {
					t.Errorf("refused with %v", err)
				}
				l.last(http.StatusOK)
			}
		})
	}
}

func TestAzureOfAVersionIsProbed(t *testing.T) {
	l := newListing(t)
	adapter, err := kinds()["azure"].New(provider.Target{Name: "a", BaseURL: l.URL, APIVersion: "2024-10-21", APIKey: secret.New("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = adapter.(io.Closer).Close() }()
	if err := adapter.(provider.Prober).Probe(context.Background(), ""); err != nil || l.last(http.StatusOK) != "GET /openai/models?api-version=2024-10-21" {
		t.Errorf("%v: %v", l.asked, err)
	}
}

func TestChecksThatCannotBeMadeAreFaults(t *testing.T) {
	c := DefaultConfig()
	check := health.Config{Check: health.Check{Interval: config.Duration(1e10)}}
	model := check
	model.Check.Model = "m"
	c.Targets = []Target{
		{Name: "a", Provider: "builtin", Models: provider.NewModels("*"), Health: check},
		{Name: "b", Provider: "azure", BaseURL: "https://b.example", APIKey: secret.New("k"), Models: provider.NewModels("*"), Health: model},
		{Name: "c", Provider: "openai", Models: provider.NewModels("*"), Health: model},
	}
	c.Routes = nil
	v := config.NewValidator()
	c.ValidateTargets(v)
	err := v.Err()
	if err == nil || !strings.Contains(err.Error(), "targets[0].health_check") || !strings.Contains(err.Error(), "targets[1].health_check.model") ||
		strings.Contains(err.Error(), "targets[2]") {
		t.Errorf("%v", err)
	}
}
