package health

import (
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// tester is a test, or one run of a property.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// bench is a group under a clock that stands still unless it is moved.
type bench struct {
	t      tester
	now    time.Time
	group  *Group
	events []Event
}

func newBench(t tester, c Config) *bench {
	b := &bench{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.group = NewGroup(For("east"), WithConfig(c), WithClock(func() time.Time { return b.now }), WithRandom(func() float64 { return 0 }))
	b.group.Observe(func(e Event) { b.events = append(b.events, e) })
	return b
}

func (b *bench) pass(d time.Duration) { b.now = b.now.Add(d) }

// begin starts an attempt; it fails the test if it is not let in.
func (b *bench) begin(m *Monitor) Ticket {
	b.t.Helper()
	ticket, ok := m.Admit(b.now)
	if !ok {
		b.t.Fatalf("not let in at %v: %v until %v", b.now, m.State(b.now), m.RetryTime(b.now))
	}
	m.Begin(b.now)
	return ticket
}

func (b *bench) end(m *Monitor, t Ticket, v Verdict) {
	m.End(End{Verdict: v, Time: b.now, Ticket: t, Duration: time.Millisecond})
}

// calls makes n attempts, one after the other, all at once.
func (b *bench) calls(m *Monitor, n int, v Verdict) {
	b.t.Helper()
	for range n {
		b.end(m, b.begin(m), v)
	}
}

func (b *bench) want(m *Monitor, s State) {
	b.t.Helper()
	if got := m.State(b.now); got != s {
		b.t.Fatalf("%v, want %v; events %v", got, s, b.events)
	}
}

func (b *bench) shut(m *Monitor) {
	b.t.Helper()
	if _, ok := m.Admit(b.now); ok {
		b.t.Fatalf("let in while %v", m.State(b.now))
	}
}

func d(t time.Duration) config.Duration { return config.Duration(t) }

func TestCircuitOpensByFailures(t *testing.T) {
	for _, tc := range []struct {
		good, bad int
		want      State
	}{
		{0, 9, Closed}, {0, 10, Open}, {11, 9, Closed}, {5, 5, Open}, {6, 5, Closed}, {6, 6, Open},
	} {
		b := newBench(t, Config{})
		m := b.group.Of("a")
		b.calls(m, tc.good, Good)
		for range tc.bad {
			if m.State(b.now) == Closed {
				b.calls(m, 1, Bad)
			}
		}
		if got := m.State(b.now); got != tc.want {
			t.Errorf("%d good, then %d bad: %v", tc.good, tc.bad, got)
		}
		if b.group.Of("b").State(b.now) != Closed {
			t.Error("another model suffers")
		}
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	for range 20 { // two in each window of 30s: never enough to say anything
		b.calls(m, 1, Bad)
		b.pass(15 * time.Second)
	}
	b.want(m, Closed)
	b.calls(m, 9, Bad)
	b.want(m, Open)
}

// The whole life of a circuit, with all its times.
func TestCircuitOpensAndClosesOnTime(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{MaxOpen: d(20 * time.Second)}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	for _, open := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 20 * time.Second} {
		b.want(m, Open)
		if got := m.RetryTime(b.now); !got.Equal(b.now.Add(open)) {
			t.Fatalf("open until %v, want for %v", got, open)
		}
		b.pass(open - 1)
		b.want(m, Open)
		b.shut(m)
		b.pass(1)
		b.want(m, HalfOpen)
		probe := b.begin(m)
		if !probe.Probe() {
			t.Fatal("what a half-open circuit lets in is no probe")
		}
		b.end(m, probe, Bad)
	}
	b.pass(20 * time.Second)
	first, second, third := b.begin(m), b.begin(m), b.begin(m)
	b.shut(m)
	b.end(m, second, Good)
	fourth := b.begin(m)
	b.shut(m)
	b.end(m, first, Good)
	b.want(m, HalfOpen)
	b.end(m, third, Good)
	b.want(m, Closed)
	b.end(m, fourth, Bad) // it began before the circuit closed
	b.calls(m, 9, Bad)
	b.want(m, Closed)
	b.calls(m, 1, Bad)
	if got := m.RetryTime(b.now); !got.Equal(b.now.Add(5 * time.Second)) {
		t.Errorf("after it was closed it opens until %v", got)
	}
	checkChain(t, b.events)
}

// checkChain checks that each event begins where the one before ended.
func checkChain(t testing.TB, events []Event) {
	t.Helper()
	if len(events) == 0 {
		t.Fatal("no events")
	}
	state := Closed
	for i, e := range events {
		if e.From != state || e.From == e.To || e.Target != "east" || e.Model == "" || e.Reason == "" || e.Time.IsZero() {
			t.Errorf("event %d: %+v after %v", i, e, state)
		}
		state = e.To
	}
}

func TestProbeThatEndsNeutralGivesItsPlaceBack(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Probes: 1}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	for range 3 {
		b.calls(m, 1, Neutral)
	}
	m.Forgo(b.begin(m))
	b.want(m, HalfOpen)
	b.calls(m, 1, Good)
	b.want(m, Closed)
}

// A probe that streams has shown what it should with its first content: the
// circuit does not wait for the end of long answers.
func TestProbesCountWhenTheyBegin(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	probes := []Ticket{b.begin(m), b.begin(m), b.begin(m)}
	b.shut(m)
	m.Begun(probes[0], b.now, time.Second)
	next := b.begin(m) // in its place
	b.shut(m)
	m.End(End{Verdict: Good, Time: b.now, Ticket: probes[0], Begun: true})
	b.shut(m)
	m.Begun(probes[1], b.now, time.Second)
	b.want(m, HalfOpen)
	event, changed := m.Begun(probes[2], b.now, time.Second)
	b.want(m, Closed)
	if !changed || event.To != Closed {
		t.Errorf("event %+v", event)
	}
	m.End(End{Verdict: Bad, Time: b.now, Ticket: probes[1], Begun: true})
	b.end(m, next, Bad)
	b.want(m, Closed)
	if failures, _ := m.Rates(b.now); failures != 0 {
		t.Errorf("probes count after the circuit has closed: %v", failures)
	}
}

func TestProbeThatBreaksAfterItBeganOpensAgain(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	probe := b.begin(m)
	m.Begun(probe, b.now, time.Second)
	m.End(End{Verdict: Bad, Time: b.now, Ticket: probe, Begun: true})
	b.want(m, Open)
	usual := b.group.Of("b")
	ticket := b.begin(usual)
	if _, changed := usual.Begun(ticket, b.now, time.Second); changed || !usual.Still(ticket) {
		t.Error("the begin of a usual attempt says something")
	}
	b.calls(usual, 10, Bad)
	if usual.Still(ticket) {
		t.Error("a ticket holds although the circuit has opened")
	}
}

func TestLostProbeDoesNotBlock(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Probes: 1}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	lost := b.begin(m)
	b.shut(m)
	b.pass(10 * time.Second)
	b.begin(m)
	b.shut(m)
	b.pass(10 * time.Second)
	b.calls(m, 1, Good)
	b.want(m, Closed)
	b.end(m, lost, Bad) // found again, too late
	b.want(m, Closed)
}

// An attempt that began when all was well and fails late must not spoil what
// probes find out, nor take places.
func TestEndsOfEarlierPhasesDoNotCount(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Probes: 2}})
	m := b.group.Of("a")
	var old []Ticket
	for range 30 {
		old = append(old, b.begin(m))
	}
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	probe, other := b.begin(m), b.begin(m)
	for _, v := range []Verdict{Bad, Good, Neutral, Denied} {
		b.end(m, old[0], v)
		old = old[1:]
	}
	b.shut(m)
	b.want(m, HalfOpen)
	b.end(m, probe, Good)
	b.end(m, other, Good)
	b.want(m, Closed)
	for _, ticket := range old {
		b.end(m, ticket, Bad)
	}
	b.want(m, Closed)
	if m.InFlight() != 0 {
		t.Errorf("%d in flight", m.InFlight())
	}
}

// A probe of an earlier half-open time must not free a place of this one's.
func TestLateProbeFreesNoPlace(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Probes: 2}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	late, failed := b.begin(m), b.begin(m)
	b.end(m, failed, Bad)
	b.pass(10 * time.Second)
	b.begin(m)
	b.begin(m)
	b.end(m, late, Good)
	b.shut(m)
	b.want(m, HalfOpen)
}

// What was seen before the circuit opened is not held against it afterwards.
func TestClosedCircuitBeginsAnew(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Window: d(time.Minute)}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	b.calls(m, 3, Good)
	b.calls(m, 9, Bad)
	b.want(m, Closed)
}

func TestInsistedSuccessHalfOpens(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	ticket := m.Insist()
	m.Begin(b.now)
	b.end(m, ticket, Bad)
	b.want(m, Open)
	ticket = m.Insist()
	m.Begin(b.now)
	b.end(m, ticket, Good)
	b.want(m, HalfOpen)
}

func TestJitterLengthensAndDiffers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var until []time.Duration
	for range 100 {
		m := NewGroup().Of("a")
		for range 10 {
			m.End(End{Verdict: Bad, Time: now})
		}
		until = append(until, m.RetryTime(now).Sub(now))
	}
	least, most := slices.Min(until), slices.Max(until)
	if least < 5*time.Second || most > 6*time.Second || most-least < 500*time.Millisecond {
		t.Errorf("open for %v to %v", least, most)
	}
}
