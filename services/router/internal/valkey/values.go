package valkey

import (
	"context"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"
)

// Values keeps values that may get lost at any time, such as answers that can
// be asked for again.
type Values struct{ client *Client }

// NewValues keeps values through a client.
func NewValues(c *Client) *Values { return &Values{c} }

// Get returns a value; nil if there is none.
func (v *Values) Get(ctx context.Context, name string) ([]byte, error) {
	r, err := v.do(ctx, func(b valkeygo.Builder) valkeygo.Completed { return b.Get().Key(v.key(name)).Build() })
	switch {
	case valkeygo.IsValkeyNil(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r.AsBytes()
}

// Set keeps a value for a time.
func (v *Values) Set(ctx context.Context, name string, value []byte, ttl time.Duration) error {
	_, err := v.do(ctx, func(b valkeygo.Builder) valkeygo.Completed {
		return b.Set().Key(v.key(name)).Value(valkeygo.BinaryString(value)).PxMilliseconds(max(1, ttl.Milliseconds())).Build()
	})
	return err
}

func (v *Values) key(name string) string { return v.client.config.Prefix + ":" + name }

// do makes a call. What Valkey itself refuses, as it does when its memory is
// full, does not mean that it is away: others may still count there.
func (v *Values) do(ctx context.Context, build func(valkeygo.Builder) valkeygo.Completed) (valkeygo.ValkeyResult, error) {
	c := v.client
	if !c.up.Load() {
		return valkeygo.ValkeyResult{}, ErrAway
	}
	r := c.call(ctx, func(ctx context.Context) valkeygo.ValkeyResult { return c.inner.Do(ctx, build(c.inner.B())) })
	if _, refused := valkeygo.IsValkeyErr(r.Error()); refused {
		return r, r.Error()
	}
	return c.judge(r)
}
