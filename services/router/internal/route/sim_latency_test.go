package route

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

const ms = time.Millisecond

// The fastest gets nearly all; when it slows down it loses them within
// seconds; when it is fast again it gets them back.
func TestLeastLatencyConverges(t *testing.T) {
	s := newSim(t, 1, Route{Strategy: leastLatency}, 350*ms, 200*ms, 800*ms, 1200*ms, 2000*ms)
	phase := func(name string, d time.Duration) map[string]float64 {
		s.shares()
		s.run(d, 20)
		shares := s.shares()
		t.Logf("%-28s%s", name, text(shares, 5))
		return shares
	}
	phase("first 10 s", 10*time.Second)
	if got := phase("next 50 s", 50*time.Second); got["b"] < .9 {
		t.Errorf("the fastest has %.1f %%", 100*got["b"])
	}
	s.targets["b"].latency = 3 * time.Second
	phase("it slows down: 5 s", 5*time.Second)
	if got := phase("next 30 s", 30*time.Second); got["b"] > .05 || got["a"] < .9 {
		t.Errorf("one that became slow has %.1f %%, the fastest %.1f %%", 100*got["b"], 100*got["a"])
	}
	s.targets["b"].latency = 100 * ms
	phase("it is fast again: 60 s", time.Minute)
	phase("next 60 s", time.Minute)
	if got := phase("next 60 s", time.Minute); got["b"] < .8 {
		t.Errorf("one that became fast has %.1f %%", 100*got["b"])
	}
}

// Targets of a kind share the load, and none of them gets a herd.
func TestLeastLatencySharesAmongEquals(t *testing.T) {
	s := newSim(t, 2, Route{Strategy: leastLatency}, 300*ms, 310*ms, 290*ms, 300*ms)
	s.run(2*time.Minute, 50)
	shares := s.shares()
	t.Log(text(shares, 4))
	for name, got := range shares {
		if got < .1 || got > .45 {
			t.Errorf("%s has %.1f %%", name, 100*got)
		}
	}
}

// A target that nobody knows is tried at once, by one request at a time.
func TestUnknownTargetIsTriedByOne(t *testing.T) {
	s := newSim(t, 3, Route{Strategy: leastLatency}, 200*ms, 5*time.Second, 200*ms)
	for _, known := range []int{0, 2} {
		m := s.entry.deployments[known].monitor
		m.Begin(s.now)
		m.End(health.End{Verdict: health.Good, Time: s.now, Streamed: true, FirstContent: 200 * ms, Duration: 200 * ms})
	}
	s.run(4*time.Second, 50)
	if n := s.turns["b"]; n != 1 {
		t.Errorf("%d requests tried a target that had not answered yet", n)
	}
	if s.turns["a"] == 0 || s.turns["c"] == 0 {
		t.Errorf("turns %v", s.turns)
	}
}

// A target that was slow and became fast gets requests again, under every
// strategy that looks at how targets do. How each finds out stands in the docs.
func TestSlowTargetComesBack(t *testing.T) {
	for _, strategy := range []string{leastLatency, leastBusy, score} {
		t.Run(strategy, func(t *testing.T) {
			s := newSim(t, 4, Route{Strategy: strategy, Score: &Score{Latency: 1}}, 300*ms, 10*time.Second, 300*ms)
			s.run(5*time.Minute, 10)
			t.Logf("slow:      %s", text(s.shares(), 3))
			s.targets["b"].latency = 100 * ms
			took := time.Duration(0)
			for took = 0; took < 10*time.Minute; took += 10 * time.Second {
				s.shares()
				s.run(10*time.Second, 10)
				if got := s.shares(); got["b"] >= .3 {
					break
				}
			}
			t.Logf("its share is 30 %% after %v", took+10*time.Second)
			if took >= 10*time.Minute {
				t.Error("it never came back")
			}
		})
	}
}

// Under least-busy the load follows what targets get done.
func TestLeastBusyFollowsThroughput(t *testing.T) {
	s := newSim(t, 5, Route{Strategy: leastBusy, Targets: []Ref{
		{Name: "a", Weight: 2}, {Name: "b", Weight: 1}, {Name: "c", Weight: 1},
	}}, 500*ms, 500*ms, time.Second)
	s.run(2*time.Minute, 100)
	shares := s.shares() // in proportion to weight by latency: 4, 2 and 1 of 7
	t.Log(text(shares, 3))
	for name, want := range map[string]float64{"a": 4. / 7, "b": 2. / 7, "c": 1. / 7} {
		if got := shares[name]; got < want-.04 || got > want+.04 {
			t.Errorf("%s has %.1f %%, want about %.1f %%", name, 100*got, 100*want)
		}
	}
}

// A target that failed and works again is found out by probes, under every
// strategy, and few requests meet the failure.
func TestFailedTargetIsProbedUnderEveryStrategy(t *testing.T) {
	for _, name := range Strategies() {
		for _, sticky := range []string{"", BySession} {
			t.Run(name+sticky, func(t *testing.T) {
				r := Route{Strategy: name, Sticky: Sticky{By: sticky}}
				r.Tasks = map[string]Task{otherTask: {Targets: refs("a")}}
				s := newSim(t, 6, r, 200*ms, 250*ms, 300*ms)
				s.ask = func(n int) Question {
					return Question{Model: "m", Streamed: true, Session: string(rune('a' + n%26)), Caller: Caller{Organization: "o"}}
				}
				s.run(time.Minute, 10)
				healthy := s.shares()
				s.targets["a"].down, s.failed = true, 0
				s.run(time.Minute, 10)
				failed := s.failed
				s.targets["a"].down = false
				s.run(5*time.Minute, 10)
				s.shares()
				s.run(time.Minute, 10)
				again := s.shares()
				t.Logf("first places of the target: healthy %.1f %%, after its failure %.1f %%; %d of 600 requests met it",
					100*healthy["a"], 100*again["a"], failed)
				if healthy["a"] > .1 && again["a"] < healthy["a"]/2 {
					t.Error("it did not come back")
				}
				if failed > 20 {
					t.Error("too many requests met the failure")
				}
			})
		}
	}
}
