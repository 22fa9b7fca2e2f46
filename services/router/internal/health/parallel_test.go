package health

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// However many ask at once: no more probes than may be are under way, the events
// make one chain, and nothing is lost of what is counted.
func TestManyAtOnce(t *testing.T) {
	const probes, workers, each = 3, 8, 2000
	var clock atomic.Int64
	clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	g := NewGroup(For("east"), WithClock(now), WithConfig(Config{
		Breaker: Breaker{Probes: probes, OpenFor: d(time.Millisecond), MaxOpen: d(2 * time.Millisecond)},
	}))
	var events []Event
	g.Observe(func(e Event) { events = append(events, e) }) // one at a time, as promised
	m := g.Of("a")
	var probing [workers * each]atomic.Int64 // by the phase of the ticket
	var begun, late atomic.Int64
	var wait sync.WaitGroup
	for w := range workers {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		wait.Go(func() {
			for range each {
				clock.Add(int64(100 * time.Microsecond)) // in all less than what makes a probe lost
				ticket, ok := m.Admit(now())
				if !ok {
					continue
				}
				of := &probing[int(ticket>>2)%len(probing)]
				if ticket.Probe() {
					if n := of.Add(1); n > probes {
						late.Add(1)
					}
				}
				m.Begin(now())
				begun.Add(1)
				verdict := []Verdict{Good, Bad, Bad, Neutral, Neutral}[random.IntN(5)]
				if ticket.Probe() {
					for range 5 { // time for others to try
						runtime.Gosched()
					}
					of.Add(-1) // before its place is free
				}
				m.End(End{Verdict: verdict, Time: now(), Duration: time.Millisecond, Ticket: ticket})
				m.State(now())
				m.Latency(now(), false)
				g.AllowRetry(now())
				Judge([]*Monitor{m}, make([]State, 1), now())
			}
		})
	}
	wait.Wait()
	if n := late.Load(); n > 0 {
		t.Errorf("%d times more than %d probes were under way", n, probes)
	}
	if seen := m.Seen(); seen.InFlight != 0 || seen.Attempts != begun.Load() {
		t.Errorf("%+v after %d attempts", seen, begun.Load())
	}
	if len(events) < 10 {
		t.Fatalf("only %d changes: nothing is tested", len(events))
	}
	checkChain(t, events)
}
