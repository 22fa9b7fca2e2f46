package health

import (
	"math"
	"sync/atomic"
	"time"
)

// peak is a peak-sensitive moving average of latency, as Finagle's and
// linkerd's balancers use: a slower answer counts at once and whole, faster
// ones bring it down as time passes, and so does silence, so that one that was
// slow is tried again some day. The lock of the monitor guards writing; word
// alone is read without.
type peak struct {
	stamp int64         // when value held, UnixNano
	value float64       // nanoseconds
	word  atomic.Uint64 // both for readers: a float32 above a stamp in ticks
}

// decay is the time in which a peak loses all but 1/e.
const decay = 30 * time.Second

// tick is the resolution of a reader's stamp. 32 bits of it are 497 days.
const tick = int64(10 * time.Millisecond)

// observe takes a latency; atLeast is set if it would have been longer.
func (p *peak) observe(now int64, sample float64, atLeast bool) {
	w := fading(now - p.stamp)
	switch faded := p.value * w; {
	case sample >= faded:
		p.value = sample
	case atLeast:
		return
	default:
		p.value = faded + sample*(1-w)
	}
	p.stamp = max(p.stamp, now)
	p.word.Store(uint64(math.Float32bits(float32(p.value)))<<32 | uint64(uint32(p.stamp/tick)))
}

// at is the value that is left now.
func (p *peak) at(now int64) time.Duration {
	word := p.word.Load()
	if word == 0 {
		return 0
	}
	passed := int64(int32(uint32(now/tick)-uint32(word))) * tick
	return time.Duration(float64(math.Float32frombits(uint32(word>>32))) * fading(passed))
}

// fading is what is left of 1 after a time: e to the power of -x, taken as
// (1 + x/256) to that of -256, which is as good here and a quarter of the work.
func fading(passed int64) float64 {
	if passed <= 0 {
		return 1
	}
	y := 1 + float64(passed)/(256*float64(decay))
	for range 8 {
		y *= y
	}
	return 1 / y
}

// measure takes the times of an attempt. What was given up counts only if it
// took longer than answers do.
func (m *Monitor) measure(e *End) {
	waited := e.waited()
	if waited <= 0 {
		return
	}
	i := index(e.Streamed)
	m.peaks[i].observe(e.Time.UnixNano(), float64(waited), !e.answered())
	if e.answered() {
		if m.spreads[i].add(waited) {
			m.p95s[i].Store(int64(m.spreads[i].p95))
		}
	}
}

func index(streamed bool) int {
	if streamed {
		return 1
	}
	return 0
}

// Latency is what an answer is expected to take, or, for a stream, its first
// content; 0 if not known. It is the peak of late, and fades while nothing is seen.
func (m *Monitor) Latency(now time.Time, streamed bool) time.Duration {
	return m.peaks[index(streamed)].at(now.UnixNano())
}

// Load is the latency that one more attempt would meet if those under way had
// to be answered before it: the cost by which balancers compare.
func (m *Monitor) Load(now time.Time, streamed bool) time.Duration {
	return m.Latency(now, streamed) * time.Duration(m.InFlight()+1)
}

// P95 is the time within which 95 of 100 answers, or first contents of
// streams, come; 0 if too few have been seen.
func (m *Monitor) P95(streamed bool) time.Duration {
	return time.Duration(m.p95s[index(streamed)].Load())
}
