// Package upstream is what the adapters of providers that are asked over HTTP
// share: a connection pool per target, bounded bodies, typed failures, and the
// reading of streams.
package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Options are what a provider's wire format adds.
type Options struct {
	// Prepare puts the credential and the provider's own headers on a request;
	// body is what is sent. Its error is given to the caller.
	Prepare func(r *http.Request, body []byte) error
	// Refusal reads an answer that is not a success.
	Refusal func(status int, header http.Header, body []byte) error
}

// Client asks one target.
type Client struct {
	transport *http.Transport
	base      string
	headers   time.Duration // how long an answer's headers may take; 0 for as long as the attempt
	options   Options
}

// New makes the client of a target. The transport is its own, so that a target
// that stands still takes nothing from the others.
func New(t provider.Target, o Options) (*Client, error) {
	base := strings.TrimRight(t.BaseURL, "/")
	if u, err := url.Parse(base); err != nil || u.Host == "" {
		return nil, fmt.Errorf("target %s: base_url is not an address", t.Name)
	}
	return &Client{
		transport: newTransport(t.Timeouts.WithDefaults().Connect.Std()), base: base,
		headers: t.Timeouts.ResponseHeaders.Std(), options: o,
	}, nil
}

// Close drops the idle connections. Requests under way are not disturbed.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

const jsonBody = "application/json"

// Post sends a request and reads the whole answer, which must be JSON. The path
// is escaped and may have a query.
func (c *Client) Post(ctx context.Context, path string, body []byte) ([]byte, error) {
	answer, _, err := c.whole(ctx, http.MethodPost, path, body, maxAnswer)
	return answer, err
}

// PostForVectors is Post for answers that hold lists of vectors, which may be larger.
func (c *Client) PostForVectors(ctx context.Context, path string, body []byte) ([]byte, error) {
	answer, _, err := c.whole(ctx, http.MethodPost, path, body, maxVectors)
	return answer, err
}

// Exchange is Post for providers that say something in the headers, too.
func (c *Client) Exchange(ctx context.Context, path string, body []byte) ([]byte, http.Header, error) {
	return c.whole(ctx, http.MethodPost, path, body, maxAnswer)
}

// Get reads a resource, which must be JSON.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	answer, _, err := c.whole(ctx, http.MethodGet, path, nil, maxAnswer)
	return answer, err
}

func (c *Client) whole(ctx context.Context, method, path string, body []byte, most int64) ([]byte, http.Header, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := c.hurry(cancel)
	resp, err := c.do(ctx, method, path, body, jsonBody)
	stop()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readWhole(ctx, resp, most)
	return answer, resp.Header, err
}

// Format is how a provider writes a stream.
type Format struct {
	// MediaType is asked for, and must be what comes.
	MediaType string
	// Frames cuts the body into frames.
	Frames func(io.Reader) Frames
	// Objects says that frames are JSON objects: what is none is not the provider's.
	Objects bool
	// Decoder reads the frames of this one stream.
	Decoder Decoder
	// Candidates is how many answers were asked for; 0 counts as 1.
	Candidates int
	// Whole reads a success that is no stream: some servers answer so with an
	// error. Without one such an answer is not understood.
	Whole func(body []byte) error
}

// Stream sends a request and returns once the provider has answered with a stream.
func (c *Client) Stream(ctx context.Context, path string, body []byte, f Format) (stream.Reader, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := c.hurry(cancel)
	resp, err := c.do(ctx, http.MethodPost, path, body, f.MediaType)
	stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	src, err := checkStream(ctx, resp, f)
	if err != nil {
		_ = resp.Body.Close()
		cancel(nil)
		return nil, err
	}
	return &reader{
		ctx: ctx, cancel: cancel, body: resp.Body, frames: f.frames(resp, src), decoder: f.Decoder,
		want: f.Candidates, objects: f.Objects,
	}, nil
}

// errHeaders says that an answer's headers did not come in time.
var errHeaders = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "the provider sent no headers in time")

// hurry cancels an exchange whose headers take too long, however they come, until
// it is stopped.
func (c *Client) hurry(cancel context.CancelCauseFunc) (stop func()) {
	if c.headers == 0 {
		return func() {}
	}
	timer := time.AfterFunc(c.headers, func() { cancel(errHeaders) })
	return func() { timer.Stop() }
}

// do sends a request. An answer that is not a success becomes an error. The
// transport is asked directly, so that no redirect is ever followed.
func (c *Client) do(ctx context.Context, method, path string, body []byte, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, errs.Internal(fmt.Errorf("make request: %w", unaddressed(err)))
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", jsonBody)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "tollgate")
	if c.options.Prepare != nil {
		if err := c.options.Prepare(req, body); err != nil {
			return nil, err
		}
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	resp, err := c.roundTrip(req)
	if err != nil {
		return nil, failed(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, c.refusal(ctx, resp)
	}
	return resp, nil
}
