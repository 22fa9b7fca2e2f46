package openai_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

const key = "tg_test"

// keys knows one key.
type keys struct{ role string }

func (k keys) Authenticate(_ context.Context, h http.Header) (*auth.Principal, error) {
	if h.Get("Authorization") != "Bearer "+key {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	return &auth.Principal{Organization: "acme", Key: "k1", Roles: []string{k.role}}, nil
}

// gateway is a pipeline without stages: it asks one target and keeps the
// contract of pipeline.Sink.
type gateway struct {
	adapter provider.Adapter
	// err fails every request; after fails a stream behind its n-th chunk.
	err    error
	after  int
	reason llmv1.ErrorReason
	// foreign takes the native form away, as a target of another dialect would.
	foreign bool
	report  *routerv1.RequestReport

	mu    sync.Mutex
	calls []*pipeline.Call
	ended chan error
}

func (g *gateway) begin(c *pipeline.Call) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, c)
	return g.err
}

func (g *gateway) request(c *pipeline.Call) *provider.Request {
	return &provider.Request{Conversation: c.Conversation, Native: c.Native, Model: c.Conversation.GetModel()}
}

func (g *gateway) Generate(ctx context.Context, c *pipeline.Call) (*pipeline.Result, error) {
	if err := g.begin(c); err != nil {
		return nil, err
	}
	answer, err := g.adapter.Generate(ctx, g.request(c))
	if err != nil {
		return nil, err
	}
	if g.foreign {
		answer.Native, answer.Dialect = nil, ""
	}
	return &pipeline.Result{Answer: answer, Report: g.report}, nil
}

func (g *gateway) Stream(ctx context.Context, c *pipeline.Call, sink pipeline.Sink) (err error) {
	if err := g.begin(c); err != nil {
		return err
	}
	defer func() {
		if g.ended != nil {
			g.ended <- err
		}
	}()
	reader, err := g.adapter.Stream(ctx, g.request(c))
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	var pending []*stream.Chunk
	opened := false
	for n := 0; ; n++ {
		chunk, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return sink.Finish(g.report)
		case err == nil && g.after > 0 && n >= g.after:
			err = errs.New(g.reason, "")
			fallthrough
		case err != nil:
			e := errs.From(err)
			if opened {
				_ = sink.WriteChunk(&stream.Chunk{Events: []stream.Event{{
					Kind: stream.Error, Failure: &llmv1.StreamError{Reason: e.Reason, Message: e.Message},
				}}})
			}
			return e
		}
		if g.foreign {
			chunk.Native, chunk.Dialect = nil, ""
		}
		if !opened && !content(chunk) {
			pending = append(pending, chunk.Clone())
			continue
		}
		if !opened {
			opened = true
			sink.Open(g.report)
			for _, c := range pending {
				if err := sink.WriteChunk(c); err != nil {
					return err
				}
			}
		}
		if err := sink.WriteChunk(chunk); err != nil {
			return err
		}
	}
}

func content(c *stream.Chunk) bool {
	for i := range c.Events {
		if c.Events[i].IsContent() || c.Events[i].Kind == stream.Finish {
			return true
		}
	}
	return false
}

func (g *gateway) Embed(ctx context.Context, c *pipeline.EmbedCall) (*pipeline.EmbedResult, error) {
	if g.err != nil {
		return nil, g.err
	}
	vectors, err := g.adapter.Embed(ctx, c.Request)
	if err != nil {
		return nil, err
	}
	return &pipeline.EmbedResult{Embeddings: vectors, Report: g.report}, nil
}

func (g *gateway) Models(*auth.Principal) []*routerv1.Model {
	return []*routerv1.Model{{Id: "gpt-4o-mini"}, {Id: "org/model"}}
}

// world is a dialect in front of a gateway in front of a provider.
type world struct {
	*gateway
	upstream *providertest.Server
	url      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	up := providertest.New(t)
	adapter, err := openaicompat.New(provider.Target{Name: "t", BaseURL: up.BaseURL()})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{adapter: adapter, report: &routerv1.RequestReport{
		RequestId: "req_1", Target: "east", Attempts: 2, CostNanousd: 1234,
		GuardrailNotices: []*llmv1.GuardrailNotice{{Check: "ip_address", Action: "flag", Count: 1}, {Check: "email", Action: "mask", Count: 2}},
	}}
	mux := http.NewServeMux()
	dialect.New(g, keys{auth.RoleDeveloper}).Register(mux)
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		mux.ServeHTTP(w, r)
	})
	server := httptest.NewServer(limited)
	t.Cleanup(func() {
		server.Close()
		_ = adapter.(io.Closer).Close()
	})
	return &world{gateway: g, upstream: up, url: server.URL}
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
