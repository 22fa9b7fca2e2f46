package concurrency

import (
	"math"
	"time"
)

// bound is how many may run at once. An adaptive one follows the gradient of
// the time to first content, as Netflix's concurrency-limits does (Gradient2):
// while answers begin as fast as they did in the long run, it grows by a
// square root; when they begin slower, it shrinks in proportion. A plain sign of
// overload cuts it at once. The whole duration says little: answers differ in length.
type bound struct {
	limit    float64
	min, max float64
	adaptive bool
	long     float64 // seconds: mean over about longWindow samples
	short    float64 // seconds: mean over about shortWindow samples
	cut      time.Time
}

const (
	longWindow  = 600
	shortWindow = 20
	// tolerance is how much slower than usual answers may begin before the bound shrinks.
	tolerance = 1.5
	// smoothing is how far one sample moves the bound towards its new value.
	smoothing = 0.2
	// backoff is what a sign of overload leaves of the bound.
	backoff = 0.7
	// cutPause is how long further signs are taken for those of the same overload.
	cutPause = time.Second
	// busy is the part of the bound that must be in use for it to grow.
	busy = 0.5
)

func (b *bound) configure(c Config) {
	b.min, b.max, b.adaptive = math.Max(1, float64(c.Min)), float64(c.Max), c.Adaptive
	if b.limit == 0 || !b.adaptive {
		b.limit = b.max
	}
	b.limit = math.Min(math.Max(b.limit, b.min), b.max)
}

func (b *bound) places() int { return int(b.limit) }

// observe takes note of a request that ended while so many ran.
func (b *bound) observe(s Sample, inFlight int) {
	switch {
	case !b.adaptive:
	case s.Overloaded:
		b.shrink(s.Time)
	case s.FirstContent > 0:
		b.follow(s.FirstContent.Seconds(), inFlight)
	}
}

func (b *bound) shrink(now time.Time) {
	if now.Sub(b.cut) < cutPause {
		return
	}
	b.cut = now
	b.limit = math.Max(b.min, b.limit*backoff)
}

func (b *bound) follow(first float64, inFlight int) {
	if b.long == 0 {
		b.long, b.short = first, first
	}
	b.long += (first - b.long) / longWindow
	b.short += (first - b.short) / shortWindow
	if b.long > 2*b.short {
		b.long *= 0.95 // it was slow for long and is not any more: forget that sooner
	}
	gradient := math.Min(1, math.Max(0.5, tolerance*b.long/b.short))
	next := b.limit*gradient + math.Sqrt(b.limit)
	if next > b.limit && float64(inFlight) < busy*b.limit {
		return // nothing says that more would go well
	}
	b.limit = math.Min(b.max, math.Max(b.min, b.limit+(next-b.limit)*smoothing))
}
