// Package cache keeps answers and gives them again to identical requests:
// exactly the same question, of the same owner, under the same rules.
//
// An answer is found by the hash of everything that it may depend on (Question),
// and lies with a store under its organisation. What a store gives back is
// compared with the question's whole key again, so that a store that mixes up
// two names shows nobody an answer of somebody else's.
package cache

import (
	"context"
	"time"
)

// Store keeps values for a time. A value that was put or got must not change.
type Store interface {
	// Get returns a tenant's value; nil if there is none, or no more.
	Get(ctx context.Context, tenant string, key Key) ([]byte, error)
	// Put keeps a value until its time is over or its room is needed.
	Put(ctx context.Context, tenant string, key Key, value []byte, ttl time.Duration) error
}

// Exact finds answers to questions that are the same in everything.
type Exact struct{ store Store }

// NewExact makes a cache over a store.
func NewExact(s Store) *Exact { return &Exact{s} }

// Lookup returns the kept answer as it lies in the store; nil if there is none.
func (x *Exact) Lookup(ctx context.Context, q *Question) (*Kept, error) {
	key := q.Key()
	value, err := x.store.Get(ctx, q.Tenant, key)
	if err != nil || value == nil {
		return nil, err
	}
	if !belongs(value, key) {
		return nil, nil
	}
	return &Kept{value}, nil
}

// Store keeps an answer.
func (x *Exact) Store(ctx context.Context, q *Question, k *Kept, ttl time.Duration) error {
	return x.store.Put(ctx, q.Tenant, q.Key(), k.value, ttl)
}
