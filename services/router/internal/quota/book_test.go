package quota

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Unix(1_000_000, 0)} }

func rpm(n int64) provider.Limits {
	return provider.Limits{Rates: provider.Rates{RequestsPerMinute: n}}
}

func tpm(n int64) provider.Limits {
	return provider.Limits{Rates: provider.Rates{TokensPerMinute: n}}
}

func reserve(t testing.TB, g *Gate, model string, tokens int64) (Reservation, time.Duration) {
	t.Helper()
	r, err := g.Reserve(context.Background(), model, tokens)
	if err == nil {
		return r, 0
	}
	e := errs.From(err)
	if e.Reason != llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED || e.RetryAfter <= 0 {
		t.Fatalf("refused with %v, retry after %v", err, e.RetryAfter)
	}
	return r, e.RetryAfter
}

func TestRequestsOfAMinute(t *testing.T) {
	c := newClock()
	g := New(c.now).Gate("east", rpm(3))
	for range 3 {
		if _, wait := reserve(t, g, "m", 10); wait != 0 {
			t.Fatal("refused within the limit")
		}
		c.at = c.at.Add(time.Second)
	}
	_, wait := reserve(t, g, "m", 10)
	if wait != 58*time.Second { // the first was 3 s ago and counts for 61
		t.Fatalf("wait %v", wait)
	}
	c.at = c.at.Add(wait - time.Millisecond)
	if _, wait := reserve(t, g, "m", 10); wait != time.Millisecond {
		t.Fatalf("admitted before the time it was told, or wait %v", wait)
	}
	c.at = c.at.Add(time.Millisecond)
	if _, wait := reserve(t, g, "m", 10); wait != 0 {
		t.Fatalf("refused after the time it was told, for another %v", wait)
	}
}

func TestTokensSettle(t *testing.T) {
	for _, tc := range []struct {
		name                string
		reserved, used      int64
		cancel              bool
		next                int64
		admitted, admitted2 bool // now, and after a minute
	}{
		{name: "less used gives back", reserved: 600, used: 100, next: 500, admitted: true},
		{name: "exactly used", reserved: 600, used: 600, next: 1, admitted2: true},
		{name: "more used leaves a debt", reserved: 100, used: 700, next: 1, admitted2: true},
		{name: "cancelled gives all back", reserved: 600, cancel: true, next: 600, admitted: true},
		{name: "larger than the limit passes alone", reserved: 5000, used: 0, next: 600, admitted: true},
		{name: "larger than the limit waits for the rest", reserved: 1, used: 1, next: 5000, admitted2: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			g := New(c.now).Gate("east", tpm(600))
			r, wait := reserve(t, g, "m", tc.reserved)
			if wait != 0 {
				t.Fatal("the first was refused")
			}
			if tc.cancel {
				r.Cancel()
			} else {
				r.Settle(tc.used)
			}
			if _, wait := reserve(t, g, "m", tc.next); (wait == 0) != tc.admitted {
				t.Fatalf("wait %v", wait)
			}
			c.at = c.at.Add(Seconds * time.Second)
			if _, wait := reserve(t, g, "m", tc.next); !tc.admitted && (wait == 0) != tc.admitted2 {
				t.Fatalf("after a minute: wait %v", wait)
			}
		})
	}
}

func TestModelsHaveLimitsBesides(t *testing.T) {
	g := New(newClock().now).Gate("east", provider.Limits{
		Rates: provider.Rates{RequestsPerMinute: 3}, Models: map[string]provider.Rates{"small": {RequestsPerMinute: 1}},
	})
	if _, wait := reserve(t, g, "small", 1); wait != 0 {
		t.Fatal("refused")
	}
	if _, wait := reserve(t, g, "small", 1); wait == 0 {
		t.Fatal("the model's limit does not hold")
	}
	for i := range 2 { // the refused one took nothing of the target's
		if _, wait := reserve(t, g, "large", 1); wait != 0 {
			t.Fatalf("request %d of another model: refused", i)
		}
	}
	if _, wait := reserve(t, g, "large", 1); wait == 0 {
		t.Fatal("the target's limit does not hold")
	}
}

func TestLimitsChange(t *testing.T) {
	b := New(newClock().now)
	g := b.Gate("east", rpm(2))
	reserve(t, g, "m", 1)
	reserve(t, g, "m", 1)
	if b.Gate("east", rpm(3)) != g {
		t.Fatal("what was granted is forgotten")
	}
	if _, wait := reserve(t, g, "m", 1); wait != 0 {
		t.Error("the higher limit does not hold")
	}
	if _, wait := reserve(t, g, "m", 1); wait == 0 {
		t.Error("what was granted is forgotten")
	}
	b.Gate("east", provider.Limits{})
	if _, wait := reserve(t, g, "m", 1); wait != 0 {
		t.Error("a limit that is gone holds")
	}
}

func TestUnlimitedCostsNothing(t *testing.T) {
	g := New(time.Now).Gate("east", provider.Limits{})
	var none *Gate
	for _, g := range []*Gate{g, none} {
		if n := testing.AllocsPerRun(100, func() {
			r, _ := g.Reserve(context.Background(), "m", 100)
			r.Settle(50)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
	limited := New(time.Now).Gate("east", rpm(1<<30))
	if n := testing.AllocsPerRun(100, func() {
		r, _ := limited.Reserve(context.Background(), "m", 100)
		r.Settle(50)
	}); n > 1 {
		t.Errorf("with a limit: %v allocations", n)
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	c := newClock()
	g := New(c.now).Gate("east", provider.Limits{Rates: provider.Rates{RequestsPerMinute: 1 << 62, TokensPerMinute: 1 << 62}})
	for range 100 {
		r, err := g.Reserve(context.Background(), "m", 1<<62)
		if err == nil {
			r.Settle(1 << 62)
		}
	}
	if _, wait := reserve(t, g, "m", 1); wait == 0 {
		t.Fatal("a debt was forgotten")
	}
	c.at = c.at.Add(time.Hour)
	if _, wait := reserve(t, g, "m", 1<<62); wait != 0 {
		t.Fatal("it is not forgotten after an hour")
	}
}

// tally counts grants and looks at every minute.
type tally struct{ grants []grant }

type grant struct {
	at time.Time
	n  int64
}

func (t *tally) add(at time.Time, n int64) { t.grants = append(t.grants, grant{at, n}) }

// worst is the fullest minute.
func (t *tally) worst() (most int64) {
	for i := range t.grants {
		var sum int64
		for j := i; j < len(t.grants) && t.grants[j].at.Sub(t.grants[i].at) < time.Minute; j++ {
			sum += t.grants[j].n
		}
		most = max(most, sum)
	}
	return most
}

// No minute holds more than the limit, and whoever waits as long as told is admitted.
func TestNoMinuteHoldsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 1000).Draw(t, "limit")
		c := newClock()
		g := New(c.now).Gate("east", tpm(limit))
		var granted tally
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			c.at = c.at.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "gap")))
			n := rapid.Int64Range(0, limit).Draw(t, "tokens")
			r, err := g.Reserve(context.Background(), "m", n)
			if err != nil {
				c.at = c.at.Add(errs.From(err).RetryAfter)
				if r, err = g.Reserve(context.Background(), "m", n); err != nil {
					t.Fatalf("waited as told, refused: %v", err)
				}
			}
			if rapid.Bool().Draw(t, "settle") {
				n = rapid.Int64Range(0, n).Draw(t, "used")
				r.Settle(n)
			}
			granted.add(c.at, n)
			if most := granted.worst(); most > limit {
				t.Fatalf("%d tokens in a minute, the limit is %d", most, limit)
			}
		}
	})
}

// replica is a router in the simulation.
type replica struct {
	id   string
	book *Book
	gate *Gate
	skew time.Duration
}

// world is some replicas and their store.
type world struct {
	clock    *clock
	store    *store
	replicas []*replica
	seen     map[string]time.Time
	up       time.Time // when the store came back
}

func newWorld(n int, l provider.Limits, skews []time.Duration) *world {
	w := &world{clock: newClock(), seen: map[string]time.Time{}}
	w.store = newStore(w.clock.now)
	for i := range n {
		r := &replica{id: fmt.Sprint("r", i), skew: skews[i]}
		r.book = NewShared(seat{w.store, r.id, new(int)}, n, func() time.Time { return w.clock.at.Add(r.skew) })
		r.gate = r.book.Gate("east", l)
		w.replicas = append(w.replicas, r)
	}
	for _, r := range w.replicas {
		w.back(r, true)
	}
	w.beat()
	return w
}

// back is what a replica does when it finds the store again.
func (w *world) back(r *replica, first bool) {
	if err := r.book.Return(context.Background(), w.clock.at, first); err == nil {
		w.seen[r.id] = w.clock.at.Add(time.Microsecond)
	}
}

// beat is what replicas do twice a second.
func (w *world) beat() {
	for _, r := range w.replicas {
		if !w.store.away && !r.book.state.Load().linked && w.clock.at.Sub(w.up) > patience/2 {
			w.back(r, false) // in time, or the others do not wait for it
		}
		r.book.Flush(context.Background())
		r.book.Refresh(context.Background(), 0)
		if r.book.state.Load().linked {
			w.seen[r.id] = w.clock.at
		}
	}
	for _, r := range w.replicas {
		r.book.Refresh(context.Background(), 0)
		r.book.Members(r.id, w.seen, w.clock.at)
	}
}

// Replicas with clocks of their own never grant more than the limit in any
// minute, whatever happens to the store: it may go away, lose all it held, and be
// found again by each replica at another time, if only within patience.
func TestReplicasNeverExceedTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "replicas")
		limit := rapid.Int64Range(int64(n), 100).Draw(t, "limit")
		skews := make([]time.Duration, n)
		for i := range skews {
			skews[i] = time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "skew"))
		}
		w := newWorld(n, tpm(limit), skews)
		var granted tally
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w.clock.at = w.clock.at.Add(time.Millisecond)
			r := w.replicas[rapid.IntRange(0, n-1).Draw(t, "replica")]
			switch rapid.IntRange(0, 13).Draw(t, "what") {
			case 0:
				w.clock.at = w.clock.at.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "gap")))
				w.beat()
			case 1:
				if w.beat(); !w.store.away { // what the others know is as old as the last beat
					w.store.away = true
					w.store.started++
					if rapid.Bool().Draw(t, "lost") {
						w.store.rows, w.seen = map[string]map[string]*Window{}, map[string]time.Time{}
					}
				}
			case 2:
				if w.store.away {
					w.store.away, w.up = false, w.clock.at
				}
			case 3:
				if !w.store.away && !r.book.state.Load().linked {
					w.back(r, false)
				}
			case 4:
				w.clock.at = w.clock.at.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "moment")))
				w.beat()
			default:
				tokens := rapid.Int64Range(0, limit/int64(n)).Draw(t, "tokens")
				res, err := r.gate.Reserve(context.Background(), "m", tokens)
				if err != nil {
					continue
				}
				if rapid.Bool().Draw(t, "settle") {
					tokens = rapid.Int64Range(0, tokens).Draw(t, "used")
					res.Settle(tokens)
				}
				granted.add(w.clock.at, tokens)
			}
			if most := granted.worst(); most > limit {
				t.Fatalf("%d tokens in a minute, the limit is %d", most, limit)
			}
		}
	})
}
