package anthropic_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"go.uber.org/goleak"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	adapter "github.com/tollgate/tollgate/services/router/internal/provider/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(nil), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")) // of the clients in the tests
}

// keys looks where the SDK puts its key.
type keys struct{ dialecttest.Keys }

func (k keys) Authenticate(ctx context.Context, h http.Header) (*auth.Principal, error) {
	if key := h.Get("X-Api-Key"); key != "" {
		h = h.Clone()
		h.Set("Authorization", "Bearer "+key)
	}
	return k.Keys.Authenticate(ctx, h)
}

// world is the dialect in front of a gateway in front of a provider.
type world struct {
	*dialecttest.Gateway
	upstream *providertest.Host
	url      string
}

// newWorld makes one with a provider of the same format.
func newWorld(t *testing.T) *world {
	t.Helper()
	up := fake.New(t)
	a, err := adapter.New(provider.Target{Name: "t", BaseURL: up.BaseURL(), APIKey: secret.New("sk-up")})
	return serve(t, up.Host, a, err)
}

// newForeign makes one with a provider of another format.
func newForeign(t *testing.T) *world {
	t.Helper()
	up := providertest.New(t)
	a, err := openaicompat.New(provider.Target{Name: "t", BaseURL: up.BaseURL()})
	return serve(t, up.Host, a, err)
}

func serve(t *testing.T, up *providertest.Host, a provider.Adapter, err error) *world {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	g := &dialecttest.Gateway{Adapter: a, Report: &routerv1.RequestReport{RequestId: "req_1", Target: "east", Attempts: 1}}
	mux := http.NewServeMux()
	dialect.New(g, keys{dialecttest.Keys{Role: auth.RoleDeveloper}}).Register(mux)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		_ = a.(io.Closer).Close()
	})
	return &world{Gateway: g, upstream: up, url: server.URL}
}

// both makes a world of each kind: the client must not see a difference.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("native", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("canonical", func(t *testing.T) { // the same provider, but nothing native on the way back
		w := newWorld(t)
		w.Foreign = true
		test(t, w)
	})
	t.Run("foreign", func(t *testing.T) { test(t, newForeign(t)) })
}

func (w *world) client(opts ...option.RequestOption) sdk.Client {
	return sdk.NewClient(append([]option.RequestOption{
		option.WithBaseURL(w.url + "/anthropic"), option.WithAPIKey(dialecttest.Key), option.WithMaxRetries(0),
	}, opts...)...)
}

// whole and streamed ask for one answer in two ways.
func (w *world) whole(t *testing.T, p sdk.MessageNewParams) (*sdk.Message, error) {
	t.Helper()
	c := w.client()
	return c.Messages.New(t.Context(), p)
}

func (w *world) streamed(t *testing.T, p sdk.MessageNewParams) (*sdk.Message, error) {
	t.Helper()
	c := w.client()
	s := c.Messages.NewStreaming(t.Context(), p)
	defer func() { _ = s.Close() }()
	m := &sdk.Message{}
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			t.Errorf("the SDK cannot add %s: %v", s.Current().RawJSON(), err)
		}
	}
	return m, s.Err()
}

// answers asks in both ways, and fails if one does not answer.
func (w *world) answers(t *testing.T, p sdk.MessageNewParams) []*sdk.Message {
	t.Helper()
	whole, err := w.whole(t, p)
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := w.streamed(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return []*sdk.Message{whole, streamed}
}

// do asks by hand.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", dialecttest.Key)
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
