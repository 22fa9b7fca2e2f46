// Package rates keeps what models cost per token, so that a decision need not
// ask billing.
package rates

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// Pricer says what a usage costs.
type Pricer interface {
	Price(context.Context, *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error)
}

// Bounds of what the cache does.
const (
	// refreshEvery is how old a rate may become before it is asked for again; one
	// that cannot be had is asked for again after retryEvery.
	refreshEvery = 5 * time.Minute
	retryEvery   = 10 * time.Second
	// askTimeout bounds one question, and askers how many are open at once.
	askTimeout = 5 * time.Second
	askers     = 4
	// maxRates bounds what is kept, for clients may name any model; a rate that
	// nobody used for keepUnused is forgotten.
	maxRates   = 4096
	keepUnused = 30 * time.Minute
)

// edges are the lengths of prompts, in tokens, up to which rates are asked for
// separately: providers and operators put their tiers there.
var edges = [...]int64{128_000, 200_000, 272_000, math.MaxInt64}

// sample is the length by which the rates of a tier are asked for. It is as
// long as fits, so that a tier which begins elsewhere counts for most of it.
func sample(tier uint8) int64 { return min(edges[tier], 1_000_000) }

func tierOf(input int64) uint8 {
	for i, edge := range edges {
		if input <= edge {
			return uint8(i)
		}
	}
	return 0
}

// key is what has rates of its own.
type key struct {
	provider, model, region string
	tier                    uint8
}

// rate is what tokens cost, nano-USD for a million. It does not change.
type rate struct {
	input, output  float64
	priced, writes bool // input has a price; output has
	asked          time.Time
	ok             bool // billing has answered
}

// entry is a rate that is kept.
type entry struct {
	key
	rate atomic.Pointer[rate] // nil before the first answer
	use  atomic.Uint32
	// What follows is guarded by the lock of the cache.
	asking   bool
	lastUsed time.Time
}

// What an entry was used for since the last look.
const (
	idle uint32 = iota
	used
	gone // it is not kept any more
)

// Cache keeps rates. It is safe for concurrent use.
type Cache struct {
	pricer Pricer
	now    func() time.Time

	mu      sync.RWMutex
	entries map[key]*entry
	waiting []*entry
	running int
	started bool
	closed  bool
	ctx     context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New makes a cache, which asks nothing before it is asked. Close ends it.
func New(p Pricer, now func() time.Time) *Cache {
	c := &Cache{pricer: p, now: now, entries: make(map[key]*entry)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends what is under way.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.done.Wait()
}

// Cost is what so many tokens cost, nano-USD, and whether that is known. It
// never waits: rates that are not there are asked for in the background.
func (c *Cache) Cost(provider, model, region string, input, output int64) (int64, bool) {
	k := key{provider, model, region, tierOf(input)}
	e := c.find(k)
	if e == nil {
		c.want(k)
		return 0, false
	}
	e.touch()
	return e.rate.Load().cost(input, output)
}

func (c *Cache) find(k key) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[k]
}

// touch notes that the entry is used, and says whether it is still kept.
func (e *entry) touch() bool {
	use := e.use.Load()
	return use == used || use == idle && e.use.CompareAndSwap(idle, used)
}

// Of is Cost for one model, found once.
func (c *Cache) Of(provider, model, region string) route.Rate {
	return &handle{cache: c, provider: provider, model: model, region: region}
}

// handle remembers where the rates of a model are.
type handle struct {
	cache                   *Cache
	provider, model, region string
	tiers                   [len(edges)]atomic.Pointer[entry]
}

// Cost implements route.Rate.
func (h *handle) Cost(input, output int64) (int64, bool) {
	tier := tierOf(input)
	if e := h.tiers[tier].Load(); e != nil && e.touch() {
		return e.rate.Load().cost(input, output)
	}
	if e := h.cache.find(key{h.provider, h.model, h.region, tier}); e != nil {
		h.tiers[tier].Store(e)
	}
	return h.cache.Cost(h.provider, h.model, h.region, input, output)
}

// cost multiplies in floating point: it is an expectation, not a bill.
func (r *rate) cost(input, output int64) (int64, bool) {
	if r == nil || !r.priced || output > 0 && !r.writes {
		return 0, false
	}
	cost := (float64(input)*r.input + float64(output)*r.output) / 1e6
	if cost >= math.MaxInt64 {
		return math.MaxInt64, true
	}
	return int64(cost + .5), true
}

// Learn waits until it is known what so much input costs, or that this has no
// price, or for ctx.
func (c *Cache) Learn(ctx context.Context, provider, model, region string, input int64) {
	k := key{provider, model, region, tierOf(input)}
	e := c.add(k)
	if e == nil {
		return
	}
	if r := e.rate.Load(); r == nil || !r.ok {
		c.ask(ctx, e)
	}
}
