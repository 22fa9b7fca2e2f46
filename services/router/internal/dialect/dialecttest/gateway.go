// Package dialecttest holds what the tests of client dialects share: a gateway
// without stages in front of one target, and an authenticator that knows one key.
package dialecttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Key is the key that Keys knows.
const Key = "tg_test"

// Keys knows one key.
type Keys struct{ Role string }

// Authenticate implements dialect.Authenticator.
func (k Keys) Authenticate(_ context.Context, h http.Header) (*auth.Principal, error) {
	if h.Get("Authorization") != "Bearer "+Key {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	return &auth.Principal{Organization: "acme", Key: "k1", Roles: []string{k.Role}}, nil
}

// Gateway is a pipeline without stages: it asks one target and keeps the
// contract of pipeline.Sink.
type Gateway struct {
	// Adapter is the target.
	Adapter provider.Adapter
	// Err fails every request; After fails a stream behind its n-th chunk.
	Err    error
	After  int
	Reason llmv1.ErrorReason
	// Foreign takes the native form away, as a target of another dialect would.
	Foreign bool
	// Report is given with every answer.
	Report *routerv1.RequestReport

	// Ended gets how each stream ended, if it is made.
	Ended chan error

	mu    sync.Mutex
	calls []*pipeline.Call
}

func (g *Gateway) begin(c *pipeline.Call) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, c)
	return g.Err
}

func (g *Gateway) request(c *pipeline.Call) *provider.Request {
	return &provider.Request{Conversation: c.Conversation, Native: c.Native, Model: c.Conversation.GetModel()}
}

// Generate implements dialect.Gateway.
func (g *Gateway) Generate(ctx context.Context, c *pipeline.Call) (*pipeline.Result, error) {
	if err := g.begin(c); err != nil {
		return nil, err
	}
	answer, err := g.Adapter.Generate(ctx, g.request(c))
	if err != nil {
		return nil, err
	}
	if g.Foreign {
		answer.Native, answer.Dialect = nil, ""
	}
	return &pipeline.Result{Answer: answer, Report: g.Report}, nil
}

// Stream implements dialect.Gateway.
func (g *Gateway) Stream(ctx context.Context, c *pipeline.Call, sink pipeline.Sink) (err error) {
	if err := g.begin(c); err != nil {
		return err
	}
	defer func() {
		if g.Ended != nil {
			g.Ended <- err
		}
	}()
	reader, err := g.Adapter.Stream(ctx, g.request(c))
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
			return sink.Finish(g.Report)
		case err == nil && g.After > 0 && n >= g.After:
			err = errs.New(g.Reason, "")
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
		if g.Foreign {
			chunk.Native, chunk.Dialect = nil, ""
		}
		if !opened && !content(chunk) {
			pending = append(pending, chunk.Clone())
			continue
		}
		if !opened {
			opened = true
			sink.Open(g.Report)
			for _, c := range pending {
				if err := sink.WriteChunk(c); err != nil {
					return gone(err)
				}
			}
		}
		if err := sink.WriteChunk(chunk); err != nil {
			return gone(err)
		}
	}
}

// gone is what the pipeline makes of a client that takes no more.
func gone(err error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "").WithCause(err)
}

func content(c *stream.Chunk) bool {
	for i := range c.Events {
		if c.Events[i].IsContent() || c.Events[i].Kind == stream.Finish {
			return true
		}
	}
	return false
}

// Embed implements dialect.Gateway.
func (g *Gateway) Embed(ctx context.Context, c *pipeline.EmbedCall) (*pipeline.EmbedResult, error) {
	if g.Err != nil {
		return nil, g.Err
	}
	vectors, err := g.Adapter.Embed(ctx, c.Request)
	if err != nil {
		return nil, err
	}
	return &pipeline.EmbedResult{Embeddings: vectors, Report: g.Report}, nil
}

// Models implements dialect.Gateway.
func (g *Gateway) Models(*auth.Principal) []*routerv1.Model {
	return []*routerv1.Model{{Id: "gpt-4o-mini"}, {Id: "org/model"}}
}

// CountTokens implements dialect.Gateway: a target that cannot count has 42.
func (g *Gateway) CountTokens(ctx context.Context, c *pipeline.Call) (*pipeline.Count, error) {
	if err := g.begin(c); err != nil {
		return nil, err
	}
	counter, ok := g.Adapter.(provider.TokenCounter)
	if !ok {
		return &pipeline.Count{Tokens: 42, Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED}, nil
	}
	n, err := counter.CountTokens(ctx, g.request(c))
	return &pipeline.Count{Tokens: n, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}, err
}

// Calls are the calls so far.
func (g *Gateway) Calls() []*pipeline.Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}
