package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/packed"
)

// Client reaches a store of bytes that several routers share.
type Client interface {
	// Get returns a value; nil if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Set keeps a value for a time.
	Set(ctx context.Context, name string, value []byte, ttl time.Duration) error
}

// Remote keeps values where other routers find them too. How much it keeps in
// all is for that server to bound.
type Remote struct{ client Client }

// NewRemote makes a store over a client, which bounds how long it waits.
func NewRemote(c Client) *Remote { return &Remote{c} }

// prefix begins the names of values. The number is that of their form: routers
// of two releases that write different forms do not read each other's.
const prefix = "cache:1:"

// nameOf names a tenant's value, so that an operator can find all of a tenant.
func nameOf(tenant string, key Key) string {
	return prefix + url.PathEscape(tenant) + ":" + hex.EncodeToString(key[:])
}

// Get implements Store.
func (r *Remote) Get(ctx context.Context, tenant string, key Key) ([]byte, error) {
	value, err := r.client.Get(ctx, nameOf(tenant, key))
	if err != nil || value == nil {
		return nil, err
	}
	return packed.Read(value, maxValue)
}

// Put implements Store. What is too large to be sent is not kept.
func (r *Remote) Put(ctx context.Context, tenant string, key Key, value []byte, ttl time.Duration) error {
	written, err := packed.Write(value)
	if errors.Is(err, packed.ErrTooLarge) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.client.Set(ctx, nameOf(tenant, key), written, ttl)
}
