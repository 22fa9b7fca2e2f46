package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbageRoom is how much garbage may always gather before it is collected.
// Go's default is as much as there is live data, and of that there is little
// here (some 20 MB): a busy gateway then collects twenty times a second, which
// takes an eighth of its time. Once there is more live data than this, the
// default holds again, so the cost is bounded: these bytes and no more.
const garbageRoom = 48 << 20

// garbageEvery is how often the target is set anew. Setting it stops the world
// for microseconds.
const garbageEvery = 5 * time.Second

// garbageTarget is the GOGC value for an amount of live data.
func garbageTarget(live uint64) int {
	const standard, most = 100, 1000 // at the start there is next to nothing live
	if live >= garbageRoom {
		return standard
	}
	return int(min(most, garbageRoom*standard/max(live, 1)))
}

// tuneGarbage keeps the collector's target until ctx ends. An operator's own
// GOGC wins.
func tuneGarbage(ctx context.Context, every time.Duration) {
	if _, set := os.LookupEnv("GOGC"); set {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	current := 0
	before := debug.SetGCPercent(garbageTarget(garbageRoom))
	defer debug.SetGCPercent(before)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		metrics.Read(sample)
		if target := garbageTarget(sample[0].Value.Uint64()); target != current {
			debug.SetGCPercent(target)
			current = target
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
