package gemini_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/gemini"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/gemini"
)

// issuer is a token endpoint. Its n-th token is "token-n".
type issuer struct {
	*httptest.Server
	asked    atomic.Int64
	lifetime atomic.Int64 // of a token, in seconds
	refuses  atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.lifetime.Store(3600)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.refuses.Load() || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.FormValue("assertion"), ".") != 2 {
			http.Error(w, `{"error":"invalid_grant","error_description":"secret account"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, i.asked.Add(1), i.lifetime.Load())
	}))
	t.Cleanup(i.Close)
	return i
}

// credentials writes a service account's key file.
func (i *issuer) credentials(t *testing.T, file string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "k", "client_email": "a@p.iam.gserviceaccount.com",
		"client_id": "1", "token_uri": i.URL, "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func vertexOf(t *testing.T, up *fake.Server, region, file string) provider.Adapter {
	t.Helper()
	a, err := gemini.NewVertex(provider.Target{
		Name: "t", BaseURL: up.BaseURL(), Region: region, Google: provider.Google{Project: "p", CredentialsFile: file},
	})
	return closed(t, a, err)
}

func TestVertex(t *testing.T) {
	up, tokens := fake.New(t), newIssuer(t)
	file := filepath.Join(t.TempDir(), "key.json")
	tokens.credentials(t, file)
	a := vertexOf(t, up, "europe-west4", file)
	got, err := a.Generate(t.Context(), ask("gemini-2.5-flash", "hello"))
	if err != nil {
		t.Fatalf("%v", errs.From(err).LogValue())
	}
	if said := got.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText(); said != "You said: hello" {
		t.Errorf("text %q", said)
	}
	r, err := a.Stream(t.Context(), ask("gemini-2.5-flash", "one two"))
	if err != nil {
		t.Fatal(err)
	}
	if said, _, _, err := read(r); err != nil || said != "You said: one two" {
		t.Errorf("%q, %v", said, err)
	}
	if n, err := a.(provider.TokenCounter).CountTokens(t.Context(), ask("gemini-2.5-flash", "one two")); n != 2 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	const place = "/v1/projects/p/locations/europe-west4/publishers/google/models/"
	for _, model := range []string{"gemini-embedding-001", "text-embedding-005", "gemini-embedding-2"} {
		got, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: model, Inputs: []string{"a", "b c"}, Dimensions: 4})
		if err != nil || len(got.Vectors) != 2 || got.Vectors[1][0] != providertest.Vector("b c", 4)[0] {
			t.Fatalf("%s: got %v, %v", model, got, err)
		}
		if counted := got.Usage.GetInputTokens(); counted != 3 && model != "gemini-embedding-2" {
			t.Errorf("%s: %d tokens", model, counted)
		}
	}
	for _, seen := range up.Requests() {
		if !strings.HasPrefix(seen.Path, place) || seen.Header.Get("Authorization") != "Bearer token-1" || seen.Header.Get("X-Goog-Api-Key") != "" {
			t.Errorf("asked %s with %q", seen.Path, seen.Header.Get("Authorization"))
		}
	}
	if n := tokens.asked.Load(); n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// Tokens are refreshed before they run out, and a new file is taken up.
func TestVertexRefreshes(t *testing.T) {
	up, tokens := fake.New(t), newIssuer(t)
	file := filepath.Join(t.TempDir(), "key.json")
	tokens.credentials(t, file)
	tokens.lifetime.Store(1) // runs out as soon as it is there
	a := vertexOf(t, up, "", file)
	token := func() string {
		t.Helper()
		if _, err := a.Generate(t.Context(), ask("gemini-2.5-flash", "x")); err != nil {
			t.Fatalf("%v", errs.From(err).LogValue())
		}
		if !strings.Contains(up.Last().Path, "/locations/global/") {
			t.Errorf("asked %s", up.Last().Path)
		}
		return up.Last().Header.Get("Authorization")
	}
	if got := token(); got != "Bearer token-1" {
		t.Fatalf("got %q", got)
	}
	tokens.lifetime.Store(3600)
	deadline := time.Now().Add(5 * time.Second)
	for token() == "Bearer token-1" {
		if time.Now().After(deadline) {
			t.Fatal("the token was never refreshed")
		}
		time.Sleep(50 * time.Millisecond)
	}
	before := tokens.asked.Load()
	tokens.credentials(t, file)
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for tokens.asked.Load() == before {
		if token(); time.Now().After(deadline.Add(5 * time.Second)) {
			t.Fatal("the new file was never read")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestVertexRefused(t *testing.T) {
	up, tokens := fake.New(t), newIssuer(t)
	file := filepath.Join(t.TempDir(), "key.json")
	tokens.credentials(t, file)
	tokens.refuses.Store(true)
	for _, file := range []string{file, file + ".missing"} {
		_, err := vertexOf(t, up, "us-central1", file).Generate(t.Context(), ask("gemini-2.5-flash", "x"))
		e := errs.From(err)
		if e == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH {
			t.Fatalf("got %v", err)
		}
		if shown := e.Message + e.LogValue().String(); strings.Contains(shown, "secret") || strings.Contains(shown, tokens.URL) || strings.Contains(shown, "iam.gserviceaccount") {
			t.Errorf("shows %q", shown)
		}
	}
	if len(up.Requests()) > 0 {
		t.Error("the provider was asked without a token")
	}
	if _, err := gemini.NewVertex(provider.Target{Name: "t"}); err == nil {
		t.Error("a target without a project was made")
	}
}

// Application default credentials are found where the environment says.
func TestVertexDefaultCredentials(t *testing.T) {
	up, tokens := fake.New(t), newIssuer(t)
	file := filepath.Join(t.TempDir(), "adc.json")
	tokens.credentials(t, file)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	if _, err := vertexOf(t, up, "us-central1", "").Generate(t.Context(), ask("gemini-2.5-flash", "x")); err != nil {
		t.Fatalf("%v", errs.From(err).LogValue())
	}
	if got := up.Last().Header.Get("Authorization"); got != "Bearer token-1" {
		t.Errorf("got %q", got)
	}
}
