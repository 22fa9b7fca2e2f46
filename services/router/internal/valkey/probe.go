package valkey

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"
)

const (
	// beatInterval is how often replicas say that they are there, and look at
	// what they may have missed.
	beatInterval = 500 * time.Millisecond
	// probeInterval is how often Valkey is looked for while it is away, at most.
	probeInterval = 250 * time.Millisecond
)

// run looks for Valkey while it is away, and beats while it is there.
func (c *Client) run(ctx context.Context) {
	first, lost := true, time.Now()
	for {
		wait := beatInterval
		if c.up.Load() {
			c.beat(ctx)
		} else if err := c.probe(ctx, first); err != nil {
			if first {
				c.metrics.switched("alone")
				c.log.Warn("valkey cannot be reached: this router goes on alone", slog.Any("error", err))
			}
			first, wait = false, probeInterval
		} else {
			c.metrics.switched("shared")
			c.log.Info("valkey is there: routers share quotas and circuits", slog.Duration("after", time.Since(lost)))
			first, wait = false, 0
		}
		// Replicas that lost it together should not all come back at once.
		timer := time.NewTimer(wait - time.Duration(rand.Int64N(int64(wait/4)+1)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.tripped:
			timer.Stop()
			lost = time.Now()
			if !sleep(ctx, probeInterval/4) {
				return
			}
		case <-timer.C:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (c *Client) beat(ctx context.Context) {
	for _, f := range c.followers {
		if err := f.beat(ctx); err != nil {
			return // who called has tripped
		}
	}
}

// probe asks Valkey for the time, and tells those who follow that it is back.
func (c *Client) probe(ctx context.Context, first bool) error {
	c.probing.Store(true)
	r := c.call(ctx, func(ctx context.Context) valkeygo.ValkeyResult { return c.inner.Do(ctx, c.inner.B().Time().Build()) })
	c.probing.Store(false)
	parts, err := r.AsStrSlice()
	if err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	now, err := readTime(parts)
	if err != nil {
		return err
	}
	c.offset.Store(int64(time.Until(now)))
	for _, f := range c.followers {
		if err := f.back(ctx, now, first); err != nil {
			return fmt.Errorf("tell it what happened: %w", err)
		}
	}
	c.up.Store(true)
	return nil
}

// readTime reads seconds and microseconds.
func readTime(parts []string) (time.Time, error) {
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("read the time: %d parts", len(parts))
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time: %w", err)
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time: %w", err)
	}
	return time.Unix(seconds, micros*int64(time.Microsecond)), nil
}
