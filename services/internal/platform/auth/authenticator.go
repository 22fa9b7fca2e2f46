package auth

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// KeyResolver finds who owns a key. An unknown, expired or revoked key is an
// error with reason UNAUTHENTICATED, PERMISSION_DENIED or NOT_FOUND; those
// are definite. UNAVAILABLE, OVERLOADED and DEADLINE_EXCEEDED mean that
// nothing is known.
type KeyResolver interface {
	ResolveKey(ctx context.Context, key secret.String) (*Principal, error)
}

// Options tunes an Authenticator. Zero fields take the defaults.
type Options struct {
	// InternalToken is what Tollgate services show each other. Empty: no
	// internal call is accepted.
	InternalToken secret.String
	// TTL is how long a resolved key is used unasked. Default 5 s.
	TTL time.Duration
	// NegativeTTL is how long a refused key stays refused. Default 1 s.
	NegativeTTL time.Duration
	// StaleFor is how long after resolving a key is still used while the
	// resolver is unavailable. Default 5 min.
	StaleFor time.Duration
	// ResolveTimeout bounds one resolution, which callers share. Default 3 s.
	ResolveTimeout time.Duration
	// MaxEntries bounds the cache. Default 16384.
	MaxEntries int
	// PublicMethods are full gRPC methods that need no caller, besides health
	// and reflection.
	PublicMethods []string
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&o.TTL, 5*time.Second)
	set(&o.NegativeTTL, time.Second)
	set(&o.StaleFor, 5*time.Minute)
	set(&o.ResolveTimeout, 3*time.Second)
	if o.MaxEntries <= 0 {
		o.MaxEntries = 16384
	}
	return o
}

// maxKeyLength bounds what is hashed and looked up; real keys are far shorter
// and tokens of identity providers stay below it.
const maxKeyLength = 16 << 10

// Authenticator authenticates callers by key or internal token. It is safe
// for concurrent use.
type Authenticator struct {
	resolver KeyResolver
	options  Options
	internal [sha256.Size]byte
	signing  SigningKeyResolver // nil: no signature is taken
	// Keys and access key ids are kept apart: nobody may come in with the one
	// in place of the other.
	cache, signers *cache
	now            func() time.Time
}

// NewAuthenticator makes an Authenticator. A nil resolver knows no key, which
// fits a service that only other services call. A resolver that is a
// SigningKeyResolver too lets the requests of AWS SDKs in.
func NewAuthenticator(resolver KeyResolver, options Options) *Authenticator {
	options = options.withDefaults()
	signing, _ := resolver.(SigningKeyResolver)
	return &Authenticator{
		signing:  signing,
		signers:  newCache(options.MaxEntries),
		resolver: resolver,
		options:  options,
		internal: sha256.Sum256([]byte(options.InternalToken.Reveal())),
		cache:    newCache(options.MaxEntries),
		now:      time.Now,
	}
}

// Invalidate forgets what is known of a key, by its id, so that its next use
// asks the resolver. An empty id forgets every key.
func (a *Authenticator) Invalidate(keyID string) {
	a.cache.invalidate(keyID)
	a.signers.invalidate(keyID)
}

// keyHeaders are the places other than Authorization where SDKs put a key.
var keyHeaders = []string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"}

// Authenticate finds the caller of an HTTP request: Authorization: Bearer,
// x-api-key, api-key or x-goog-api-key. The internal token is not accepted
// over HTTP.
func (a *Authenticator) Authenticate(ctx context.Context, header http.Header) (*Principal, error) {
	if key, ok := bearer(header.Get("Authorization")); ok {
		return a.resolve(ctx, key)
	}
	for _, name := range keyHeaders {
		if key := header.Get(name); key != "" {
			return a.resolve(ctx, key)
		}
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
		"no key was sent: use the header Authorization: Bearer")
}

func bearer(value string) (string, bool) {
	scheme, key, ok := strings.Cut(value, " ")
	key = strings.TrimSpace(key)
	return key, ok && strings.EqualFold(scheme, "Bearer") && key != ""
}

// AuthenticateKey finds the caller of a key that came in another place than
// the headers.
func (a *Authenticator) AuthenticateKey(ctx context.Context, key secret.String) (*Principal, error) {
	if key.IsZero() {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "no key was sent")
	}
	return a.resolve(ctx, key.Reveal())
}

// resolve finds the principal of a key, from the cache if it may.
func (a *Authenticator) resolve(ctx context.Context, key string) (*Principal, error) {
	if len(key) > maxKeyLength || a.resolver == nil {
		return nil, errUnknownKey()
	}
	id := hashKey(key)
	// Looked up here first, so that a hit builds no closure.
	if e, _ := a.cache.get(id); e != nil && a.now().Before(e.expires) {
		return e.principal, e.err
	}
	e, err := a.find(ctx, a.cache, id, func(ctx context.Context) (*Principal, secret.String, error) {
		p, err := a.resolver.ResolveKey(ctx, secret.New(key))
		return p, secret.String{}, err
	})
	if err != nil {
		return nil, err
	}
	return e.principal, nil
}

// hashKey hashes without moving keys of usual length to the heap.
func hashKey(key string) keyHash {
	var usual [128]byte
	return sha256.Sum256(append(usual[:0], key...))
}

// inquiry asks a resolver whose something is.
type inquiry func(ctx context.Context) (*Principal, secret.String, error)

// find returns what is known under an id, from the cache if it may, else by
// one resolution that all who wait for it share.
func (a *Authenticator) find(ctx context.Context, c *cache, id keyHash, ask inquiry) (*entry, error) {
	known, generation := c.get(id)
	if known != nil && a.now().Before(known.expires) {
		return known, known.err
	}
	// Callers who come after an Invalidate must not share an older answer,
	// hence the generation in the name of the flight.
	name := string(id[:]) + generation.String()
	result := c.flight.DoChan(name, func() (any, error) {
		return a.refresh(ctx, c, id, known, generation, ask)
	})
	select {
	case <-ctx.Done():
		return nil, errs.From(ctx.Err())
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*entry), nil
	}
}

// refresh asks the resolver, apart from the cancellation of whoever came
// first, and remembers the answer.
func (a *Authenticator) refresh(ctx context.Context, c *cache, id keyHash, old *entry, generation generation, ask inquiry) (*entry, error) {
	// Another flight may have landed between the caller's look and this one.
	if fresh, _ := c.get(id); fresh != nil && a.now().Before(fresh.expires) {
		return fresh, fresh.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.options.ResolveTimeout)
	defer cancel()
	principal, signing, err := ask(ctx)
	now := a.now()
	switch {
	case err == nil && principal != nil && !principal.expired(now):
		found := &entry{
			principal: principal, signing: signing,
			expires: principal.atMost(now.Add(a.options.TTL)),
			stale:   principal.atMost(now.Add(a.options.StaleFor)),
		}
		c.put(id, generation, found)
		return found, nil
	case err == nil || definite(err):
		denied := errUnknownKey().WithCause(err)
		c.put(id, generation, &entry{err: denied, expires: now.Add(a.options.NegativeTTL)})
		return nil, denied
	case unavailable(err) && old != nil && old.principal != nil && now.Before(old.stale):
		// Serve the old answer for a moment before asking again, so that an
		// outage does not add a timeout to every request.
		again := *old
		again.expires = old.principal.atMost(now.Add(a.options.NegativeTTL))
		c.put(id, generation, &again)
		return old, nil
	case unavailable(err):
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE,
			"keys cannot be checked at the moment").WithCause(err).WithRetryAfter(a.options.NegativeTTL)
	}
	return nil, errs.Internal(err)
}

func (p *Principal) expired(now time.Time) bool {
	return !p.ExpireTime.IsZero() && !now.Before(p.ExpireTime)
}

// atMost cuts a time off at the key's end.
func (p *Principal) atMost(t time.Time) time.Time {
	if !p.ExpireTime.IsZero() && p.ExpireTime.Before(t) {
		return p.ExpireTime
	}
	return t
}

func errUnknownKey() *errs.Error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the key is unknown, expired or revoked")
}

func definite(err error) bool {
	switch errs.From(err).Reason {
	case llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
		llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
		llmv1.ErrorReason_ERROR_REASON_NOT_FOUND,
		llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:
		return true
	}
	return false
}

func unavailable(err error) bool {
	switch errs.From(err).Reason {
	case llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE,
		llmv1.ErrorReason_ERROR_REASON_OVERLOADED,
		llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:
		return true
	}
	return false
}
