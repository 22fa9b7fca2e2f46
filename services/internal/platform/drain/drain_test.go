package drain

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			left time.Duration // that a notice leaves; 0 for no notice
			want time.Duration
		}{
			{0, 20 * time.Second},
			{2 * time.Minute, 115 * time.Second},
			{30 * time.Second, 25 * time.Second},
			{6 * time.Second, 3 * time.Second},
			{2 * time.Second, time.Second},
			{-time.Second, 0},
		} {
			ctx, cancel := context.WithCancelCause(context.Background())
			var cause error
			if c.left != 0 {
				cause = &Notice{Time: time.Now().Add(c.left), Reason: "r"}
			}
			cancel(cause)
			inner, done := context.WithCancel(ctx)
			if got := time.Until(Until(inner, 20*time.Second)); got != c.want {
				t.Errorf("a notice of %s leaves %s, want %s", c.left, got, c.want)
			}
			done()
		}
	})
}
