// Package openaicompat is the adapter for OpenAI and for every server that
// speaks its wire format: vLLM, Ollama, TEI, and most hosted providers.
package openaicompat

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Names under which a target chooses this adapter.
const (
	// OpenAI is OpenAI itself.
	OpenAI = "openai"
	// Compatible is any server that speaks its format.
	Compatible = "openai-compatible"
)

// Adapter asks one target.
type Adapter struct {
	transport *http.Transport
	base      url.URL
	key       secret.String
}

var _ provider.Adapter = (*Adapter)(nil)

// New makes the adapter of a target; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	base, err := url.Parse(strings.TrimRight(t.BaseURL, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("target %s: base_url is not an address", t.Name)
	}
	return &Adapter{
		transport: newTransport(t.Timeouts.WithDefaults().Connect.Std()),
		base:      *base,
		key:       t.APIKey,
	}, nil
}

// Close drops the idle connections. Requests under way are not disturbed.
func (a *Adapter) Close() error {
	a.transport.CloseIdleConnections()
	return nil
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := render(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.whole(ctx, "/chat/completions", body)
	if err != nil {
		return nil, err
	}
	completion, err := openai.DecodeCompletion(answer)
	if err != nil {
		return nil, err
	}
	return &provider.Answer{Completion: completion, Native: answer, Dialect: openai.Dialect}, nil
}

// Stream implements provider.Adapter.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	body, err := render(r, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := a.post(ctx, "/chat/completions", body, eventStream)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	src, err := checkStream(ctx, resp)
	if err != nil {
		_ = resp.Body.Close()
		cancel(nil)
		return nil, err
	}
	want := int(r.Conversation.GetSampling().GetCandidateCount())
	return newReader(ctx, cancel, resp.Body, src, want), nil
}

// Embed implements provider.Adapter.
func (a *Adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	answer, err := a.whole(ctx, "/embeddings", openai.EncodeEmbedRequest(r))
	if err != nil {
		return nil, err
	}
	return openai.DecodeEmbeddings(answer, len(r.Inputs))
}

// render writes the request: from the client's own bytes if they are in this format.
func render(r *provider.Request, streamed bool) ([]byte, error) {
	if r.Native != nil && r.Native.Dialect() == openai.Dialect {
		return r.Native.Render(r, streamed)
	}
	return openai.EncodeConversation(r, streamed)
}

// whole posts a request and reads the whole answer.
func (a *Adapter) whole(ctx context.Context, path string, body []byte) ([]byte, error) {
	resp, err := a.post(ctx, path, body, jsonBody)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return readWhole(ctx, resp)
}

const (
	jsonBody    = "application/json"
	eventStream = "text/event-stream"
)

// post sends a request. An answer that is not a success becomes an error. The
// transport is asked directly, so that no redirect is ever followed.
func (a *Adapter) post(ctx context.Context, path string, body []byte, accept string) (*http.Response, error) {
	target := a.base
	target.Path += path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errs.Internal(fmt.Errorf("make request: %w", unaddressed(err)))
	}
	req.Header.Set("Content-Type", jsonBody)
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "tollgate")
	if !a.key.IsZero() {
		req.Header.Set("Authorization", "Bearer "+a.key.Reveal())
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		return nil, failed(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, refusal(ctx, resp)
	}
	return resp, nil
}
