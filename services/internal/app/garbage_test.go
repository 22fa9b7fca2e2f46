package app

import (
	"context"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbageTargetIsBounded(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 1000},
		{1 << 20, 1000},
		{12 << 20, 400},
		{24 << 20, 200},
		{garbageRoom, 100},
		{1 << 40, 100},
	} {
		if got := garbageTarget(tt.live); got != tt.want {
			t.Errorf("%d bytes live: %d, want %d", tt.live, got, tt.want)
		}
		if tt.live < garbageRoom && tt.live*uint64(garbageTarget(tt.live))/100 > garbageRoom {
			t.Errorf("%d bytes live: more than the room", tt.live)
		}
	}
}

func TestTuneGarbage(t *testing.T) {
	current := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	before := current()
	t.Run("ends as it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			tuneGarbage(ctx, time.Millisecond)
			close(ended)
		}()
		deadline := time.Now().Add(5 * time.Second)
		for current() == before && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if current() == before {
			t.Error("the target is as it was")
		}
		cancel()
		<-ended
		if got := current(); got != before {
			t.Errorf("left at %d", got)
		}
	})
	t.Run("GOGC wins", func(t *testing.T) {
		t.Setenv("GOGC", "70")
		tuneGarbage(t.Context(), time.Hour) // returns at once
	})
}
