package health

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLatencyPeaksAtOnceAndFades(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	answer := func(took time.Duration) {
		m.Begin(b.now)
		m.End(End{Verdict: Good, Time: b.now, Streamed: true, FirstContent: took, Duration: time.Hour})
	}
	near := func(want time.Duration, what string) {
		t.Helper()
		if got := m.Latency(b.now, true); got < want*98/100 || got > want*102/100 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near(0, "nothing is known")
	answer(100 * time.Millisecond)
	near(100*time.Millisecond, "the first")
	answer(2 * time.Second)
	near(2*time.Second, "a peak counts whole")
	b.pass(30 * time.Second)
	near(2*time.Second*3679/10000, "silence for the time of decay")
	answer(100 * time.Millisecond)
	near(799*time.Millisecond, "a fast one after it")
	for range 3000 {
		b.pass(100 * time.Millisecond)
		answer(100 * time.Millisecond)
	}
	near(100*time.Millisecond, "many fast ones, each milliseconds after the other")
	if got := m.Latency(b.now, false); got != 0 {
		t.Errorf("first contents count as whole answers: %v", got)
	}
	m.Begin(b.now)
	m.Begin(b.now)
	if got, want := m.Load(b.now, true), 3*m.Latency(b.now, true); got != want {
		t.Errorf("load %v with two under way, want %v", got, want)
	}
}

// Ends at the same moment, and in the wrong order, do not confuse it.
func TestLatencyOfEndsTogether(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	for _, before := range []time.Duration{0, 0, time.Second, 5 * time.Second} {
		m.End(End{Verdict: Good, Time: b.now.Add(-before), Duration: time.Second})
	}
	if got := m.Latency(b.now, false); got != time.Second {
		t.Errorf("%v", got)
	}
}

// A failure that comes fast does not make a target look fast, and one that was
// waited for in vain makes it look slow.
func TestLatencyOfFailures(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	end := func(v Verdict, took time.Duration) { m.End(End{Verdict: v, Time: b.now, Duration: took}) }
	end(Good, time.Second)
	for range 100 {
		b.pass(time.Millisecond)
		end(Bad, time.Millisecond)
	}
	if got := m.Latency(b.now, false); got < 990*time.Millisecond {
		t.Errorf("after fast failures %v", got)
	}
	end(Neutral, 20*time.Second)
	if got := m.Latency(b.now, false); got < 19*time.Second {
		t.Errorf("after a caller left who had waited for 20s: %v", got)
	}
}

func TestP95(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"even":        func() time.Duration { return time.Duration(random.Int64N(int64(10 * time.Second))) },
		"exponential": func() time.Duration { return time.Duration(random.ExpFloat64() * float64(time.Second)) },
		"all alike":   func() time.Duration { return 1234 * time.Millisecond },
		"two kinds": func() time.Duration {
			if random.IntN(10) == 0 {
				return 8 * time.Second
			}
			return 300 * time.Millisecond
		},
	} {
		m := NewMonitor()
		var all []time.Duration
		for i := range 400 {
			took := max(draw(), time.Millisecond)
			all = append(all, took)
			m.End(End{Verdict: Good, Time: time.Now(), Streamed: true, FirstContent: took})
			if got := m.P95(true); (got == 0) != (i+1 < fewest) {
				t.Fatalf("%s: %v after %d", name, got, i+1)
			}
		}
		slices.Sort(all)
		want := all[len(all)*95/100]
		if got := m.P95(true); got < want*88/100 || got > want*112/100 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if m.P95(false) != 0 {
			t.Errorf("%s: whole answers are known", name)
		}
	}
}

func TestP95FollowsChange(t *testing.T) {
	m := NewMonitor()
	answer := func(n int, took time.Duration) {
		for range n {
			m.End(End{Verdict: Good, Time: time.Now(), Duration: took})
		}
	}
	answer(2000, time.Second)
	answer(80, 5*time.Second)
	if got := m.P95(false); got < 4*time.Second {
		t.Errorf("after 80 slow ones %v", got)
	}
	answer(2000, time.Second)
	if got := m.P95(false); got > 1200*time.Millisecond {
		t.Errorf("after 2000 fast ones %v", got)
	}
}

// Each time lies within its part, and parts join without a gap.
func TestPartsOfTheSpread(t *testing.T) {
	for i := range 26*perDoubling - 1 {
		from, width := bounds(i)
		next, _ := bounds(i + 1)
		if from+width != next || part(from) != i || part(next-1) != i {
			t.Fatalf("part %d: %v, %v wide, then %v; its bounds are in %d and %d", i, from, width, next, part(from), part(next-1))
		}
		if i >= perDoubling && width*perDoubling > from {
			t.Fatalf("part %d is %v wide at %v", i, width, from)
		}
	}
	if part(1<<62) != 26*perDoubling-1 || part(-1) != 0 {
		t.Error("times beyond the bounds")
	}
}
