package concurrency

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// refusedBy says which limit a refusal names.
func refusedBy(err error) string {
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OVERLOADED) {
		return ""
	}
	return errs.From(err).Metadata["limit"]
}

func acquire(t *testing.T, l *Limiter, name string) {
	t.Helper()
	if err := l.Acquire(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func TestRefusesWhatFindsNoPlace(t *testing.T) {
	l := New(Config{Max: 2})
	acquire(t, l, "a")
	acquire(t, l, "b")
	err := l.Acquire(t.Context(), "c")
	if refusedBy(err) != "concurrency" || errs.From(err).RetryAfter < soonest {
		t.Fatalf("third: %v, retry after %v", err, errs.From(err).RetryAfter)
	}
	l.Release("a", Sample{})
	acquire(t, l, "c")
	if l.InFlight() != 2 || l.Waiting() != 0 || l.Bound() != 2 {
		t.Errorf("%d in flight, %d waiting, bound %d", l.InFlight(), l.Waiting(), l.Bound())
	}
}

func TestNoBound(t *testing.T) {
	l := New(Config{})
	for range 1000 {
		acquire(t, l, "a")
	}
	if l.Bound() != 0 || l.InFlight() != 1000 {
		t.Errorf("bound %d, %d in flight", l.Bound(), l.InFlight())
	}
}

func TestWaitsNoLongerThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 1, Queue: 5, Wait: config.Duration(3 * time.Second)})
		acquire(t, l, "a")
		began := time.Now()
		err := l.Acquire(t.Context(), "a")
		if refusedBy(err) != "queue_wait" || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		err = l.Acquire(ctx, "a")
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if l.Waiting() != 0 {
			t.Errorf("%d still wait", l.Waiting())
		}
	})
}

// A tenant with very many requests does not keep another from its place.
func TestPlacesAreSharedFairly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 2, Queue: 100, Wait: config.Duration(time.Hour)})
		acquire(t, l, "busy")
		acquire(t, l, "busy")
		var mu sync.Mutex
		var order []string
		ask := func(name string) {
			go func() {
				if l.Acquire(t.Context(), name) == nil {
					mu.Lock()
					order = append(order, name)
					mu.Unlock()
				}
			}()
			synctest.Wait()
		}
		for range 10 {
			ask("busy")
		}
		ask("small")
		l.Release("busy", Sample{})
		synctest.Wait()
		l.Release("busy", Sample{})
		synctest.Wait()
		if len(order) != 2 || order[0] != "small" || order[1] != "busy" {
			t.Errorf("served %v", order)
		}
		l.Configure(Config{}) // lets the rest through
		synctest.Wait()
	})
}

// In a full queue the tenant with most in it makes room for the others.
func TestAFullQueueShedsTheLargest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 1, Queue: 4, Wait: config.Duration(time.Hour)})
		acquire(t, l, "busy")
		results := make(chan error, 8)
		ask := func(name string) {
			go func() { results <- l.Acquire(t.Context(), name) }()
			synctest.Wait()
		}
		for range 4 {
			ask("busy")
		}
		ask("small")
		if err := <-results; refusedBy(err) != "queue_full" {
			t.Fatalf("nobody made room: %v", err)
		}
		ask("busy") // has three waiting: none makes room for it
		if err := <-results; refusedBy(err) != "queue_full" || l.Waiting() != 4 {
			t.Fatalf("%v, %d wait", err, l.Waiting())
		}
		l.Configure(Config{})
		synctest.Wait()
		for range 4 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// Under any traffic the bound holds, nobody waits while there is a place, and
// nothing is left at the end.
func TestBoundHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bound := rapid.IntRange(1, 5).Draw(rt, "max")
		l := New(Config{Max: bound, Queue: rapid.IntRange(0, 10).Draw(rt, "queue"), Wait: config.Duration(50 * time.Microsecond)})
		var group sync.WaitGroup
		for i := range rapid.IntRange(1, 40).Draw(rt, "requests") {
			group.Go(func() {
				name := fmt.Sprint(i % 3)
				if l.Acquire(context.Background(), name) != nil {
					return
				}
				if n := l.InFlight(); n > bound {
					rt.Errorf("%d in flight of %d", n, bound)
				}
				l.Release(name, Sample{})
			})
		}
		group.Wait()
		if l.InFlight() != 0 || l.Waiting() != 0 || len(l.tenants) != 0 {
			rt.Errorf("%d in flight, %d waiting, %d tenants", l.InFlight(), l.Waiting(), len(l.tenants))
		}
	})
}

// capacity plays a target that answers in 100 ms while it has no more than so
// many requests, and in proportion slower beyond.
func capacity(l *Limiter, places, rounds int) {
	now := time.Unix(0, 0)
	for range rounds {
		running := l.Bound()
		for range running {
			_ = l.Acquire(context.Background(), "a")
		}
		first := 100 * time.Millisecond * time.Duration(max(running, places)) / time.Duration(places)
		now = now.Add(first)
		for range running {
			l.Release("a", Sample{Time: now, FirstContent: first, Duration: first})
		}
	}
}

func TestAdaptsToWhatTheTargetTakes(t *testing.T) {
	l := New(Config{Max: 200, Min: 4, Adaptive: true})
	l.bound.limit = 20
	capacity(l, 20, 40)
	if n := l.Bound(); n < 20 || n > 60 {
		t.Errorf("bound %d where 20 go well", n)
	}
	l.bound.limit, l.bound.long, l.bound.short = 20, 0, 0
	capacity(l, 1000, 100)
	if n := l.Bound(); n != 200 {
		t.Errorf("bound %d where all go well", n)
	}
}

func TestOverloadCutsTheBoundOnce(t *testing.T) {
	l := New(Config{Max: 100, Min: 4, Adaptive: true})
	now := time.Unix(100, 0)
	for range 10 {
		acquire(t, l, "a")
	}
	for range 5 {
		l.Release("a", Sample{Time: now, Overloaded: true})
	}
	if n := l.Bound(); n != 70 {
		t.Errorf("bound %d after one overload", n)
	}
	for i := range 5 {
		l.Release("a", Sample{Time: now.Add(time.Duration(i+1) * 2 * time.Second), Overloaded: true})
	}
	if n := l.Bound(); n < 4 || n > 12 {
		t.Errorf("bound %d after six", n)
	}
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		Config
		faults bool
	}{
		{Config{}, false},
		{Config{Max: 10, Min: 2, Adaptive: true, Queue: 5}, false},
		{Config{Adaptive: true}, true},
		{Config{Queue: 5}, true},
		{Config{Max: 2, Min: 3}, true},
		{Config{Max: -1}, true},
		{Config{Max: 1, Wait: -1}, true},
	} {
		v := config.NewValidator()
		c.Validate(v)
		if got := v.Err() != nil; got != c.faults {
			t.Errorf("%+v: %v", c.Config, v.Err())
		}
	}
}

func TestAPlaceCostsNoAllocation(t *testing.T) {
	l := New(Config{Max: 10, Adaptive: true})
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		_ = l.Acquire(context.Background(), "a")
		l.Release("a", Sample{Time: now, FirstContent: time.Second, Duration: time.Second})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPlace(b *testing.B) {
	l := New(Config{Max: 1000, Adaptive: true})
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = l.Acquire(context.Background(), "a")
			l.Release("a", Sample{Time: now, FirstContent: time.Second, Duration: time.Second})
		}
	})
}
