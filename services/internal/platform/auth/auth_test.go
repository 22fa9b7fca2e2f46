package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolver knows the keys in its map and counts what it is asked.
type resolver struct {
	mu    sync.Mutex
	keys  map[string]*Principal
	err   error
	asked atomic.Int64
	hold  chan struct{} // if set, answers wait for it
}

func (r *resolver) ResolveKey(ctx context.Context, key secret.String) (*Principal, error) {
	r.asked.Add(1)
	r.mu.Lock()
	p, ok, err, hold := r.keys[key.Reveal()], false, r.err, r.hold
	ok = p != nil
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "")
	}
	return p, nil
}

func (r *resolver) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// fixture is an authenticator whose time the test sets.
func fixture(options Options) (*Authenticator, *resolver, *time.Time) {
	r := &resolver{keys: map[string]*Principal{"tg_a": {Organization: "acme", Key: "keys/a"}, "tg_b": {Organization: "acme", Key: "keys/b"}}}
	a := NewAuthenticator(r, options)
	now := time.Unix(1_000_000, 0)
	a.now = func() time.Time { return now }
	return a, r, &now
}

func header(name, value string) http.Header { h := http.Header{}; h.Set(name, value); return h }

func bearerOf(key string) http.Header { return header("Authorization", "Bearer "+key) }

func reasonOf(err error) llmv1.ErrorReason {
	if err == nil {
		return llmv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	}
	return errs.From(err).Reason
}

const (
	ok              = llmv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	unauthenticated = llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED
)

func TestAuthenticateHeaders(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		want   llmv1.ErrorReason
	}{
		{"bearer", bearerOf("tg_a"), ok},
		{"scheme in any case", header("authorization", "bearer  tg_a "), ok},
		{"x-api-key", header("x-api-key", "tg_a"), ok},
		{"api-key", header("api-key", "tg_a"), ok},
		{"gemini", header("x-goog-api-key", "tg_a"), ok},
		{"none", http.Header{}, unauthenticated},
		{"empty bearer", header("Authorization", "Bearer "), unauthenticated},
		{"basic", header("Authorization", "Basic tg_a"), unauthenticated},
		{"unknown", bearerOf("tg_z"), unauthenticated},
		{"huge", bearerOf(strings.Repeat("x", maxKeyLength+1)), unauthenticated},
		{"internal header over HTTP", header(MetadataInternal, "token"), unauthenticated},
	}
	a, _, _ := fixture(Options{InternalToken: secret.New("token")})
	for _, tt := range tests {
		p, err := a.Authenticate(t.Context(), tt.header)
		if reasonOf(err) != tt.want || (err == nil) != (p != nil) {
			t.Errorf("%s: %v %v", tt.name, p, err)
		}
		if err != nil && strings.Contains(err.Error(), "tg_") {
			t.Errorf("%s: the error shows the key: %v", tt.name, err)
		}
	}
	signed := bearerOf("x")
	signed.Set("Authorization", "AWS4-HMAC-SHA256 Credential=…")
	signed.Set("X-Api-Key", "tg_a")
	if _, err := a.Authenticate(t.Context(), signed); err != nil {
		t.Errorf("a key beside another scheme: %v", err)
	}
}

func TestCacheTTL(t *testing.T) {
	a, r, now := fixture(Options{TTL: 5 * time.Second, NegativeTTL: time.Second})
	ask := func(key string, want llmv1.ErrorReason, asked int64) {
		t.Helper()
		if _, err := a.Authenticate(t.Context(), bearerOf(key)); reasonOf(err) != want {
			t.Errorf("%s: %v", key, err)
		}
		if got := r.asked.Load(); got != asked {
			t.Errorf("%s: asked %d times, want %d", key, got, asked)
		}
	}
	ask("tg_a", ok, 1)
	*now = now.Add(4900 * time.Millisecond)
	ask("tg_a", ok, 1)
	*now = now.Add(200 * time.Millisecond)
	ask("tg_a", ok, 2)
	ask("tg_z", unauthenticated, 3)
	ask("tg_z", unauthenticated, 3)
	*now = now.Add(1100 * time.Millisecond)
	ask("tg_z", unauthenticated, 4)
}

func TestStaleDuringOutageOnly(t *testing.T) {
	a, r, now := fixture(Options{TTL: 5 * time.Second, StaleFor: time.Minute})
	try := func(key string) llmv1.ErrorReason {
		_, err := a.Authenticate(t.Context(), bearerOf(key))
		return reasonOf(err)
	}
	if got := try("tg_a"); got != ok {
		t.Fatal(got)
	}
	down := errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "down")
	r.set(func() { r.err = fmt.Errorf("resolve: %w", down) })
	*now = now.Add(10 * time.Second)
	if got := try("tg_a"); got != ok {
		t.Errorf("during the outage: %v", got)
	}
	asked := r.asked.Load()
	if try("tg_a"); r.asked.Load() != asked {
		t.Error("each request waits for the broken resolver")
	}
	if got := try("tg_b"); got != llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE {
		t.Errorf("a key never seen: %v", got)
	}
	*now = now.Add(time.Minute)
	if got := try("tg_a"); got != llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE {
		t.Errorf("beyond the bound: %v", got)
	}
	r.set(func() { r.err = nil })
	*now = now.Add(time.Minute)
	if got := try("tg_a"); got != ok {
		t.Errorf("after the outage: %v", got)
	}
	*now = now.Add(10 * time.Second)
	r.set(func() { delete(r.keys, "tg_a") })
	if got := try("tg_a"); got != unauthenticated {
		t.Errorf("a definite denial: %v", got)
	}
	r.set(func() { r.err = down })
	*now = now.Add(10 * time.Second)
	if got := try("tg_a"); got == ok {
		t.Error("a revoked key came back with the outage")
	}
	r.set(func() { r.err = errors.New("a bug") })
	if got := try("tg_b"); got != llmv1.ErrorReason_ERROR_REASON_INTERNAL {
		t.Errorf("a bug: %v", got)
	}
}

func TestInvalidate(t *testing.T) {
	a, r, _ := fixture(Options{})
	for _, key := range []string{"tg_a", "tg_b"} {
		if _, err := a.Authenticate(t.Context(), bearerOf(key)); err != nil {
			t.Fatal(err)
		}
	}
	r.set(func() { delete(r.keys, "tg_a") })
	a.Invalidate("keys/a")
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); reasonOf(err) != unauthenticated {
		t.Errorf("revoked: %v", err)
	}
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_b")); err != nil || r.asked.Load() != 3 {
		t.Errorf("another key: %v, asked %d", err, r.asked.Load())
	}
	a.Invalidate("")
	if a.cache.len() != 0 {
		t.Error("not everything was forgotten")
	}
}

func TestKeyEndsDespiteCacheAndOutage(t *testing.T) {
	a, r, now := fixture(Options{TTL: 5 * time.Second})
	r.set(func() { r.keys["tg_a"] = &Principal{Organization: "acme", ExpireTime: now.Add(3 * time.Second)} })
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(3 * time.Second)
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); reasonOf(err) != unauthenticated {
		t.Errorf("after its end: %v", err)
	}
	a.Invalidate("")
	*now = now.Add(-2 * time.Second)
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(2 * time.Second)
	r.set(func() { r.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "") })
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); err == nil {
		t.Error("an outage lengthened the key's life")
	}
}

// TestInvalidateDuringResolution: an answer that was under way when the key
// was revoked must not be remembered, nor serve those who come later.
func TestInvalidateDuringResolution(t *testing.T) {
	a, r, _ := fixture(Options{})
	hold := make(chan struct{})
	r.set(func() { r.hold = hold })
	first := make(chan error, 1)
	go func() {
		_, err := a.Authenticate(t.Context(), bearerOf("tg_a"))
		first <- err
	}()
	for r.asked.Load() == 0 {
		runtime.Gosched()
	}
	r.set(func() { delete(r.keys, "tg_a"); r.hold = nil })
	a.Invalidate("keys/a")
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); reasonOf(err) != unauthenticated {
		t.Errorf("after the revocation: %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("before the revocation: %v", err)
	}
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); reasonOf(err) != unauthenticated {
		t.Errorf("the old answer was remembered: %v", err)
	}
}

func TestConcurrentMissesAskOnce(t *testing.T) {
	a, r, _ := fixture(Options{})
	hold := make(chan struct{})
	r.set(func() { r.hold = hold })
	// The first caller gives up; that must not fail the others.
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := a.Authenticate(ctx, bearerOf("tg_a"))
		gaveUp <- err
	}()
	for r.asked.Load() == 0 {
		runtime.Gosched()
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	if err := <-gaveUp; reasonOf(err) != llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		t.Errorf("gave up with %v", err)
	}
	close(hold)
	wg.Wait()
	if got := r.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestResolverThatHangsIsBounded(t *testing.T) {
	a, r, _ := fixture(Options{ResolveTimeout: 20 * time.Millisecond})
	r.set(func() { r.hold = make(chan struct{}) })
	if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); reasonOf(err) != llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE {
		t.Errorf("got %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	a, _, _ := fixture(Options{MaxEntries: 10})
	for i := range 100 {
		_, _ = a.Authenticate(t.Context(), bearerOf(fmt.Sprint("junk", i)))
		if _, err := a.Authenticate(t.Context(), bearerOf("tg_a")); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.cache.len(); got != 10 {
		t.Errorf("%d entries", got)
	}
}

func TestRequire(t *testing.T) {
	p := &Principal{Organization: "acme", Roles: []string{RoleDeveloper}}
	ctx := NewContext(t.Context(), p)
	tests := []struct {
		ctx   context.Context
		roles []string
		want  llmv1.ErrorReason
	}{
		{t.Context(), nil, unauthenticated},
		{NewContext(t.Context(), nil), nil, unauthenticated},
		{ctx, nil, ok},
		{ctx, []string{RoleAdmin, RoleDeveloper}, ok},
		{ctx, []string{RoleAdmin}, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
	}
	for i, tt := range tests {
		got, err := Require(tt.ctx, tt.roles...)
		if reasonOf(err) != tt.want || err == nil && got != p {
			t.Errorf("%d: %v %v", i, got, err)
		}
	}
}

func TestMayUse(t *testing.T) {
	tests := []struct {
		allowed []string
		model   string
		want    bool
	}{
		{nil, "any", true}, {[]string{"a"}, "a", true}, {[]string{"a"}, "ab", false}, {[]string{"a*"}, "ab", true}, {[]string{"*"}, "x", true}, {[]string{"b", "a"}, "a", true}, {[]string{""}, "a", false},
	}
	for _, tt := range tests {
		if got := (&Principal{AllowedModels: tt.allowed}).MayUse(tt.model); got != tt.want {
			t.Errorf("%v may use %q: %v", tt.allowed, tt.model, got)
		}
	}
}

func TestPrincipalSurvivesForwarding(t *testing.T) {
	p := &Principal{Organization: "acme", Team: "t", User: "u", Key: "k", Roles: []string{"admin"}, AllowedModels: []string{"a*"}, AllowedCollections: []string{"c"}, Limits: Limits{1, 2}, ExpireTime: time.Unix(5, 0).UTC()}
	text, err := encodePrincipal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePrincipal(text)
	if err != nil {
		t.Fatal(err)
	}
	want := *p
	want.Internal = true
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecodePrincipal(f *testing.F) {
	f.Add("")
	f.Add("e30")
	f.Add("eyJvcmciOiJhIn0")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := decodePrincipal(text)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v %v", p, err)
		}
		if err != nil && reasonOf(err) != unauthenticated {
			t.Fatalf("got %v", err)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	a, _, _ := fixture(Options{TTL: time.Hour})
	h := bearerOf("tg_0123456789abcdef0123456789abcdef")
	a.resolver.(*resolver).keys["tg_0123456789abcdef0123456789abcdef"] = &Principal{Organization: "acme"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), h); err != nil {
			b.Fatal(err)
		}
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	a, _, _ := fixture(Options{TTL: time.Hour})
	h := bearerOf("tg_a")
	got := testing.AllocsPerRun(100, func() {
		if _, err := a.Authenticate(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}
