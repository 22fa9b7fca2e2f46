package valkey

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"
	"go.opentelemetry.io/otel/metric"
)

// ErrAway says that Valkey cannot be asked now. It is known without waiting.
var ErrAway = errors.New("valkey is away")

// errBroken is why a call fails whose connection is gone: whoever connects anew
// must first find out what was forgotten.
var errBroken = errors.New("the connection is broken")

// Client calls Valkey. It connects by itself, in the background. After a call
// that failed, all fail at once until it has been reached again. It is safe for
// concurrent use.
type Client struct {
	inner   valkeygo.Client
	config  Config
	log     *slog.Logger
	metrics *metrics

	up      atomic.Bool
	probing atomic.Bool
	offset  atomic.Int64 // how far its clock is ahead of ours, in nanoseconds
	tripped chan struct{}

	followers []follower
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// follower is told when Valkey goes away and comes back. All but away are called
// by one goroutine.
type follower interface {
	// away must not wait.
	away()
	// back may call Valkey, for nobody else does yet.
	back(ctx context.Context, now time.Time, first bool) error
	// beat is called twice a second while it is there.
	beat(ctx context.Context) error
}

// Open makes a client. It does not connect before its Replica starts.
func Open(cfg Config, log *slog.Logger, meter metric.Meter) (*Client, error) {
	cfg = cfg.WithDefaults()
	encryption, err := cfg.TLS.load()
	if err != nil {
		return nil, fmt.Errorf("open valkey: %w", err)
	}
	c := &Client{config: cfg, log: log, tripped: make(chan struct{}, 1)}
	if c.metrics, err = newMetrics(meter); err != nil {
		return nil, fmt.Errorf("open valkey: %w", err)
	}
	timeout := cfg.Timeout.Std()
	c.inner, err = valkeygo.NewClient(valkeygo.ClientOption{
		InitAddress: []string{cfg.Addr}, Username: cfg.Username, Password: cfg.Password.Reveal(),
		ClientName: "tollgate", TLSConfig: encryption, DialCtxFn: c.dial, Dialer: net.Dialer{Timeout: timeout},
		ConnWriteTimeout: max(timeout, time.Second), ForceSingleClient: true, PipelineMultiplex: -1,
		DisableCache: true, DisableRetry: true, AlwaysPipelining: true,
		RingScaleEachConn: 10, ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
	})
	if c.inner == nil { // an error beside a client says that it is not connected
		return nil, fmt.Errorf("open valkey: %w", err)
	}
	return c, nil
}

// dial connects for a probe only: a connection that breaks may mean that what
// was stored is lost, so nothing else may go on over a new one.
func (c *Client) dial(ctx context.Context, addr string, dialer *net.Dialer, encryption *tls.Config) (net.Conn, error) {
	if !c.probing.Load() {
		return nil, errBroken
	}
	if encryption == nil {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: encryption}).DialContext(ctx, "tcp", addr)
}

// start connects and keeps connected until Close, which ends the context.
// Followers are told.
func (c *Client) start(followers ...follower) context.Context {
	c.followers = followers
	c.metrics.show(c.up.Load)
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.running.Go(func() { c.run(ctx) })
	return ctx
}

// Close ends all that runs.
func (c *Client) Close() {
	if c.stop != nil {
		c.stop()
	}
	c.running.Wait()
	c.up.Store(false)
	c.inner.Close()
	c.metrics.hide()
}

// Up says whether Valkey can be asked.
func (c *Client) Up() bool { return c.up.Load() }

// key is the name under which something is stored: all of one group lie in one
// place, so that a script may touch them together.
func (c *Client) key(group string, parts ...string) string {
	key := c.config.Prefix + ":{" + plain(group) + "}"
	for _, p := range parts {
		key += ":" + plain(p)
	}
	return key
}

// do makes one call, for as long as the client's timeout allows. What Valkey
// itself refuses, as it does without memory, does not mean that it is away.
func (c *Client) do(ctx context.Context, build func(valkeygo.Builder) valkeygo.Completed) (valkeygo.ValkeyResult, error) {
	if !c.up.Load() {
		return valkeygo.ValkeyResult{}, ErrAway
	}
	r := c.call(ctx, func(ctx context.Context) valkeygo.ValkeyResult { return c.inner.Do(ctx, build(c.inner.B())) })
	err := r.Error()
	if _, refused := valkeygo.IsValkeyErr(err); refused || valkeygo.IsValkeyNil(err) {
		return r, err
	}
	return c.judge(r)
}

// Get returns a value; nil if there is none.
func (c *Client) Get(ctx context.Context, name string) ([]byte, error) {
	r, err := c.do(ctx, func(b valkeygo.Builder) valkeygo.Completed { return b.Get().Key(c.config.Prefix + ":" + name).Build() })
	if valkeygo.IsValkeyNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.AsBytes()
}

// Set keeps a value for a time.
func (c *Client) Set(ctx context.Context, name string, value []byte, ttl time.Duration) error {
	_, err := c.do(ctx, func(b valkeygo.Builder) valkeygo.Completed {
		return b.Set().Key(c.config.Prefix + ":" + name).Value(valkeygo.BinaryString(value)).Px(max(ttl, time.Millisecond)).Build()
	})
	return err
}

// Delete forgets a value and says whether it was there.
func (c *Client) Delete(ctx context.Context, name string) (bool, error) {
	r, err := c.do(ctx, func(b valkeygo.Builder) valkeygo.Completed { return b.Del().Key(c.config.Prefix + ":" + name).Build() })
	if err != nil {
		return false, err
	}
	n, err := r.AsInt64()
	return n > 0, err
}

// script runs a script while Valkey is there. A script that fails means that it
// is away: what is shared must be counted by all or by none.
func (c *Client) script(ctx context.Context, s *valkeygo.Lua, keys []string, args ...string) (valkeygo.ValkeyResult, error) {
	if !c.up.Load() {
		return valkeygo.ValkeyResult{}, ErrAway
	}
	return c.judge(c.call(ctx, func(ctx context.Context) valkeygo.ValkeyResult { return s.Exec(ctx, c.inner, keys, args) }))
}

// scriptBack runs a script while a follower is told that Valkey is back.
func (c *Client) scriptBack(ctx context.Context, s *valkeygo.Lua, keys []string, args ...string) (valkeygo.ValkeyResult, error) {
	r := c.call(ctx, func(ctx context.Context) valkeygo.ValkeyResult { return s.Exec(ctx, c.inner, keys, args) })
	return r, r.Error()
}

// call bounds a call. It does not end with the caller: what was asked would be
// done all the same, and nobody would know.
func (c *Client) call(ctx context.Context, do func(context.Context) valkeygo.ValkeyResult) valkeygo.ValkeyResult {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Timeout.Std())
	defer cancel()
	return do(ctx)
}

func (c *Client) judge(r valkeygo.ValkeyResult) (valkeygo.ValkeyResult, error) {
	err := r.Error()
	if err == nil {
		return r, nil
	}
	c.trip(err)
	return r, fmt.Errorf("%w: %w", ErrAway, err)
}

// trip says that Valkey is away.
func (c *Client) trip(err error) {
	if !c.up.CompareAndSwap(true, false) {
		return
	}
	for _, f := range c.followers {
		f.away()
	}
	c.metrics.switched("alone")
	c.log.Warn("valkey is away: this router goes on alone", slog.Any("error", err))
	select {
	case c.tripped <- struct{}{}:
	default:
	}
}

// time is Valkey's clock, as far as it is known here.
func (c *Client) time() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }
