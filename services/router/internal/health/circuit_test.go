package health

import (
	"fmt"
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

func TestNeutralSaysNothing(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 100, Neutral)
	b.calls(m, 9, Bad)
	b.want(m, Closed)
	b.calls(m, 1, Bad)
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

func TestDeniedOpensAtOnce(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 1, Denied)
	b.want(m, Open)
	if len(b.events) != 1 || b.events[0].Reason != denied {
		t.Errorf("events %+v", b.events)
	}
	b.pass(5 * time.Second)
	b.calls(m, 1, Denied)
	if got := m.RetryTime(b.now); !got.Equal(b.now.Add(10 * time.Second)) {
		t.Errorf("open until %v", got)
	}
}

func TestSlowCallsOpen(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{SlowAfter: d(2 * time.Second), SlowAnswerAfter: d(time.Minute), Probes: 1}})
	call := func(m *Monitor, e End) {
		e.Ticket, e.Time = b.begin(m), b.now
		m.End(e)
	}
	slow := End{Verdict: Good, Streamed: true, FirstContent: 2 * time.Second, Duration: 3 * time.Second}
	fast := End{Verdict: Good, Streamed: true, FirstContent: time.Second, Duration: time.Hour}
	for name, tc := range map[string]struct {
		end  End
		want State
	}{
		"first contents that are late":       {slow, Open},
		"first contents in time":             {fast, Closed},
		"whole answers take longer":          {End{Verdict: Good, Duration: 50 * time.Second}, Closed},
		"but not that long":                  {End{Verdict: Good, Duration: time.Minute}, Open},
		"callers who wait in vain and leave": {End{Streamed: true, Duration: 4 * time.Second}, Open},
		"callers who leave early":            {End{Streamed: true, Duration: time.Second}, Closed},
	} {
		m := b.group.Of(name)
		for range 10 {
			call(m, tc.end)
		}
		if got := m.State(b.now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	m := b.group.Of("mixed")
	for range 3 {
		call(m, fast)
	}
	for range 11 {
		call(m, slow) // 11 of 14 are 79 %
	}
	b.want(m, Closed)
	call(m, slow)
	b.want(m, Open)
	b.pass(5 * time.Second)
	call(m, slow)
	b.want(m, Open)
	b.pass(10 * time.Second)
	call(m, fast)
	b.want(m, Closed)
}

func TestThrottledCoolsDown(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	throttle := func(m *Monitor, ticket Ticket, until time.Duration) {
		m.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(until), Ticket: ticket})
	}
	tickets := make([]Ticket, 21)
	for i := range tickets {
		tickets[i] = b.begin(m)
	}
	for _, ticket := range tickets[1:] {
		throttle(m, ticket, 12*time.Second)
		b.pass(10 * time.Millisecond)
	}
	b.want(m, Cooling)
	b.shut(m)
	if len(b.events) != 1 || b.events[0].To != Cooling {
		t.Errorf("20 refusals make %d events", len(b.events))
	}
	throttle(m, tickets[0], time.Second) // sooner than the others were told
	if got := m.RetryTime(b.now).Sub(b.now); got != 12*time.Second-10*time.Millisecond {
		t.Errorf("cools for %v", got)
	}
	b.pass(12 * time.Second)
	b.want(m, Closed)
	throttle(m, b.begin(m), 24*time.Hour)
	if got := m.RetryTime(b.now).Sub(b.now); got != 5*time.Minute {
		t.Errorf("cools for %v, which is more than may be", got)
	}
	b.pass(5 * time.Minute)
	b.calls(m, 1, Good)
	checkChain(t, b.events)

	unsaid := b.group.Of("b")
	for range 10 {
		throttle(unsaid, b.begin(unsaid), 0)
	}
	b.want(unsaid, Open)
}

func TestProbeThatIsThrottledGivesItsPlaceBack(t *testing.T) {
	b := newBench(t, Config{Breaker: Breaker{Probes: 1}})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.pass(5 * time.Second)
	m.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Second), Ticket: b.begin(m)})
	b.want(m, Cooling)
	b.shut(m)
	b.pass(time.Second)
	b.want(m, HalfOpen)
	b.calls(m, 1, Good)
	b.want(m, Closed)
	checkChain(t, b.events)
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

func TestDisabledBreakerNeverOpens(t *testing.T) {
	b := newBench(t, Config{})
	open, cooling := b.group.Of("open"), b.group.Of("cooling")
	b.calls(open, 10, Bad)
	cooling.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Minute)})
	b.group.Configure(Config{Breaker: Breaker{Disabled: true}})
	for _, m := range []*Monitor{open, cooling} {
		b.calls(m, 50, Bad)
		b.calls(m, 1, Denied)
		m.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Minute)})
		b.group.Fail(b.now, "", "no answer", time.Minute)
		b.want(m, Closed)
	}
}

func TestFollowTakesOverWithoutEvents(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	m.Follow(Open, b.now.Add(7*time.Second))
	b.want(m, Open)
	b.pass(7 * time.Second)
	b.want(m, HalfOpen)
	m.Follow(Open, b.now.Add(9*time.Second))
	m.Follow(HalfOpen, time.Time{})
	b.want(m, HalfOpen)
	m.Follow(Closed, time.Time{})
	b.want(m, Closed)
	if s := m.Share(b.now); s > 0.11 {
		t.Errorf("share %v after it closed", s)
	}
	m.Follow(Ejected, b.now.Add(time.Second))
	b.want(m, Ejected)
	m.Follow(Closed, time.Time{})
	b.want(m, Closed)
	m.Follow(Cooling, b.now.Add(time.Second))
	b.want(m, Cooling)
	if len(b.events) != 0 {
		t.Errorf("events %v", b.events)
	}
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

// Names that clients make up do not push out the models that are in use.
func TestModelsAreBounded(t *testing.T) {
	b := newBench(t, Config{})
	used, named := b.group.Of("used"), b.group.Keep("named")
	for i := range 3 * maxModels {
		b.calls(used, 1, Good)
		b.calls(b.group.Of(fmt.Sprintf("made-up-%d", i)), 1, Neutral)
		b.pass(time.Second)
	}
	if n := len(b.group.Models()); n > maxModels+1 {
		t.Errorf("%d monitors", n)
	}
	for i := range 2 * maxModels {
		b.group.Keep(fmt.Sprintf("configured-%d", i))
	}
	if b.group.Of("configured-500").model == otherModels {
		t.Error("a model of the configuration has no monitor of its own")
	}
	if b.group.Find("used") != used || b.group.Find("named") != named || b.group.Of(fmt.Sprintf("made-up-%d", 3*maxModels-1)).model == otherModels {
		t.Error("a model in use has no monitor of its own")
	}
}
