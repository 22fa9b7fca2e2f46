package library

import (
	"context"
	"sync"
	"time"
)

const (
	// knownFor is how long a collection counts as there after it was seen.
	knownFor = 5 * time.Second
	// maxKnown bounds how many are remembered.
	maxKnown = 4096
)

// known remembers collections that were there a moment ago, so that a search
// in named collections need not look each time.
type known struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (k *known) has(key string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return now.Before(k.until[key])
}

func (k *known) add(key string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.until == nil || len(k.until) >= maxKnown {
		k.until = map[string]time.Time{}
	}
	k.until[key] = now.Add(knownFor)
}

func (k *known) drop(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.until, key)
}

// CheckCollections returns NOT_FOUND for the first name that is no collection.
func (l *Library) CheckCollections(ctx context.Context, org string, names []string) error {
	for _, name := range names {
		key := org + "\x00" + name
		if l.known.has(key, l.opts.Now()) {
			continue
		}
		if _, err := l.collection(ctx, org, name); err != nil {
			return err
		}
		l.known.add(key, l.opts.Now())
	}
	return nil
}
