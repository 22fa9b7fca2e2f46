package health

import (
	"sync"
	"sync/atomic"
	"time"
)

// budget counts the calls and the retries of a target over the last seconds.
type budget struct {
	calls   [budgetSeconds]atomic.Uint64 // a second above the count of that second
	mu      sync.Mutex                   // so that two retries do not share what is left for one
	retries [budgetSeconds]atomic.Uint64
}

// budgetSeconds is the time that a budget looks back on, the current second
// included; Finagle's budget keeps deposits for ten seconds too.
const budgetSeconds = 10

func (b *budget) call(now int64) { count(&b.calls, now/int64(time.Second)) }

// count adds one to the slot of a second, which may still hold an earlier one.
func count(slots *[budgetSeconds]atomic.Uint64, second int64) {
	slot := &slots[uint64(second)%budgetSeconds]
	for {
		have := slot.Load()
		next := uint64(uint32(second))<<32 | 1
		if uint32(have>>32) == uint32(second) {
			next = have + 1
		}
		if slot.CompareAndSwap(have, next) {
			return
		}
	}
}

func total(slots *[budgetSeconds]atomic.Uint64, second int64) int64 {
	var sum int64
	for i := range slots {
		have := slots[i].Load()
		if age := uint32(second) - uint32(have>>32); age < budgetSeconds {
			sum += int64(uint32(have))
		}
	}
	return sum
}

// AllowRetry says whether the target may be asked once more after a failure.
// Yes counts as a retry.
func (g *Group) AllowRetry(now time.Time) bool {
	c, b, second := g.config.Load().RetryBudget, &g.budget, now.UnixNano()/int64(time.Second)
	if c.Disabled {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	retries := total(&b.retries, second)
	first := max(0, total(&b.calls, second)-retries) // retries are calls as well
	if (retries+1)*100 > first*int64(c.Percent)+100*budgetSeconds*int64(c.MinPerSecond) {
		return false
	}
	count(&b.retries, second)
	return true
}

// trickle lets a few attempts in a second through to a target whose circuits
// are open.
type trickle struct {
	mu     sync.Mutex
	tokens float64
	filled int64 // UnixNano
}

// Spare says whether one of the few attempts may be made that a target gets
// although its circuits are open. Yes counts as one.
func (g *Group) Spare(now time.Time) bool {
	rate, n, t := float64(g.config.Load().Breaker.DegradedPerSecond), now.UnixNano(), &g.trickle
	t.mu.Lock()
	defer t.mu.Unlock()
	if passed := n - t.filled; passed > 0 {
		t.tokens = min(rate, t.tokens+rate*float64(passed)/float64(time.Second))
		t.filled = n
	}
	if t.tokens < 1 {
		return false
	}
	t.tokens--
	return true
}
