// Package memory remembers what the engine found in texts, so that a
// conversation's history is not examined again with every turn. It is bounded
// in entries; the least recently used goes first.
package memory

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
)

const shards = 16

// LRU is a bounded memory of verdicts. It holds hashes and spans, no text.
type LRU struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	limit   int
	entries map[engine.Key]*list.Element
	recent  *list.List
}

type entry struct {
	key      engine.Key
	findings []engine.Finding
}

// New returns a memory of about limit entries.
func New(limit int) *LRU {
	l := &LRU{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i] = shard{limit: max(1, limit/shards), entries: map[engine.Key]*list.Element{}, recent: list.New()}
	}
	return l
}

func (l *LRU) shard(k engine.Key) *shard {
	return &l.shards[maphash.Comparable(l.seed, k)%shards]
}

// Load implements engine.Memory.
func (l *LRU) Load(k engine.Key) ([]engine.Finding, bool) {
	s := l.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[k]
	if !ok {
		return nil, false
	}
	s.recent.MoveToFront(e)
	found, _ := e.Value.(*entry)
	return found.findings, true
}

// Store implements engine.Memory.
func (l *LRU) Store(k engine.Key, findings []engine.Finding) {
	s := l.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[k]; ok {
		s.recent.MoveToFront(e)
		return
	}
	s.entries[k] = s.recent.PushFront(&entry{k, findings})
	for len(s.entries) > s.limit {
		oldest := s.recent.Back()
		old, _ := s.recent.Remove(oldest).(*entry)
		delete(s.entries, old.key)
	}
}

// Len is how many texts are remembered.
func (l *LRU) Len() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].entries)
		l.shards[i].mu.Unlock()
	}
	return n
}
