package valkey

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

var errDenied = errors.New("denied")

func guests(r *Replica) *quota.Guests {
	return r.Keys().Guests(1000, func(quota.Rates, string, time.Duration) error { return errDenied })
}

// ask has many ask for a key at both at once, and counts what they are granted.
func ask(t testing.TB, key string, limit quota.Rates, n int, tokens int64, at ...*quota.Guests) int64 {
	t.Helper()
	var granted atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := at[i%len(at)].Gate(key, limit).Reserve(context.Background(), "", tokens)
			switch {
			case err == nil:
				granted.Add(1)
				r.Settle(tokens)
			case !errors.Is(err, errDenied):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return granted.Load()
}

// A key has its rate once, however many routers it is used at; and a target of
// the same name is something else.
func TestReplicasGrantAKeyItsRateExactly(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, _ := join(t, configFor(server))
	together(t, a, b)
	here, there := guests(a), guests(b)
	if _, err := a.Book().Gate("o/key/k", limits(1, 0)).Reserve(t.Context(), "", 1); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "o/key/k", quota.Rates{Requests: 50}, 200, 0, here, there); got != 50 {
		t.Errorf("%d of 50 requests were granted", got)
	}
	if got := ask(t, "p/key/k", quota.Rates{Tokens: 505}, 200, 10, here, there); got != 50 {
		t.Errorf("%d of 50 requests were granted", got)
	}
	if got := ask(t, "q/key/k", quota.Rates{Requests: 20}, 100, 0, there); got != 20 {
		t.Errorf("%d of 20 requests were granted", got)
	}
}

// While Valkey is away each router has its share of a key's rate; what was
// granted before and meanwhile counts when it is back.
func TestKeysDuringAnOutage(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, _ := join(t, configFor(server))
	together(t, a, b)
	eventually(t, 5*time.Second, "they have not met", func() bool { return a.Keys().Replicas() == 2 && b.Keys().Replicas() == 2 })
	here, there := guests(a), guests(b)
	limit := quota.Rates{Requests: 100}
	before := ask(t, "k", limit, 20, 0, here) + ask(t, "k", limit, 20, 0, there) + ask(t, "k", limit, 2, 0, here)
	server.Stop(t)
	eventually(t, 5*time.Second, "nobody notices", func() bool { return !a.client.Up() && !b.client.Up() })
	alone := ask(t, "k", limit, 200, 0, here)
	if before != 42 || alone != 29 { // (100-42)/2
		t.Errorf("%d were granted before, and %d to one of two alone", before, alone)
	}
	server.Restart(t)
	together(t, a, b)
	eventually(t, 15*time.Second, "what is left is not granted", func() bool {
		before += ask(t, "k", limit, 10, 0, there)
		return before+alone >= 100
	})
	if before+ask(t, "k", limit, 50, 0, here, there)+alone != 100 {
		t.Errorf("%d were granted, and %d alone", before, alone)
	}
}

func BenchmarkKeys(b *testing.B) {
	r, _ := join(b, configFor(valkeytest.Start(b)))
	together(b, r)
	g := guests(r)
	for b.Loop() {
		got, err := g.Gate("k", quota.Rates{Requests: 1 << 30, Tokens: 1 << 30}).Reserve(context.Background(), "", 10)
		if err != nil {
			b.Fatal(err)
		}
		got.Settle(5)
	}
}
