package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Limits of a target's connections.
const (
	idleConnections = 256
	idleTimeout     = 90 * time.Second
	maxHeader       = 64 << 10
)

// newTransport makes a target's own connection pool, so that a target that
// stands still takes nothing from the others.
func newTransport(connect time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    connect,
		MaxIdleConns:           idleConnections,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		// Answers are small and near; a server that compresses all the same is understood.
		DisableCompression: true,
	}
}

// failed says what a failed exchange means. If it was cancelled, the cause says
// why: a timeout of the attempt is the provider's failure, not the caller's.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errs.From(context.Cause(ctx))
	}
	cause := unaddressed(err)
	if unsent(err) {
		cause = fmt.Errorf("%w: %w", provider.ErrUnreached, cause)
	}
	if timedOut(err) {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "the provider could not be reached in time").WithCause(cause)
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the provider could not be reached").WithCause(cause)
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// unsent says whether there was no connection over which anything could have
// been sent. The handshake's error has no type.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || strings.Contains(err.Error(), "TLS handshake timeout")
}

// unaddressed takes the addresses out of an error of the network, for the log
// must not show where a target stands.
func unaddressed(err error) error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return errors.New("look up: name not resolved")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Err == nil {
			return errors.New(op.Op)
		}
		var inner *net.AddrError
		if errors.As(op.Err, &inner) {
			return fmt.Errorf("%s: %s", op.Op, inner.Err)
		}
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}
