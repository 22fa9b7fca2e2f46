package health

import (
	"fmt"
	"testing"
	"time"
)

// attempt is what every attempt costs.
func attempt(m *Monitor, now time.Time) {
	ticket, ok := m.Admit(now)
	if !ok {
		panic("not let in")
	}
	m.Begin(now)
	m.End(End{
		Verdict: Good, Time: now, Streamed: true, Ticket: ticket,
		FirstContent: 300 * time.Millisecond, Duration: 4 * time.Second,
	})
}

// used is a monitor that has seen something.
func used(now time.Time) *Monitor {
	m := NewMonitor()
	for range 1000 {
		attempt(m, now)
	}
	return m
}

func TestAttemptsAllocateNothing(t *testing.T) {
	now := time.Now()
	m := used(now)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		attempt(m, now)
	}); n != 0 {
		t.Errorf("an attempt makes %v allocations", n)
	}
	group := m.group
	all := []*Monitor{m, used(now), used(now)}
	states := make([]State, len(all))
	if n := testing.AllocsPerRun(1000, func() {
		_, _, _, _ = m.State(now), m.Latency(now, true), m.P95(true), m.Share(now)
		_ = group.Of("")
		group.AllowRetry(now)
		Judge(all, states, now)
	}); n != 0 {
		t.Errorf("looking makes %v allocations", n)
	}
}

func BenchmarkAttempt(b *testing.B) {
	now := time.Now()
	m := used(now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		attempt(m, now)
	}
}

func BenchmarkAttemptParallel(b *testing.B) {
	m := used(time.Now())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		now := time.Now()
		for pb.Next() {
			now = now.Add(time.Millisecond)
			attempt(m, now)
		}
	})
}

func BenchmarkState(b *testing.B) {
	now := time.Now()
	m := used(now)
	for b.Loop() {
		m.State(now)
	}
}

func BenchmarkLatency(b *testing.B) {
	now := time.Now()
	m := used(now)
	now = now.Add(5 * time.Second)
	for b.Loop() {
		m.Latency(now, true)
	}
}

func BenchmarkOf(b *testing.B) {
	g := NewGroup()
	for i := range 20 {
		g.Of(fmt.Sprint("model-", i))
	}
	for b.Loop() {
		g.Of("model-7")
	}
}

func BenchmarkJudge20(b *testing.B) {
	now := time.Now()
	all := make([]*Monitor, 20)
	for i := range all {
		all[i] = used(now)
	}
	states := make([]State, len(all))
	b.ReportAllocs()
	for b.Loop() {
		Judge(all, states, now)
	}
}
