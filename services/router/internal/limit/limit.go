// Package limit holds keys to their requests and tokens per minute.
//
// A request reserves one request and the tokens that it may use at worst; when
// it has ended it settles what it used. How that is counted, and how several
// routers count together, is told in package quota: no minute, wherever it
// begins, holds more than the key's limit.
package limit

import (
	"context"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// Limiter holds all keys in use to their rates. It is safe for concurrent use.
type Limiter struct{ keys *quota.Guests }

// New makes a limiter that remembers up to maxKeys keys in a book of its own.
func New(book *quota.Book, maxKeys int) *Limiter { return &Limiter{book.Guests(maxKeys, deny)} }

// Reserve takes one request and the given tokens from the caller's rates, or
// fails with RATE_LIMITED and the time after which it would succeed. A request
// that is larger than a minute's tokens is let through when nothing else counts.
func (l *Limiter) Reserve(ctx context.Context, p *auth.Principal, tokens int64) (quota.Reservation, error) {
	rates := quota.Rates{
		Requests: max(p.Limits.RequestsPerMinute, 0), Tokens: max(p.Limits.TokensPerMinute, 0),
	}
	if rates == (quota.Rates{}) {
		return quota.Reservation{}, nil
	}
	gate := l.keys.Gate(ownerOf(p), rates)
	if rates.Tokens > 0 {
		return gate.Reserve(ctx, "", tokens)
	}
	r, err := gate.Reserve(ctx, "", 0)
	r.Settle(0) // nothing more is counted
	return quota.Reservation{}, err
}

func deny(limit quota.Rates, what string, wait time.Duration) error {
	rate := limit.Requests
	if what == "tokens" {
		rate = limit.Tokens
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "the key's limit of %d %s per minute is used up", rate, what).
		WithRetryAfter(wait).WithMetadata("limit", what+"_per_minute")
}

// ownerOf names whose rate it is, for all routers.
func ownerOf(p *auth.Principal) string {
	if p.Key != "" {
		return p.Organization + "/key/" + p.Key
	}
	return p.Organization + "/user/" + p.User
}
