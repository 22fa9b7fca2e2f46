package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetriesStayWithinTheBudget(t *testing.T) {
	b := newBench(t, Config{RetryBudget: RetryBudget{Percent: 20, MinPerSecond: 1}})
	m := b.group.Of("a")
	calls, retries := 0, 0
	for range 60 { // each second 100 calls, each of which fails and wants two retries
		for range 100 {
			m.Begin(b.now)
			calls++
			for range 2 {
				if b.group.AllowRetry(b.now) {
					m.Begin(b.now)
					retries++
				}
			}
			b.pass(10 * time.Millisecond)
		}
	}
	if share := float64(retries) / float64(calls); share < 0.20 || share > 0.215 {
		t.Errorf("%d retries of %d calls: %.3f", retries, calls, share)
	}
}

func TestFewCallsMayBeRetried(t *testing.T) {
	b := newBench(t, Config{})
	allowed := 0
	for range 100 {
		if b.group.AllowRetry(b.now) {
			allowed++
		}
	}
	if allowed != 30 {
		t.Errorf("%d retries without calls, want 3 for each of 10 seconds", allowed)
	}
	b.pass(10 * time.Second)
	if !b.group.AllowRetry(b.now) {
		t.Error("ten seconds later there is none")
	}
	b.group.Configure(Config{RetryBudget: RetryBudget{Disabled: true}})
	for range 1000 {
		if !b.group.AllowRetry(b.now) {
			t.Fatal("without a budget a retry is refused")
		}
	}
}

// Whatever comes when: a retry passes if, with it, the last ten seconds hold no
// more than their calls and the least allow.
func TestBudgetIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent, least := rapid.IntRange(1, 100).Draw(t, "percent"), rapid.IntRange(1, 5).Draw(t, "least")
		b := newBench(t, Config{RetryBudget: RetryBudget{Percent: percent, MinPerSecond: least}})
		m := b.group.Of("a")
		calls, retries := map[int64]int{}, map[int64]int{}
		latest := func(counts map[int64]int) (sum int) {
			for s := b.now.Unix() - 9; s <= b.now.Unix(); s++ {
				sum += counts[s]
			}
			return sum
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			b.pass(time.Duration(rapid.IntRange(0, 2500).Draw(t, "ms")) * time.Millisecond)
			for range rapid.IntRange(0, 30).Draw(t, "calls") {
				m.Begin(b.now)
				calls[b.now.Unix()]++
			}
			for range rapid.IntRange(0, 40).Draw(t, "retries") {
				want := float64(latest(retries)+1) <= float64(latest(calls)*percent)/100+float64(10*least)+1e-9
				if got := b.group.AllowRetry(b.now); got != want {
					t.Fatalf("%v with %d retries and %d calls", got, latest(retries), latest(calls))
				}
				if want {
					m.Begin(b.now)
					retries[b.now.Unix()]++
				}
			}
		}
	})
}

func TestTrickle(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{DegradedPerSecond: 2}})
	passed := 0
	for range 10_000 { // ten seconds of a thousand requests each
		if b.group.Spare(b.now) {
			passed++
		}
		b.pass(time.Millisecond)
	}
	if passed < 20 || passed > 22 {
		t.Errorf("%d of 10,000 requests passed in ten seconds", passed)
	}
}
