package health

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// peers makes n models of as many targets, under one clock.
func peers(b *bench, n int, c Config) []*Monitor {
	all := make([]*Monitor, n)
	for i := range all {
		g := NewGroup(For("east"), WithConfig(c), WithClock(func() time.Time { return b.now }), WithRandom(func() float64 { return 0 }))
		g.Observe(func(e Event) { b.events = append(b.events, e) })
		all[i] = g.Of(fmt.Sprint("model-", i))
	}
	return all
}

func judged(b *bench, all []*Monitor) []State {
	states := make([]State, len(all))
	Judge(all, states, b.now)
	return states
}

// noBreaker leaves the comparison alone to work.
var noBreaker = Breaker{MinCalls: 100_000}

func TestFailuresInARowEject(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 3, Config{Breaker: noBreaker})
	b.calls(all[0], 4, Bad)
	b.calls(all[0], 1, Good)
	b.calls(all[0], 4, Bad)
	if s := judged(b, all); s[0] != Closed {
		t.Fatalf("%v after 4 failures in a row", s)
	}
	b.calls(all[0], 1, Bad)
	if s := judged(b, all); s[0] != Ejected || s[1] != Closed || s[2] != Closed {
		t.Fatalf("%v after 5", s)
	}
	b.want(all[0], Ejected)
	if got := all[0].RetryTime(b.now); !got.Equal(b.now.Add(30 * time.Second)) {
		t.Errorf("until %v", got)
	}
	if len(b.events) != 1 || b.events[0].To != Ejected || b.events[0].Reason != "5 failures in a row" {
		t.Errorf("events %+v", b.events)
	}
	if _, ok := all[0].Admit(b.now); !ok {
		t.Error("who asks nevertheless is not let in")
	}
}

func TestWorseThanThePeersEjects(t *testing.T) {
	for _, tc := range []struct {
		good    []int // of 100, by peer
		ejected int   // -1 for none
	}{
		{[]int{100, 100, 70}, 2},
		{[]int{100, 100, 80}, -1},
		{[]int{60, 60, 60}, -1},
		{[]int{60, 34, 60}, 1},
		{[]int{60, 36, 60}, -1},
		{[]int{100, 60}, -1}, // too few to be compared
	} {
		b := newBench(t, Config{})
		all := peers(b, len(tc.good), Config{Breaker: noBreaker})
		for i, good := range tc.good {
			for n := range 100 { // spread, so that few come in a row
				v := Good
				if (n+1)*(100-good)/100 != n*(100-good)/100 {
					v = Bad
				}
				b.calls(all[i], 1, v)
			}
		}
		for i, s := range judged(b, all) {
			if want := i == tc.ejected; (s == Ejected) != want {
				t.Errorf("%v: %d is %v", tc.good, i, s)
			}
		}
	}
}

func TestEjectionNeedsNoBreaker(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 3, Config{Breaker: Breaker{Disabled: true}})
	b.calls(all[1], 5, Bad)
	if s := judged(b, all); s[1] != Ejected {
		t.Errorf("%v", s)
	}
	off := peers(b, 3, Config{Breaker: noBreaker, Outlier: Outlier{Disabled: true}})
	b.calls(off[1], 50, Bad)
	if s := judged(b, off); s[1] != Closed {
		t.Errorf("ejected although that is off: %v", s)
	}
}

func TestFewOrOldRequestsAreNotCompared(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 3, Config{Breaker: noBreaker, Outlier: Outlier{ConsecutiveFailures: 100}})
	b.calls(all[0], 100, Good)
	b.calls(all[1], 100, Good)
	b.calls(all[2], 19, Bad)
	if s := judged(b, all); s[2] != Closed {
		t.Fatalf("ejected after 19 requests")
	}
	b.calls(all[2], 1, Bad)
	b.pass(31 * time.Second)
	if s := judged(b, all); s[2] != Closed {
		t.Fatalf("ejected for what was long ago")
	}
	for _, m := range all {
		b.calls(m, 20, Good)
	}
	b.calls(all[2], 20, Bad)
	if s := judged(b, all); s[2] != Ejected {
		t.Fatalf("not ejected at 50 %%")
	}
}

// Ejections last longer each time, come back by themselves with slow start, and
// are forgotten.
func TestEjectionsGrowAndAreForgotten(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 3, Config{Outlier: Outlier{MaxEjectionTime: d(70 * time.Second)}})
	m := all[0]
	eject := func(want time.Duration) {
		t.Helper()
		b.calls(m, 5, Bad)
		judged(b, all)
		if got := m.RetryTime(b.now); !got.Equal(b.now.Add(want)) {
			t.Fatalf("ejected until %v, want for %v", got, want)
		}
	}
	for _, want := range []time.Duration{30 * time.Second, 60 * time.Second, 70 * time.Second} {
		eject(want)
		b.pass(want - 1)
		b.want(m, Ejected)
		b.pass(1)
		b.want(m, Closed)
		if s := m.Share(b.now); s != leastShare {
			t.Errorf("comes back with a share of %v", s)
		}
		judged(b, all)
		if s := m.Share(b.now.Add(15 * time.Second)); s < 0.5 || s > 0.6 {
			t.Errorf("half-way its share is %v", s)
		}
	}
	b.pass(65 * time.Second) // two times went well
	eject(60 * time.Second)
	b.pass(60*time.Second + time.Hour)
	eject(30 * time.Second)
	for i, e := range b.events {
		if want := []State{Ejected, Closed}[i%2]; e.To != want {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}

func TestWhatBeganBeforeAnEjectionIsNotHeldAgainstIt(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 3, Config{})
	var old []Ticket
	for range 5 {
		old = append(old, b.begin(all[0]))
	}
	b.calls(all[0], 5, Bad)
	judged(b, all)
	b.pass(30 * time.Second)
	for _, ticket := range old {
		b.end(all[0], ticket, Bad)
	}
	if s := judged(b, all); s[0] != Closed {
		t.Errorf("%v", s)
	}
}

func TestTheLastOneIsNeverEjected(t *testing.T) {
	b := newBench(t, Config{})
	lone := peers(b, 1, Config{Breaker: noBreaker, Outlier: Outlier{MaxEjectedPercent: 100}})
	b.calls(lone[0], 1000, Bad)
	if s := judged(b, lone); s[0] != Closed {
		t.Errorf("the only one: %v", s)
	}
	pair := peers(b, 2, Config{Outlier: Outlier{MaxEjectedPercent: 100}})
	b.calls(pair[0], 10, Bad) // its circuit is open
	b.calls(pair[1], 5, Bad)
	if s := judged(b, pair); s[0] != Open || s[1] != Closed {
		t.Errorf("the last that is not open: %v", s)
	}
}

// Another route has ejected what this one cannot do without.
func TestEjectionsOfOtherRoutesAreBounded(t *testing.T) {
	b := newBench(t, Config{})
	all := peers(b, 4, Config{})
	for i, m := range all {
		m.Follow(Ejected, b.now.Add(time.Duration(40-i)*time.Second))
	}
	for n, want := range map[int][]State{
		1: {Closed},
		2: {Closed, Closed},
		4: {Closed, Closed, Closed, Closed}, // none is left that works
	} {
		if got := judged(b, all[:n]); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("of %d: %v", n, got)
		}
	}
	mixed := append(peers(b, 3, Config{}), all[:3]...)
	if got := judged(b, mixed); fmt.Sprint(got) != "[closed closed closed ejected ejected ejected]" {
		t.Errorf("half of six: %v", got)
	}
	if got := judged(b, mixed[1:]); fmt.Sprint(got) != "[closed closed ejected ejected closed]" {
		t.Errorf("of five, the first to come back counts as closed: %v", got)
	}
}

// Whatever the peers, their faults and the configuration: someone who is not
// open is always left, and never more are out than may be.
func TestEjectionsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, Config{})
		percent := rapid.IntRange(1, 100).Draw(t, "percent")
		all := peers(b, rapid.IntRange(1, 8).Draw(t, "peers"), Config{
			Breaker: Breaker{MinCalls: rapid.SampledFrom([]int{5, 100_000}).Draw(t, "min calls")},
			Outlier: Outlier{MaxEjectedPercent: percent, MinRequests: 5, MinHosts: 2},
		})
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			rates := make([]float64, len(all))
			for i := range rates {
				rates[i] = random.Float64()
			}
			for range random.IntN(40) {
				i := random.IntN(len(all))
				v := Good
				if random.Float64() < rates[i] {
					v = Bad
				}
				if ticket, ok := all[i].Admit(b.now); ok {
					all[i].Begin(b.now)
					b.end(all[i], ticket, v)
				}
			}
			from := random.IntN(len(all))
			some := all[from : from+1+random.IntN(len(all)-from)]
			states, out, usable, open := judged(b, some), 0, 0, 0
			for _, s := range states {
				switch s {
				case Ejected:
					out++
				case Closed, HalfOpen:
					usable++
				default:
					open++
				}
			}
			if out*100 > percent*len(some) || usable == 0 && open < len(some) {
				t.Fatalf("%v with at most %d %% out", states, percent)
			}
			b.pass(time.Duration(random.IntN(20_000)) * time.Millisecond)
		}
	})
}
