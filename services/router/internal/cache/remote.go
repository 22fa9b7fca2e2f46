package cache

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"
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

// Forms of a value: its first byte.
const (
	plain  = 'p'
	packed = 'z'
)

// maxRemote is the largest value that is sent: a larger one would keep others
// waiting who use the same connection.
const maxRemote = 1 << 20

// packFrom is the size from which packing is worth its time.
const packFrom = 4 << 10

var errForm = errors.New("the value has a form that is not known")

// Get implements Store.
func (r *Remote) Get(ctx context.Context, tenant string, key Key) ([]byte, error) {
	value, err := r.client.Get(ctx, nameOf(tenant, key))
	if err != nil || value == nil {
		return nil, err
	}
	return unpack(value)
}

// Put implements Store.
func (r *Remote) Put(ctx context.Context, tenant string, key Key, value []byte, ttl time.Duration) error {
	written, err := pack(value)
	if err != nil || len(written) > maxRemote {
		return err
	}
	return r.client.Set(ctx, nameOf(tenant, key), written, ttl)
}

// packers and unpackers hold their windows, which are large.
var (
	packers = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a legal one
		return w
	}}
	unpackers = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

func pack(value []byte) ([]byte, error) {
	if len(value) < packFrom {
		return append(append(make([]byte, 0, 1+len(value)), plain), value...), nil
	}
	var out bytes.Buffer
	out.WriteByte(packed)
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	if _, err := w.Write(value); err != nil {
		return nil, fmt.Errorf("pack value: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack value: %w", err)
	}
	return out.Bytes(), nil
}

// unpack reads a value, which must not become larger than an answer may be.
func unpack(value []byte) ([]byte, error) {
	switch {
	case len(value) == 0:
		return nil, errForm
	case value[0] == plain:
		return value[1:], nil
	case value[0] != packed:
		return nil, errForm
	}
	r := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(value[1:]), nil); err != nil {
		return nil, fmt.Errorf("unpack value: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxValue+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack value: %w", err)
	case len(out) > maxValue:
		return nil, errForm
	}
	return out, nil
}
