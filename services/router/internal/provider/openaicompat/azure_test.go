package openaicompat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// recorder answers every request with a body and keeps the last one.
type recorder struct {
	*httptest.Server
	status int
	body   string
	asked  *http.Request
	sent   string
}

const plainAnswer = `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`

func record(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{status: http.StatusOK, body: plainAnswer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.asked, r.sent = req, string(body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}))
	t.Cleanup(r.Close)
	return r
}

func generate(t *testing.T, a provider.Adapter, body string) error {
	t.Helper()
	native, c, err := openai.ParseRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Generate(t.Context(), &provider.Request{Conversation: c, Native: native, Model: "gpt 4o/1"})
	return err
}

const question = `{"model":"gpt-4o","messages":[{"role":"user","content":"q"}],"max_completion_tokens":5}`

func closing(t *testing.T, a provider.Adapter, err error) provider.Adapter {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a
}

func TestAzurePathsAndKey(t *testing.T) {
	server := record(t)
	for _, tt := range []struct{ base, version, path, limit string }{
		{"", "", "/openai/v1/chat/completions", "max_completion_tokens"},
		{"/openai/v1/", "", "/openai/v1/chat/completions", "max_completion_tokens"},
		{"/openai", "2024-10-21", "/openai/deployments/gpt%204o%2F1/chat/completions?api-version=2024-10-21", "max_completion_tokens"},
		{"/", "2024-06-01", "/openai/deployments/gpt%204o%2F1/chat/completions?api-version=2024-06-01", "max_tokens"},
	} {
		made, err := NewAzure(provider.Target{Name: "t", BaseURL: server.URL + tt.base, APIVersion: tt.version, APIKey: secret.New("k")})
		a := closing(t, made, err)
		if err := generate(t, a, question); err != nil {
			t.Fatal(err)
		}
		if got := server.asked.URL.RequestURI(); got != tt.path || server.asked.Header.Get("Api-Key") != "k" || server.asked.Header.Get("Authorization") != "" {
			t.Errorf("asked %s, want %s; headers %v", got, tt.path, server.asked.Header)
		}
		if !strings.Contains(server.sent, `"`+tt.limit+`":5`) || !strings.Contains(server.sent, `"model":"gpt 4o/1"`) {
			t.Errorf("sent %s", server.sent)
		}
		server.body = `{"data":[{"index":0,"embedding":[1]}]}`
		if _, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: "e", Inputs: []string{"a"}}); err != nil || !strings.Contains(server.asked.URL.Path, "/embeddings") {
			t.Errorf("asked %s: %v", server.asked.URL, err)
		}
		server.body = plainAnswer
	}
}

func TestAzureContentFilter(t *testing.T) {
	server := record(t)
	made, err := NewAzure(provider.Target{Name: "t", BaseURL: server.URL, APIKey: secret.New("k")})
	a := closing(t, made, err)
	server.status = http.StatusBadRequest
	server.body = `{"error":{"message":"the secret prompt","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}`
	if err := generate(t, a, question); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	server.status, server.body = http.StatusNotFound, `{"error":{"code":"DeploymentNotFound","message":"m"}}`
	if err := generate(t, a, question); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
		t.Errorf("got %v", err)
	}
}

// entraID speaks as much of the token endpoint as the library asks for.
func entraID(t *testing.T, asked *atomic.Int32, status int) identity {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			at := server.URL + "/tenant"
			_ = json.NewEncoder(w).Encode(map[string]string{
				"token_endpoint": at + "/oauth2/v2.0/token", "authorization_endpoint": at + "/authorize", "issuer": at + "/v2.0",
			})
			return
		}
		n := asked.Add(1)
		if err := r.ParseForm(); err != nil || r.PostForm.Get("client_secret") != "s3cret" || !strings.HasPrefix(r.PostForm.Get("scope"), azureScope) {
			status = http.StatusUnauthorized
		}
		w.WriteHeader(status)
		if status != http.StatusOK {
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"application cid"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, n)
	})
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	return identity{known: true, ClientOptions: azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL}, Transport: client,
		Retry: policy.RetryOptions{MaxRetries: -1},
	}}
}

func entraTarget(base string) provider.Target {
	return provider.Target{Name: "t", BaseURL: base, Azure: provider.Azure{
		TenantID: "tenant", ClientID: "cid", ClientSecret: secret.New("s3cret"),
	}}
}

func TestAzureToken(t *testing.T) {
	server := record(t)
	var asked atomic.Int32
	made, err := newAzure(entraTarget(server.URL), entraID(t, &asked, http.StatusOK))
	a := closing(t, made, err)
	for range 3 {
		if err := generate(t, a, question); err != nil {
			t.Fatal(err)
		}
		if got := server.asked.Header.Get("Authorization"); got != "Bearer token-1" || server.asked.Header.Get("Api-Key") != "" {
			t.Errorf("authorization %q", got)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d tokens were fetched for three requests", asked.Load())
	}
}

func TestAzureTokenRefused(t *testing.T) {
	server := record(t)
	var asked atomic.Int32
	made, err := newAzure(entraTarget(server.URL), entraID(t, &asked, http.StatusUnauthorized))
	a := closing(t, made, err)
	err = generate(t, a, question)
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH) || strings.Contains(fmt.Sprint(err), "cid") {
		t.Errorf("got %v", err)
	}
	if server.asked != nil {
		t.Error("the provider was asked without a token")
	}
}

func TestPerplexity(t *testing.T) {
	server := record(t)
	server.body = `{"id":"x","model":"sonar","citations":["https://a"],"choices":[{"index":0,"message":{"role":"assistant","content":"hi [1]"},"finish_reason":"stop"}]}`
	made, err := NewPerplexity(provider.Target{Name: "t", BaseURL: server.URL, APIKey: secret.New("k")})
	a := closing(t, made, err)
	_, c, err := openai.ParseRequest([]byte(question))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Generate(t.Context(), &provider.Request{Conversation: c, Model: "sonar"})
	if err != nil {
		t.Fatal(err)
	}
	if cited := answer.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetCitations(); len(cited) != 1 || cited[0].GetUri() != "https://a" {
		t.Errorf("citations %v", cited)
	}
	if server.asked.URL.Path != "/chat/completions" || !strings.Contains(server.sent, `"max_tokens":5`) {
		t.Errorf("sent %s to %s", server.sent, server.asked.URL)
	}
}

// A key in a file is exchanged without a restart.
func TestKeyIsRotated(t *testing.T) {
	server := record(t)
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string, at time.Time) {
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("first", time.Unix(1, 0))
	made, err := New(provider.Target{Name: "t", BaseURL: server.URL, APIKeyFile: file})
	a := closing(t, made, err)
	sent := func() string {
		if err := generate(t, a, question); err != nil {
			t.Fatal(err)
		}
		return server.asked.Header.Get("Authorization")
	}
	if got := sent(); got != "Bearer first" {
		t.Fatalf("sent %q", got)
	}
	write("second", time.Unix(2, 0))
	deadline := time.Now().Add(10 * time.Second)
	for sent() != "Bearer second" {
		if time.Now().After(deadline) {
			t.Fatal("the new key is not used")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestValidate(t *testing.T) {
	for name, tt := range map[string]struct {
		target provider.Target
		want   string
	}{
		"limit":   {provider.Target{Quirks: provider.Quirks{MaxTokens: "limit"}}, "quirks.max_tokens"},
		"role":    {provider.Target{Quirks: provider.Quirks{SystemRole: "user"}}, "quirks.system_role"},
		"drop":    {provider.Target{Quirks: provider.Quirks{Drop: []string{"messages"}}}, "quirks.drop"},
		"version": {provider.Target{APIVersion: "latest"}, "api_version"},
		"both":    {provider.Target{APIKey: secret.New("k"), Azure: provider.Azure{TenantID: "t", ClientID: "c", ClientSecret: secret.New("s")}}, "azure"},
		"half":    {provider.Target{Azure: provider.Azure{ClientSecret: secret.New("s")}}, "azure"},
		"good":    {provider.Target{APIVersion: "2024-10-01-preview", Quirks: provider.Quirks{Thinking: "none", Reasoning: "reasoning"}}, ""},
	} {
		v := config.NewValidator()
		ValidateAzure(tt.target, v)
		err := v.Err()
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAzureAddress(t *testing.T) {
	if _, err := NewAzure(provider.Target{Name: "t", BaseURL: "not an address", APIKey: secret.New("k")}); err == nil {
		t.Error("a target without an address was made")
	}
	if got := azurePath("v&x")("/chat", "a?b"); got != azureDeployments+url.PathEscape("a?b")+"/chat?api-version=v%26x" {
		t.Errorf("path %s", got)
	}
}

// Providers that stand at one address need none in the configuration.
func TestDefaultAddresses(t *testing.T) {
	for name, factory := range map[string]provider.Factory{"openai": NewOpenAI, "perplexity": NewPerplexity} {
		if _, err := factory(provider.Target{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, factory := range map[string]provider.Factory{"compatible": New, "azure": NewAzure} {
		if _, err := factory(provider.Target{Name: name, APIKey: secret.New("k")}); err == nil {
			t.Errorf("%s: made without an address", name)
		}
	}
}
