package health

import (
	"testing"
	"time"
)

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

func TestNeutralSaysNothing(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 100, Neutral)
	b.calls(m, 9, Bad)
	b.want(m, Closed)
	b.calls(m, 1, Bad)
	b.want(m, Open)
}
