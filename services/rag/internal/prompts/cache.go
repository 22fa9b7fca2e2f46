package prompts

import (
	"context"
	"sync"
	"time"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// maxCached bounds how many organisations' records are kept.
const maxCached = 4096

// cache keeps records for a moment: every request looks at the rules.
type cache struct {
	records Records
	ttl     time.Duration
	now     func() time.Time

	mu      sync.Mutex
	entries map[cacheKey]cached
	changes uint64 // counts drops, so that a slow read is not kept over a change
}

type cacheKey struct{ org, kind string }

type cached struct {
	records []corpus.Record
	until   time.Time
}

func newCache(records Records, ttl time.Duration, now func() time.Time) *cache {
	return &cache{records: records, ttl: ttl, now: now, entries: map[cacheKey]cached{}}
}

func (c *cache) get(ctx context.Context, org, kind string) ([]corpus.Record, error) {
	key := cacheKey{org, kind}
	c.mu.Lock()
	e, ok := c.entries[key]
	changes := c.changes
	c.mu.Unlock()
	if ok && c.now().Before(e.until) {
		return e.records, nil
	}
	records, err := c.records.Records(ctx, org, kind, "")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == changes {
		if len(c.entries) >= maxCached {
			clear(c.entries)
		}
		c.entries[key] = cached{records, c.now().Add(c.ttl)}
	}
	return records, nil
}

func (c *cache) drop(org, kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.entries, cacheKey{org, kind})
}
