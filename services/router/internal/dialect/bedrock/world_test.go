package bedrock_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accessKeyID = "TGAK0123456789abcdef"
	accessKey   = "ZmFrZS1zZWNyZXQtYWNjZXNzLWtleS1mb3ItdGVzdHM"
)

// keys knows one key, as a bearer and as what it signs with.
type keys struct{ role string }

func (k keys) principal() *auth.Principal {
	return &auth.Principal{Organization: "acme", Key: "k1", Roles: []string{k.role}}
}

// ResolveKey implements auth.KeyResolver.
func (k keys) ResolveKey(_ context.Context, key secret.String) (*auth.Principal, error) {
	if key.Reveal() != dialecttest.Key {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	return k.principal(), nil
}

// ResolveSigningKey implements auth.SigningKeyResolver.
func (k keys) ResolveSigningKey(_ context.Context, scope auth.SigningScope) (*auth.Principal, secret.String, error) {
	if scope.AccessKeyID != accessKeyID {
		return nil, secret.String{}, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	key := []byte("AWS4" + accessKey)
	for _, part := range []string{scope.Date, scope.Region, scope.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return k.principal(), secret.New(string(key)), nil
}

// world is a dialect at the edge, in front of a gateway in front of a provider.
type world struct {
	*dialecttest.Gateway
	upstream *providertest.Server
	server   *httptest.Server
}

func newWorld(t *testing.T) *world { return newWorldAs(t, auth.RoleDeveloper) }

func newWorldAs(t *testing.T, role string) *world {
	t.Helper()
	up := providertest.New(t)
	w := newWorldOn(t, role, openaicompat.New, provider.Target{Name: "t", BaseURL: up.BaseURL()})
	w.upstream = up
	return w
}

// newWorldOn is a world in front of a target of any provider.
func newWorldOn(t *testing.T, role string, build provider.Factory, target provider.Target) *world {
	t.Helper()
	adapter, err := build(target)
	if err != nil {
		t.Fatal(err)
	}
	g := &dialecttest.Gateway{Adapter: adapter, Report: &routerv1.RequestReport{RequestId: "req_1", Target: "east", Attempts: 2, CostNanousd: 1234}}
	mux := http.NewServeMux()
	dialect.New(g, auth.NewAuthenticator(keys{role}, auth.Options{})).Register(mux)
	cfg := httpserver.DefaultConfig("127.0.0.1:0")
	cfg.MaxBody = config.Bytes(1 << 20)
	edge, err := httpserver.New(cfg, httpserver.Dependencies{}, mux)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(edge.Handler()) // SDKs send bearer keys over TLS only
	t.Cleanup(func() {
		server.Close()
		_ = adapter.(io.Closer).Close()
	})
	return &world{Gateway: g, server: server}
}

func signer() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(accessKeyID, accessKey, "")
}

// runtime is the official client of the data plane; control that of the models.
func (w *world) runtime(change ...func(*bedrockruntime.Options)) *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.server.URL + "/bedrock"), HTTPClient: awstest.Over(w.server.Client().Transport),
		Credentials: signer(), RetryMaxAttempts: 1,
	}, change...)
}

func (w *world) control(change ...func(*bedrock.Options)) *bedrock.Client {
	return bedrock.New(bedrock.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.server.URL + "/bedrock"), HTTPClient: awstest.Over(w.server.Client().Transport),
		Credentials: signer(), RetryMaxAttempts: 1,
	}, change...)
}

// do asks by hand.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+dialecttest.Key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.server.Client().Do(r)
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
