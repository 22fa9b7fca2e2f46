// Package limit holds keys to their requests and tokens per minute.
//
// Each rate is a leaky bucket that holds one minute's worth and drains
// continuously (the same as GCRA with a burst of one minute). A request reserves
// what it may use at worst; when it has ended it settles what it used, which
// gives the difference back, or leaves a debt that later requests wait for.
// All arithmetic is exact: a level is counted in sixty-millionths of a unit, so
// that a rate of n a minute drains n of them in a microsecond.
package limit

import (
	"hash/maphash"
	"sync"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// scale is how many level units a request or a token has: microseconds a minute.
const scale = int64(time.Minute / time.Microsecond)

// most bounds rates and amounts, so that levels cannot overflow.
const most = int64(1) << 34

const shards = 32

// Limiter holds the levels of all keys in use. It is safe for concurrent use.
type Limiter struct {
	now    func() time.Time
	seed   maphash.Seed
	each   int // keys a shard may hold
	shards [shards]shard
}

type shard struct {
	mu   sync.Mutex
	keys map[owner]*levels
}

// owner is whose rate it is.
type owner struct{ organization, user, key string }

type levels struct {
	updated          int64 // microseconds
	requests, tokens int64
	rates            auth.Limits
}

// New makes a limiter that remembers up to maxKeys keys. A key whose buckets
// have drained is forgotten without a difference; only when more than maxKeys
// are busy at once is a busy one forgotten too, which forgives it at most a minute.
func New(maxKeys int, now func() time.Time) *Limiter {
	l := &Limiter{now: now, seed: maphash.MakeSeed(), each: max(1, maxKeys/shards)}
	for i := range l.shards {
		l.shards[i].keys = make(map[owner]*levels)
	}
	return l
}

// Reservation is what a request has reserved. The zero value has reserved nothing.
type Reservation struct {
	limiter *Limiter
	owner   owner
	tokens  int64
	rate    int64
}

// Reserve takes one request and the given tokens from the caller's rates, or
// fails with RATE_LIMITED and the time after which it would succeed. A request
// that is larger than a minute's tokens is let through when the bucket is empty.
func (l *Limiter) Reserve(p *auth.Principal, tokens int64) (Reservation, error) {
	if p.Limits.RequestsPerMinute <= 0 && p.Limits.TokensPerMinute <= 0 {
		return Reservation{}, nil
	}
	rates := auth.Limits{
		RequestsPerMinute: min(p.Limits.RequestsPerMinute, most),
		TokensPerMinute:   min(p.Limits.TokensPerMinute, most),
	}
	tokens = min(max(tokens, 0), most)
	o := ownerOf(p)
	s := l.shard(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := l.now().UnixMicro()
	k := s.get(o, now, l.each)
	k.drain(now, rates)
	if wait := wait(k.requests, 1, rates.RequestsPerMinute); wait > 0 {
		return Reservation{}, refuse("requests", rates.RequestsPerMinute, wait)
	}
	if wait := wait(k.tokens, tokens, rates.TokensPerMinute); wait > 0 {
		return Reservation{}, refuse("tokens", rates.TokensPerMinute, wait)
	}
	if rates.RequestsPerMinute > 0 {
		k.requests += scale
	}
	if rates.TokensPerMinute <= 0 {
		return Reservation{}, nil
	}
	k.tokens += tokens * scale
	return Reservation{limiter: l, owner: o, tokens: tokens, rate: rates.TokensPerMinute}, nil
}

// Settle replaces the reserved tokens by those that were used. It is called once.
func (r Reservation) Settle(used int64) {
	if r.limiter == nil {
		return
	}
	used = min(max(used, 0), most)
	s := r.limiter.shard(r.owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := r.limiter.now().UnixMicro()
	k, ok := s.keys[r.owner]
	if !ok {
		if used <= r.tokens {
			return // drained and forgotten: nothing to give back
		}
		k = s.get(r.owner, now, r.limiter.each)
	}
	k.drain(now, auth.Limits{RequestsPerMinute: k.rates.RequestsPerMinute, TokensPerMinute: r.rate})
	k.tokens = min(max(0, k.tokens+(used-r.tokens)*scale), 2*most*scale)
}

// drain lets the time since the last look run out of the buckets.
func (k *levels) drain(now int64, rates auth.Limits) {
	k.rates = rates
	elapsed := now - k.updated
	if elapsed <= 0 {
		return // the clock stood or went back
	}
	k.updated = now
	k.requests = drained(k.requests, elapsed, rates.RequestsPerMinute)
	k.tokens = drained(k.tokens, elapsed, rates.TokensPerMinute)
}

func drained(level, elapsed, rate int64) int64 {
	if rate <= 0 || elapsed > level/rate {
		return 0
	}
	return level - rate*elapsed
}

// wait is how many microseconds pass until n more units fit; 0 means that they do.
func wait(level, n, rate int64) int64 {
	if rate <= 0 {
		return 0
	}
	room := rate * scale
	if n > rate {
		n = rate // more than a minute's worth: fits once the bucket is empty
	}
	over := level + n*scale - room
	if over <= 0 {
		return 0
	}
	return (over + rate - 1) / rate
}

func refuse(what string, rate, micros int64) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED,
		"the key's limit of %d %s per minute is used up", rate, what).
		WithRetryAfter(time.Duration(micros)*time.Microsecond).
		WithMetadata("limit", what+"_per_minute")
}

func ownerOf(p *auth.Principal) owner {
	if p.Key != "" {
		return owner{organization: p.Organization, key: p.Key}
	}
	return owner{organization: p.Organization, user: p.User}
}

func (l *Limiter) shard(o owner) *shard {
	return &l.shards[maphash.Comparable(l.seed, o)%shards]
}

// get finds or makes the levels of an owner, and forgets others for it.
func (s *shard) get(o owner, now int64, room int) *levels {
	if k, ok := s.keys[o]; ok {
		return k
	}
	s.forget(now, room)
	k := &levels{updated: now}
	s.keys[o] = k
	return k
}

// forget looks at a few keys, which map iteration picks at random, and drops
// those that have drained; if the shard is full, it looks at all of them and
// the one that is nearest to empty goes anyway.
func (s *shard) forget(now int64, room int) {
	const looks = 4
	var nearest owner
	least, seen := int64(1<<63-1), 0
	for o, k := range s.keys {
		k.drain(now, k.rates)
		if level := max(k.requests, k.tokens); level == 0 {
			delete(s.keys, o)
		} else if level < least {
			nearest, least = o, level
		}
		if seen++; seen >= looks && len(s.keys) < room {
			return
		}
	}
	if len(s.keys) >= room {
		delete(s.keys, nearest)
	}
}

// Len is how many keys are remembered.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.keys)
		s.mu.Unlock()
	}
	return n
}
