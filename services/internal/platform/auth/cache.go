package auth

import (
	"container/list"
	"crypto/sha256"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// keyHash stands for a key in the cache, so that no key rests in memory.
type keyHash = [sha256.Size]byte

// generation counts invalidations. An answer asked for in an older generation
// is not remembered, for it may be what was invalidated.
type generation uint64

func (g generation) String() string { return strconv.FormatUint(uint64(g), 36) }

// entry is one answer: a principal or a refusal.
type entry struct {
	principal *Principal
	signing   secret.String // for access key ids: what signatures are checked with
	err       error
	expires   time.Time
	// stale is until when the principal may be served during an outage.
	stale time.Time
}

type slot struct {
	id    keyHash
	entry *entry
}

// cache holds the most recently used answers, and the questions under way.
type cache struct {
	flight     singleflight.Group
	mu         sync.Mutex
	max        int
	generation generation
	slots      map[keyHash]*list.Element
	recent     *list.List // of *slot, most recently used first
}

func newCache(size int) *cache {
	return &cache{max: size, slots: make(map[keyHash]*list.Element), recent: list.New()}
}

func (c *cache) get(id keyHash) (*entry, generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.slots[id]
	if !ok {
		return nil, c.generation
	}
	c.recent.MoveToFront(element)
	return element.Value.(*slot).entry, c.generation
}

func (c *cache) put(id keyHash, asked generation, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asked != c.generation {
		return
	}
	if element, ok := c.slots[id]; ok {
		element.Value.(*slot).entry = e
		c.recent.MoveToFront(element)
		return
	}
	c.slots[id] = c.recent.PushFront(&slot{id: id, entry: e})
	for c.recent.Len() > c.max {
		c.remove(c.recent.Back())
	}
}

func (c *cache) invalidate(keyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, element := range c.slots {
		p := element.Value.(*slot).entry.principal
		if keyID == "" || p != nil && p.Key == keyID {
			c.remove(element)
		}
	}
}

func (c *cache) remove(element *list.Element) {
	c.recent.Remove(element)
	delete(c.slots, element.Value.(*slot).id)
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}
