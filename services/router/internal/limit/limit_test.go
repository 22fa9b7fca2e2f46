package limit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newClock() *clock { return &clock{time.Unix(1_000_000, 0)} }

func newLimiter(c *clock, keys int) *Limiter { return New(quota.New(c.read), keys) }

func key(rpm, tpm int64) *auth.Principal {
	return &auth.Principal{Organization: "o", Key: "k", Limits: auth.Limits{RequestsPerMinute: rpm, TokensPerMinute: tpm}}
}

// refused asks and returns how long it is told to wait; 0 if it is admitted.
func refused(t *testing.T, l *Limiter, p *auth.Principal, tokens int64) time.Duration {
	t.Helper()
	_, err := l.Reserve(t.Context(), p, tokens)
	if err == nil {
		return 0
	}
	return errs.From(err).RetryAfter
}

func TestRequestsPerMinute(t *testing.T) {
	c := newClock()
	l := newLimiter(c, 100)
	p := key(3, 0)
	for i := range 3 {
		if _, err := l.Reserve(t.Context(), p, 1000); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		c.now = c.now.Add(time.Second)
	}
	_, err := l.Reserve(t.Context(), p, 0)
	e := errs.From(err)
	if e == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED || e.Metadata["limit"] != "requests_per_minute" ||
		e.Message != "the key's limit of 3 requests per minute is used up" {
		t.Fatalf("fourth request: %v, %v", err, e)
	}
	c.now = c.now.Add(e.RetryAfter - time.Microsecond)
	if refused(t, l, p, 0) == 0 {
		t.Fatal("admitted before the time it was told")
	}
	c.now = c.now.Add(time.Microsecond)
	if wait := refused(t, l, p, 0); wait != 0 {
		t.Fatalf("after the time it was told: %v more", wait)
	}
}

func TestTokensSettle(t *testing.T) {
	for _, tc := range []struct {
		name           string
		reserved, used int64
		next           int64
		admitted       bool
	}{
		{"less used gives back", 600, 100, 500, true},
		{"exactly used", 600, 600, 100, false},
		{"more used counts too", 300, 600, 1, false},
		{"a refused request gives all back", 600, 0, 600, true},
		{"larger than a minute passes an empty window", 5000, 0, 600, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLimiter(newClock(), 100)
			p := key(0, 600)
			r, err := l.Reserve(t.Context(), p, tc.reserved)
			if err != nil {
				t.Fatal(err)
			}
			r.Settle(tc.used)
			_, err = l.Reserve(t.Context(), p, tc.next)
			if e := errs.From(err); (err == nil) != tc.admitted || err != nil && e.Metadata["limit"] != "tokens_per_minute" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// No minute holds more than the limit, and whoever waits as long as told is admitted.
func TestRateHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1_000_000).Draw(t, "rate")
		c := newClock()
		l := newLimiter(c, 100)
		p := key(0, rate)
		type grant struct {
			at time.Time
			n  int64
		}
		var grants []grant
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			c.now = c.now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "gap")))
			n := rapid.Int64Range(0, rate).Draw(t, "tokens")
			if _, err := l.Reserve(context.Background(), p, n); err != nil {
				c.now = c.now.Add(errs.From(err).RetryAfter)
				if _, err := l.Reserve(context.Background(), p, n); err != nil {
					t.Fatalf("waited as told, refused: %v", err)
				}
			}
			grants = append(grants, grant{c.now, n})
			minute := int64(0)
			for _, g := range grants {
				if c.now.Sub(g.at) <= time.Minute {
					minute += g.n
				}
			}
			if minute > rate {
				t.Fatalf("%d tokens in a minute at %d", minute, rate)
			}
		}
	})
}

func TestOwnersAreApart(t *testing.T) {
	l := newLimiter(newClock(), 100)
	owners := []*auth.Principal{
		{Organization: "o", Key: "k"}, {Organization: "p", Key: "k"}, {Organization: "o", User: "k"}, {Organization: "o", Key: "l", User: "k"},
	}
	for i, p := range owners {
		p.Limits.RequestsPerMinute = 1
		if wait := refused(t, l, p, 0); wait != 0 {
			t.Errorf("owner %d is charged for another", i)
		}
		if refused(t, l, p, 0) == 0 {
			t.Errorf("owner %d has no limit", i)
		}
	}
}

func TestKeysAreForgotten(t *testing.T) {
	c := newClock()
	l := newLimiter(c, 100)
	for i := range 10_000 {
		p := key(1, 0)
		p.Key = fmt.Sprint(i)
		if wait := refused(t, l, p, 0); wait != 0 {
			t.Fatal("a new key is refused")
		}
	}
	if n := l.keys.Len(); n > 100 {
		t.Errorf("%d keys are remembered, the limit is 100", n)
	}
}

// Room is made of keys that are not used; those that are stay.
func TestBusyKeysAreRemembered(t *testing.T) {
	c := newClock()
	l := newLimiter(c, 200)
	busy, slow := key(1, 0), key(0, 1000)
	slow.Key = "slow"
	r, err := l.Reserve(t.Context(), slow, 10) // and is not settled for long
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if i%50 == 0 {
			c.now = c.now.Add(62 * time.Second)
			_ = refused(t, l, busy, 0)
		}
		p := key(1, 0)
		p.Key = fmt.Sprint(i)
		_ = refused(t, l, p, 0)
		if refused(t, l, busy, 0) == 0 {
			t.Fatalf("after %d others a busy key is forgotten", i)
		}
	}
	r.Settle(1000)
	if refused(t, l, slow, 100) == 0 {
		t.Error("what a long request used is forgotten")
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	c := newClock()
	l := newLimiter(c, 10)
	p := key(1<<62, 1<<62)
	for range 10 {
		r, _ := l.Reserve(t.Context(), p, 1<<62)
		r.Settle(1 << 62)
	}
	if refused(t, l, p, 1) == 0 {
		t.Fatal("a debt was forgotten")
	}
	c.now = c.now.Add(1000 * time.Hour)
	if wait := refused(t, l, p, 1<<62); wait != 0 {
		t.Fatalf("the minute does not pass: %v", wait)
	}
}

func TestUnlimitedCostsNothing(t *testing.T) {
	l := New(quota.New(time.Now), 10)
	p := key(0, 0)
	if n := testing.AllocsPerRun(100, func() {
		r, _ := l.Reserve(t.Context(), p, 100)
		r.Settle(50)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if l.keys.Len() != 0 {
		t.Error("an unlimited key is remembered")
	}
}

func TestLimitedCostsLittle(t *testing.T) {
	l := New(quota.New(time.Now), 10)
	p := key(1<<30, 1<<30)
	if n := testing.AllocsPerRun(100, func() {
		r, _ := l.Reserve(t.Context(), p, 100)
		r.Settle(50)
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReserveSettle(b *testing.B) {
	l := New(quota.New(time.Now), 1000)
	p := key(1<<30, 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := l.Reserve(b.Context(), p, 100)
		r.Settle(50)
	}
}
