package route

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// A target that comes back gets the part of its requests that its monitor says,
// whatever the strategy.
func TestSlowStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		route Route
		full  float64                     // its share of the requests when it is healthy
		back  func(share float64) float64 // and when it comes back
	}{
		{"priority", Route{Strategy: priority}, 1, func(s float64) float64 { return s }},
		{"weighted", Route{Strategy: weighted}, .5, func(s float64) float64 { return s / (s + 1) }},
		{"random", Route{Strategy: random}, .5, func(s float64) float64 { return s / (s + 1) }},
		{"round-robin", Route{Strategy: roundRobin}, .5, func(s float64) float64 { return s / (s + 1) }},
		{"sticky", Route{Sticky: Sticky{By: BySession}}, .5, func(s float64) float64 { return s / (s + 1) }},
		{"lowest-cost", Route{Strategy: lowestCost}, 1, func(s float64) float64 { return s }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, 31, c.route, 100*ms, 100*ms)
			s.run(5*time.Second, 20)
			s.targets["a"].down = true
			s.run(10*time.Second, 20)
			s.targets["a"].down = false
			monitor := s.entry.deployments[0].monitor
			for monitor.Share(s.now) >= 1 || monitor.Share(s.now) < .2 {
				s.run(100*ms, 20)
			}
			measure := func() float64 {
				s.shares()
				for i := range 20_000 {
					s.entry.Candidates(Question{Model: "m", Time: s.now, Session: fmt.Sprint(i)}, &s.d)
					s.d.Decide()
					s.turns[s.d.Order[0].Target.Name]++
				}
				return s.shares()["a"]
			}
			share := monitor.Share(s.now)
			got, want := measure(), c.back(share)
			t.Logf("its monitor grants %.2f: it gets %.1f %%, want %.1f %%", share, 100*got, 100*want)
			if math.Abs(got-want) > .015 {
				t.Error("off by more than 1.5 %")
			}
			s.now = s.now.Add(time.Hour)
			if got := measure(); math.Abs(got-c.full) > .015 {
				t.Errorf("when it is back it gets %.1f %%, want %.1f %%", 100*got, 100*c.full)
			}
		})
	}
}
