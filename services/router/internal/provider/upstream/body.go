package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Bounds of what is read from a provider, decompressed.
const (
	maxAnswer    = 32 << 20 // with some pictures in it
	maxVectors   = 96 << 20 // thousands of vectors, as decimal numbers
	maxErrorBody = 64 << 10
)

var (
	errBodySize = fmt.Errorf("the body is too large: %w", provider.ErrPersistent)
	errEncoding = errors.New("the body is encoded in a way that was not asked for")
	errNotJSON  = errors.New("the body is not JSON")
	errRedirect = fmt.Errorf("the provider redirects; its address must be mended: %w", provider.ErrPersistent)
	errNoStream = errors.New("the provider answered a request for a stream without one")
)

func unavailable(text string, cause error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "%s", text).WithCause(cause)
}

const notUnderstood = "the provider's answer cannot be understood"

// decoded returns the body as it was before compression.
func decoded(resp *http.Response) (io.Reader, error) {
	switch resp.Header.Get("Content-Encoding") {
	case "", "identity":
		return resp.Body, nil
	case "gzip":
		r, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, unavailable(notUnderstood, err)
		}
		return r, nil
	default:
		return nil, unavailable(notUnderstood, errEncoding)
	}
}

// readWhole reads a success's body, which must be JSON, and of which no more
// than most is taken: the connection of a larger one is closed.
func readWhole(ctx context.Context, resp *http.Response, most int64) ([]byte, error) {
	if mediaType(resp) == "text/html" {
		return nil, unavailable(notUnderstood, errNotJSON)
	}
	if resp.ContentLength > most {
		return nil, unavailable(notUnderstood, errBodySize)
	}
	r, err := decoded(resp)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r, most+1))
	if err != nil {
		if ctx.Err() != nil {
			return nil, failed(ctx, err)
		}
		return nil, unavailable("the provider's answer was cut", unaddressed(err))
	}
	if n > most {
		return nil, unavailable(notUnderstood, errBodySize)
	}
	return buf.Bytes(), nil
}

// refusal reads an answer that is not a success.
func (c *Client) refusal(ctx context.Context, resp *http.Response) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return unavailable("the provider redirects", errRedirect)
	}
	var body []byte
	if r, err := decoded(resp); err == nil {
		body, err = io.ReadAll(io.LimitReader(r, maxErrorBody))
		if err != nil && ctx.Err() != nil {
			return failed(ctx, err)
		}
	}
	return c.options.Refusal(resp.StatusCode, resp.Header, body)
}

// checkStream returns the stream, or refuses a success that is none. Some
// servers answer with an error in a plain body.
func checkStream(ctx context.Context, resp *http.Response, f Format) (io.Reader, error) {
	media := mediaType(resp)
	if media == f.MediaType {
		return decoded(resp)
	}
	if media == jsonBody && f.Whole != nil {
		body, err := readWhole(ctx, resp, maxAnswer)
		if err != nil {
			return nil, err
		}
		if err := f.Whole(body); err != nil {
			return nil, err
		}
	}
	return nil, unavailable(notUnderstood, errNoStream)
}

// mediaType names the body's type. A server that does not say is believed to
// send what was asked for.
func mediaType(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media == "" {
		return resp.Request.Header.Get("Accept")
	}
	return media
}
