package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is a circuit breaker as one would write it down: it keeps every call
// and counts anew each time. It knows nothing of jitter, ejection and slowness.
type naive struct {
	b         Breaker
	state     State
	era       int // counts changes
	until     time.Time
	cooling   time.Time
	opened    int
	calls     []naiveCall
	probes    map[int]bool // those under way, by their number
	lastProbe time.Time
	succeeded int
}

type naiveCall struct {
	at  time.Time
	bad bool
}

// ticketed is an attempt under way in both.
type ticketed struct {
	number int
	ticket Ticket
	era    int
	probe  bool
}

func (n *naive) change(s State) {
	n.state = s
	n.era++
	n.calls, n.probes, n.succeeded = nil, map[int]bool{}, 0
}

func (n *naive) open(now time.Time, again bool) {
	n.opened++
	if !again {
		n.opened = 1
	}
	d := n.b.OpenFor.Std()
	for range n.opened - 1 {
		d = min(2*d, n.b.MaxOpen.Std())
	}
	n.until = now.Add(min(d, n.b.MaxOpen.Std()))
	n.change(Open)
}

func (n *naive) admit(now time.Time, number int) (ok, probe bool) {
	if now.Before(n.cooling) {
		return false, false
	}
	if n.state == Open && !now.Before(n.until) {
		n.change(HalfOpen)
	}
	switch n.state {
	case Closed:
		return true, false
	case Open:
		return false, false
	}
	if len(n.probes) >= n.b.Probes && now.Sub(n.lastProbe) < 10*time.Second {
		return false, false
	}
	n.probes[number], n.lastProbe = true, now
	return true, true
}

func (n *naive) end(now time.Time, t ticketed, v Verdict, until time.Time) {
	if t.era == n.era {
		delete(n.probes, t.number)
	}
	if v == Throttled && until.After(now) {
		if most := now.Add(n.b.MaxCooling.Std()); until.After(most) {
			until = most
		}
		if until.After(n.cooling) {
			n.cooling = until
		}
		return
	}
	if v == Throttled {
		v = Bad
	}
	if t.era != n.era {
		return
	}
	if t.probe {
		switch v {
		case Good:
			if n.succeeded++; n.succeeded >= n.b.Probes {
				n.change(Closed)
			}
		case Bad, Denied:
			n.open(now, true)
		}
		return
	}
	if v == Denied {
		n.open(now, false)
		return
	}
	if v == Neutral {
		return
	}
	n.calls = append(n.calls, naiveCall{now, v == Bad})
	step := n.b.Window.Std() / 10
	head := now.UnixNano() / int64(step)
	var calls, bad int
	for _, c := range n.calls {
		if c.at.UnixNano()/int64(step) > head-10 {
			calls++
			if c.bad {
				bad++
			}
		}
	}
	if calls >= n.b.MinCalls && bad*100 >= n.b.FailureRate*calls {
		n.open(now, false)
	}
}

func (n *naive) seen(now time.Time) State {
	switch {
	case n.state == Open && now.Before(n.until):
		return Open
	case now.Before(n.cooling):
		return Cooling
	case n.state == Open:
		return HalfOpen
	default:
		return n.state
	}
}

// Whatever happens, in whatever order, the breaker does what the naive one does.
func TestBreakerIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Breaker: Breaker{
			Window:      d(time.Duration(rapid.IntRange(1, 60).Draw(t, "window")) * time.Second),
			MinCalls:    rapid.IntRange(1, 12).Draw(t, "min calls"),
			FailureRate: rapid.IntRange(1, 100).Draw(t, "rate"),
			OpenFor:     d(time.Duration(rapid.IntRange(1, 20).Draw(t, "open")) * time.Second),
			MaxOpen:     d(time.Duration(rapid.IntRange(20, 90).Draw(t, "max open")) * time.Second),
			Probes:      rapid.IntRange(1, 4).Draw(t, "probes"),
			MaxCooling:  d(30 * time.Second),
		}}
		b := newBench(t, cfg)
		m := b.group.Of("a")
		ref := &naive{b: cfg.WithDefaults().Breaker, state: Closed, probes: map[int]bool{}}
		var underWay []ticketed
		number := 0
		check := func() {
			if m.Calm(b.now) && (m.State(b.now) != Closed || m.Share(b.now) != 1) {
				t.Fatalf("calm, but %v with a share of %v", m.State(b.now), m.Share(b.now))
			}
			if got, want := m.State(b.now), ref.seen(b.now); got != want {
				t.Fatalf("%v, want %v", got, want)
			}
			if s := m.State(b.now); (s == Open || s == Cooling) == m.RetryTime(b.now).IsZero() {
				t.Fatalf("%v until %v", s, m.RetryTime(b.now))
			}
			if got := int(m.InFlight()); got != len(underWay) {
				t.Fatalf("%d in flight, want %d", got, len(underWay))
			}
		}
		begin := func(t *rapid.T) bool {
			number++
			ticket, ok := m.Admit(b.now)
			want, probe := ref.admit(b.now, number)
			if ok != want || ok && ticket.Probe() != probe {
				t.Fatalf("let in %v (probe %v), want %v (%v)", ok, ticket.Probe(), want, probe)
			}
			if ok {
				m.Begin(b.now)
				underWay = append(underWay, ticketed{number, ticket, ref.era, probe})
			}
			return ok
		}
		end := func(i int, v Verdict, until time.Time) {
			m.End(End{Verdict: v, Time: b.now, Until: until, Ticket: underWay[i].ticket, Duration: time.Millisecond})
			ref.end(b.now, underWay[i], v, until)
			underWay = append(underWay[:i:i], underWay[i+1:]...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) { begin(t) },
			"end": func(t *rapid.T) {
				if len(underWay) == 0 {
					t.Skip("nothing is under way")
				}
				i := rapid.IntRange(0, len(underWay)-1).Draw(t, "which")
				v := rapid.SampledFrom([]Verdict{Good, Good, Bad, Bad, Bad, Neutral, Throttled, Denied}).Draw(t, "verdict")
				end(i, v, b.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "cooling"))*time.Second))
			},
			"burst": func(t *rapid.T) {
				v := rapid.SampledFrom([]Verdict{Good, Bad}).Draw(t, "verdict")
				for range rapid.IntRange(1, 12).Draw(t, "calls") {
					if begin(t) {
						end(len(underWay)-1, v, time.Time{})
					}
				}
			},
			"wait until it is asked": func(*rapid.T) {
				if until := m.RetryTime(b.now); !until.IsZero() {
					b.now = until
				}
			},
			"pass": func(t *rapid.T) {
				b.pass(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "ms")) * time.Millisecond)
			},
			"pass a little": func(t *rapid.T) { b.pass(time.Duration(rapid.IntRange(1, 300).Draw(t, "ms")) * time.Millisecond) },
			"":              func(*rapid.T) { check() },
		})
	})
}

// The window counts what a list of all calls counts.
func TestWindowIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.IntRange(10, 1000).Draw(t, "span")) * time.Millisecond
		var w window
		var list []naiveCall
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "pause")) * time.Millisecond)
			bad := rapid.Bool().Draw(t, "bad")
			w.add(now.UnixNano(), span, bad, !bad)
			list = append(list, naiveCall{now, bad})
			want, step := tally{}, int64(span)/steps
			for _, c := range list {
				if c.at.UnixNano()/step > now.UnixNano()/step-steps {
					want.calls++
					if c.bad {
						want.failed++
					} else {
						want.slow++
					}
				}
			}
			if w.sum != want {
				t.Fatalf("%+v, want %+v", w.sum, want)
			}
		}
	})
}
