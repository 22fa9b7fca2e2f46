package rates

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// list is a price list: nano-USD per million tokens, twice as much above 200,000.
type list struct {
	mu            sync.Mutex
	input, output int64
	unpriced      map[string]bool
	writes        bool
	down          error
	slow          time.Duration
	asked         map[string]int
	open, most    int
}

func newList() *list {
	return &list{input: 150_000_000, output: 600_000_000, writes: true, unpriced: map[string]bool{}, asked: map[string]int{}}
}

func (l *list) Price(ctx context.Context, r *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	l.mu.Lock()
	l.open++
	l.most = max(l.most, l.open)
	slow := l.slow
	l.asked[r.GetPricedModel().GetModel()]++
	l.mu.Unlock()
	defer func() { l.mu.Lock(); l.open--; l.mu.Unlock() }()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := r.GetUsage()
	switch {
	case l.down != nil:
		return nil, l.down
	case l.unpriced[r.GetPricedModel().GetModel()] || !l.writes && u.GetOutputTokens() > 0:
		return &billingv1.PriceUsageResponse{Unpriced: true}, nil
	}
	times := int64(1)
	if u.GetInputTokens() > 200_000 {
		times = 2
	}
	return &billingv1.PriceUsageResponse{
		CostNanousd: times * (u.GetInputTokens()*l.input + u.GetOutputTokens()*l.output) / 1_000_000,
	}, nil
}

// start runs f with a cache in a bubble of its own time.
func start(t *testing.T, f func(t *testing.T, l *list, c *Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		c := New(l, time.Now)
		defer c.Close()
		f(t, l, c)
	})
}

func (c *Cache) kept() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries)
}

// asks is how often billing was asked for a model.
func (l *list) asks(model string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[model]
}

func TestUnknownAtFirstThenExact(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		if _, ok := c.Cost("openai", "m", "", 1000, 500); ok {
			t.Error("known before billing was asked")
		}
		synctest.Wait()
		for _, want := range []struct{ input, output, cost int64 }{
			{1000, 500, 1000*150 + 500*600}, {0, 1, 600}, {128_000, 0, 128_000 * 150}, {0, 0, 0},
		} {
			if cost, ok := c.Cost("openai", "m", "", want.input, want.output); !ok || cost != want.cost {
				t.Errorf("%d and %d tokens cost %d (%v), want %d", want.input, want.output, cost, ok, want.cost)
			}
		}
		// A long prompt has a tier of its own.
		if _, ok := c.Cost("openai", "m", "", 250_000, 10); ok {
			t.Error("a tier is known that was never asked for")
		}
		synctest.Wait()
		if cost, ok := c.Cost("openai", "m", "", 250_000, 10); !ok || cost != 2*(250_000*150+10*600) {
			t.Errorf("long: %d, %v", cost, ok)
		}
		if n := l.asks("m"); n != 4 {
			t.Errorf("billing was asked %d times for two tiers", n)
		}
	})
}

func TestUnpriced(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		l.unpriced["free?"], l.writes = true, false
		for _, model := range []string{"free?", "embed"} {
			c.Learn(t.Context(), "p", model, "", 100)
		}
		if _, ok := c.Cost("p", "free?", "", 100, 0); ok {
			t.Error("a model without a price has a cost")
		}
		if cost, ok := c.Cost("p", "embed", "", 100, 0); !ok || cost != 15_000 {
			t.Errorf("embedding: %d, %v", cost, ok)
		}
		if _, ok := c.Cost("p", "embed", "", 100, 1); ok {
			t.Error("output without a price has a cost")
		}
	})
}

// While billing is away, what was known stays; what was not is asked for again
// and known soon after it is back. Prices that change are followed.
func TestBillingAwayAndBack(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		c.Learn(t.Context(), "p", "old", "", 1)
		l.mu.Lock()
		l.down, l.output = errors.New("away"), 1_000_000_000
		l.mu.Unlock()
		c.Cost("p", "new", "", 1, 1)
		for range 60 { // ten minutes
			time.Sleep(10 * time.Second)
			if cost, ok := c.Cost("p", "old", "", 0, 1000); !ok || cost != 600_000 {
				t.Fatalf("what was known is %d, %v", cost, ok)
			}
			if _, ok := c.Cost("p", "new", "", 1, 1); ok {
				t.Fatal("known, though billing is away")
			}
		}
		if n := l.asks("new"); n < 50 || n > 70 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		l.mu.Lock()
		l.down = nil
		l.mu.Unlock()
		time.Sleep(21 * time.Second)
		if cost, ok := c.Cost("p", "new", "", 0, 1000); !ok || cost != 1_000_000 {
			t.Errorf("after its return: %d, %v", cost, ok)
		}
		time.Sleep(6 * time.Minute)
		if cost, _ := c.Cost("p", "old", "", 0, 1000); cost != 1_000_000 {
			t.Errorf("the new price is not followed: %d", cost)
		}
	})
}

// However many models clients name, questions and memory are bounded, and what
// nobody names any more is forgotten.
func TestBounds(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		l.slow = time.Millisecond
		for i := range maxRates + 500 {
			c.Cost("p", fmt.Sprint("m", i), "", 1, 1)
		}
		time.Sleep(5 * time.Second)
		if n := c.kept(); n != maxRates {
			t.Errorf("%d rates are kept", n)
		}
		l.mu.Lock()
		if l.most > askers {
			t.Errorf("%d questions at once", l.most)
		}
		l.mu.Unlock()
		for range 360 {
			time.Sleep(10 * time.Second)
			c.Cost("p", "m7", "", 1, 1)
		}
		if n := c.kept(); n != 1 {
			t.Errorf("%d rates are left", n)
		}
	})
}

func TestLearnEndsWithItsContext(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		l.slow = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		c.Learn(ctx, "p", "m", "", 1)
		if passed := time.Since(began); passed != time.Second {
			t.Errorf("waited %v", passed)
		}
	})
}

func TestCloseWithQuestionsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		l.slow = time.Hour
		c := New(l, time.Now)
		for i := range 20 {
			c.Cost("p", fmt.Sprint(i), "", 1, 1)
		}
		c.Close()
		if _, ok := c.Cost("p", "later", "", 1, 1); ok {
			t.Error("known after the end")
		}
	})
}

func TestCostDoesNotAllocate(t *testing.T) {
	c := New(newList(), time.Now)
	defer c.Close()
	c.Learn(t.Context(), "openai", "gpt-4o-mini", "us-east-1", 1)
	h := c.Of("openai", "gpt-4o-mini", "us-east-1")
	if n := testing.AllocsPerRun(100, func() {
		c.Cost("openai", "gpt-4o-mini", "us-east-1", 1200, 300)
		h.Cost(1200, 300)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A handle finds its rates again after they were forgotten.
func TestHandleOutlivesItsEntry(t *testing.T) {
	start(t, func(t *testing.T, l *list, c *Cache) {
		h := c.Of("p", "m", "")
		check := func() {
			t.Helper()
			h.Cost(1, 1)
			synctest.Wait()
			if cost, ok := h.Cost(1000, 0); !ok || cost != 150_000 {
				t.Errorf("%d, %v", cost, ok)
			}
		}
		check()
		time.Sleep(2 * keepUnused)
		if n := c.kept(); n != 0 {
			t.Fatalf("%d rates are kept unused", n)
		}
		check()
	})
}

func BenchmarkHandle(b *testing.B) {
	c := New(newList(), time.Now)
	defer c.Close()
	c.Learn(b.Context(), "openai", "gpt-4o-mini", "us-east-1", 1)
	h := c.Of("openai", "gpt-4o-mini", "us-east-1")
	b.ReportAllocs()
	for b.Loop() {
		h.Cost(1200, 300)
	}
}

func BenchmarkCost(b *testing.B) {
	c := New(newList(), time.Now)
	defer c.Close()
	for i := range 100 {
		c.Learn(b.Context(), "openai", fmt.Sprint("gpt-4o-mini-", i), "us-east-1", 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Cost("openai", "gpt-4o-mini-7", "us-east-1", 1200, 300)
	}
}
