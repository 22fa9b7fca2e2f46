package rates

import (
	"context"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// add makes an entry; nil if there are too many.
func (c *Cache) add(k key) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addLocked(k)
}

func (c *Cache) addLocked(k key) *entry {
	if e := c.entries[k]; e != nil || len(c.entries) >= maxRates || c.closed {
		return e
	}
	if !c.started {
		c.started = true
		c.done.Go(c.refresh)
	}
	e := &entry{key: k, lastUsed: c.now()}
	c.entries[k] = e
	return e
}

// want sees to it that a rate is asked for.
func (c *Cache) want(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.addLocked(k); e != nil && e.rate.Load() == nil {
		c.queue(e)
	}
}

// queue puts an entry in the queue of the askers, and starts one if there are
// few. The caller holds the lock.
func (c *Cache) queue(e *entry) {
	if e.asking || c.closed {
		return
	}
	e.asking = true
	c.waiting = append(c.waiting, e)
	if c.running < askers {
		c.running++
		c.done.Go(c.work)
	}
}

// work asks for what waits, and ends when nothing does.
func (c *Cache) work() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 || c.closed {
			c.running--
			c.mu.Unlock()
			return
		}
		e := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.mu.Unlock()
		c.ask(c.ctx, e)
		c.mu.Lock()
		e.asking = false
		c.mu.Unlock()
	}
}

// ask asks billing. What was known stays known while billing does not answer.
func (c *Cache) ask(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	next := rate{asked: c.now()}
	if before := e.rate.Load(); before != nil {
		next = *before
		next.asked = c.now()
	}
	if r, err := c.fetch(ctx, &e.key); err == nil {
		r.asked, r.ok = next.asked, true
		next = *r
	}
	e.rate.Store(&next)
}

// fetch asks what the longest prompt of a tier costs, without an answer and
// with one of a million tokens.
func (c *Cache) fetch(ctx context.Context, k *key) (*rate, error) {
	const million = 1_000_000
	length := sample(k.tier)
	read, err := c.price(ctx, k, length, 0)
	if err != nil || read.GetUnpriced() {
		return &rate{}, err
	}
	r := &rate{priced: true, input: float64(read.GetCostNanousd()) * million / float64(length)}
	both, err := c.price(ctx, k, length, million)
	if err != nil {
		return nil, err
	}
	if !both.GetUnpriced() {
		r.writes, r.output = true, float64(both.GetCostNanousd()-read.GetCostNanousd())
	}
	return r, nil
}

func (c *Cache) price(ctx context.Context, k *key, input, output int64) (*billingv1.PriceUsageResponse, error) {
	return c.pricer.Price(ctx, &billingv1.PriceUsageRequest{
		PricedModel: &billingv1.PricedModel{
			Provider: k.provider, Model: k.model, Region: k.region, Mode: billingv1.Mode_MODE_STANDARD,
		},
		Usage: &llmv1.Usage{InputTokens: input, OutputTokens: output, Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED},
	})
}

// refresh asks again for what is old and still used, and forgets what is not.
func (c *Cache) refresh() {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
			c.look()
		}
	}
}

// look goes through all entries.
func (c *Cache) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for k, e := range c.entries {
		if e.use.CompareAndSwap(used, idle) {
			e.lastUsed = now
		}
		if now.Sub(e.lastUsed) >= keepUnused && e.use.CompareAndSwap(idle, gone) {
			delete(c.entries, k)
			continue
		}
		r := e.rate.Load()
		if r == nil || now.Sub(r.asked) >= refreshEvery || !r.ok && now.Sub(r.asked) >= retryEvery/2 {
			c.queue(e)
		}
	}
}
