package limit

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newClock() *clock { return &clock{time.Unix(1_000_000, 0)} }

func key(rpm, tpm int64) *auth.Principal {
	return &auth.Principal{Organization: "o", Key: "k", Limits: auth.Limits{RequestsPerMinute: rpm, TokensPerMinute: tpm}}
}

func TestRequestsPerMinute(t *testing.T) {
	c := newClock()
	l := New(100, c.read)
	p := key(3, 0)
	for i := range 3 {
		if _, err := l.Reserve(p, 0); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	_, err := l.Reserve(p, 0)
	e := errs.From(err)
	if e == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED || e.RetryAfter != 20*time.Second {
		t.Fatalf("fourth request: %v, retry after %v", err, e.RetryAfter)
	}
	c.now = c.now.Add(e.RetryAfter - time.Microsecond)
	if _, err := l.Reserve(p, 0); err == nil {
		t.Fatal("admitted before the time it was told")
	}
	c.now = c.now.Add(time.Microsecond)
	if _, err := l.Reserve(p, 0); err != nil {
		t.Fatalf("after the time it was told: %v", err)
	}
}

func TestTokensSettle(t *testing.T) {
	for _, tc := range []struct {
		name           string
		reserved, used int64
		next           int64
		want           time.Duration // 0: admitted
	}{
		{"less used gives back", 600, 100, 500, 0},
		{"exactly used", 600, 600, 100, time.Minute / 600 * 100},
		{"more used leaves a debt", 600, 1200, 600, 2 * time.Minute},
		{"a refused request gives all back", 600, 0, 600, 0},
		{"larger than a minute passes an empty bucket", 5000, 0, 600, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := New(100, newClock().read)
			p := key(0, 600)
			r, err := l.Reserve(p, tc.reserved)
			if err != nil {
				t.Fatal(err)
			}
			r.Settle(tc.used)
			_, err = l.Reserve(p, tc.next)
			var got time.Duration
			if err != nil {
				got = errs.From(err).RetryAfter
			}
			if got != tc.want {
				t.Errorf("wait %v, want %v", got, tc.want)
			}
		})
	}
}

// Over any run of requests, what is admitted never exceeds the rate times the
// time that has passed, plus one minute's worth of burst; and whoever waits as
// long as told is admitted.
func TestRateHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1_000_000).Draw(t, "rate")
		c := newClock()
		begin := c.now
		l := New(100, c.read)
		p := key(0, rate)
		admitted := int64(0)
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			c.now = c.now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "gap")))
			n := rapid.Int64Range(0, rate).Draw(t, "tokens")
			_, err := l.Reserve(p, n)
			if err != nil {
				c.now = c.now.Add(errs.From(err).RetryAfter)
				if _, err := l.Reserve(p, n); err != nil {
					t.Fatalf("waited as told, refused: %v", err)
				}
			}
			admitted += n
			micros := c.now.Sub(begin).Microseconds() + 1
			if float64(admitted) > float64(rate)*(1+float64(micros)/60e6)+1 {
				t.Fatalf("%d tokens in %v at %d a minute", admitted, c.now.Sub(begin), rate)
			}
		}
	})
}

func TestKeysAreForgotten(t *testing.T) {
	c := newClock()
	l := New(shards*4, c.read)
	for i := range 10_000 {
		p := key(1, 0)
		p.Key = string(rune('a'+i%26)) + time.Duration(i).String()
		if _, err := l.Reserve(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Len(); n > shards*4 {
		t.Errorf("%d keys are remembered, the limit is %d", n, shards*4)
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	c := newClock()
	l := New(10, c.read)
	p := key(1<<62, 1<<62)
	for range 10 {
		r, _ := l.Reserve(p, 1<<62)
		r.Settle(1 << 62)
	}
	if _, err := l.Reserve(p, 1); err == nil {
		t.Fatal("a debt was forgotten")
	}
	c.now = c.now.Add(1000 * time.Hour)
	if _, err := l.Reserve(p, 1<<62); err != nil {
		t.Fatalf("the bucket did not drain: %v", err)
	}
}

func TestUnlimitedCostsNothing(t *testing.T) {
	l := New(10, time.Now)
	p := key(0, 0)
	if n := testing.AllocsPerRun(100, func() {
		r, _ := l.Reserve(p, 100)
		r.Settle(50)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if l.Len() != 0 {
		t.Error("an unlimited key is remembered")
	}
}

func BenchmarkReserveSettle(b *testing.B) {
	l := New(1000, time.Now)
	p := key(1<<30, 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := l.Reserve(p, 100)
		r.Settle(50)
	}
}
