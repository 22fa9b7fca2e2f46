package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// After a circuit closes the share rises from little to all, and never falls.
func TestSlowStartRisesSteadily(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := time.Duration(rapid.IntRange(1, 600_000).Draw(t, "ms")) * time.Millisecond
		b := newBench(t, Config{SlowStart: d(took)})
		m := b.group.Of("a")
		if m.Share(b.now) != 1 {
			t.Fatal("a model that was never away has no full share")
		}
		b.calls(m, 10, Bad)
		b.pass(5 * time.Second)
		b.calls(m, 3, Good)
		closed, before := b.now, 0.0
		for !b.now.After(closed.Add(took)) {
			share := m.Share(b.now)
			passed := float64(b.now.Sub(closed)) / float64(took)
			if share < before || share < leastShare || share > leastShare+(1-leastShare)*passed+1e-9 {
				t.Fatalf("share %v after %v of %v, before %v", share, b.now.Sub(closed), took, before)
			}
			before = share
			b.pass(time.Duration(rapid.IntRange(1, 1+int(took/time.Millisecond/4)).Draw(t, "pause")) * time.Millisecond)
		}
		if b.now = closed.Add(took); m.Share(b.now) != 1 {
			t.Fatalf("at the end its share is %v", m.Share(b.now))
		}
	})
}

// A model is calm again once what was the matter is over.
func TestCalmComesBack(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	if !m.Calm(b.now) {
		t.Error("not calm at first")
	}
	b.calls(m, 10, Bad)
	if m.Calm(b.now) {
		t.Error("calm while its circuit is open")
	}
	b.pass(5 * time.Second)
	b.calls(m, 3, Good)
	if m.Calm(b.now) {
		t.Error("calm while it comes back")
	}
	b.pass(time.Hour)
	b.calls(m, 1, Good)
	if !m.Calm(b.now) {
		t.Error("not calm an hour later")
	}
}

func TestShareWhileAway(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	if s := m.Share(b.now); s != leastShare {
		t.Errorf("open: %v", s)
	}
	b.pass(5 * time.Second)
	if s := m.Share(b.now); s != leastShare {
		t.Errorf("half-open: %v", s)
	}
}

func TestRates(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{SlowAfter: d(time.Second)}})
	m := b.group.Of("a")
	b.calls(m, 3, Good)
	b.calls(m, 1, Bad)
	m.End(End{Verdict: Good, Time: b.now, Duration: time.Second})
	if failures, slow := m.Rates(b.now); failures != 0.2 || slow != 0.2 {
		t.Errorf("failures %v, slow %v", failures, slow)
	}
	b.pass(time.Minute)
	if failures, slow := m.Rates(b.now); failures != 0 || slow != 0 {
		t.Errorf("a minute later: failures %v, slow %v", failures, slow)
	}
}
