package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clinic is a route over targets whose health a test decides.
type clinic struct {
	entry   *Entry
	targets []*target.Target
	names   []string
}

func newClinic(t testing.TB, n int, change func(*Route)) *clinic {
	t.Helper()
	c := &clinic{}
	for i := range n {
		tg := newTarget(fmt.Sprint("t", i), "m")
		tg.Monitors = health.NewGroup(health.WithRandom(func() float64 { return 0 }))
		c.targets, c.names = append(c.targets, tg), append(c.names, tg.Name)
	}
	r := Route{Model: "m", Targets: refs(c.names...)}
	if change != nil {
		change(&r)
	}
	c.entry, _ = newTable(t, []Route{r}, c.targets...).Match("m")
	return c
}

// are sets the states of the targets: each lasts a second longer than the one before.
func (c *clinic) are(states ...health.State) {
	for i, s := range states {
		if s != health.Closed {
			c.targets[i].Monitors.Of("m").Follow(s, noon.Add(time.Duration(10+i)*time.Second))
		}
	}
}

func (c *clinic) decide(d *Decision) string {
	c.entry.Candidates(Question{Model: "m", Time: noon}, d)
	d.Decide()
	var order []string
	for i := range d.Order {
		order = append(order, d.Order[i].Target.Name)
	}
	return strings.Join(order, " ")
}

func TestUnhealthyCandidatesAreLeftOut(t *testing.T) {
	c := newClinic(t, 4, nil)
	c.are(health.Open, health.Closed, health.Cooling, health.Ejected)
	var d Decision
	if got := c.decide(&d); got != "t1" || d.Degraded {
		t.Fatalf("order %q, degraded %v", got, d.Degraded)
	}
	reasons := map[string]string{}
	var eligible []string
	for candidate := range d.Eligible() {
		eligible = append(eligible, candidate.Target.Name)
	}
	if fmt.Sprint(eligible) != "[t0 t1 t2 t3]" {
		t.Errorf("eligible are %v", eligible)
	}
	explained := d.Explain()
	for _, candidate := range explained.GetCandidates() {
		if candidate.GetRejected() {
			reasons[candidate.GetTarget()] = candidate.GetReason()
		}
	}
	if explained.GetDegraded() || reasons["t0"] != "circuit open for another 10 s" || reasons["t2"] != "the target limits us for another 12 s" ||
		reasons["t3"] != "ejected for another 13 s: it does worse than the others" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestHalfOpenCandidatesStay(t *testing.T) {
	c := newClinic(t, 2, nil)
	c.targets[0].Monitors.Of("m").Follow(health.Open, noon.Add(-time.Second))
	var d Decision
	if got := c.decide(&d); !strings.Contains(got, "t0") || !strings.Contains(got, "t1") {
		t.Errorf("order %q", got)
	}
}

func TestWhenNobodyIsHealthy(t *testing.T) {
	c := newClinic(t, 4, nil)
	c.are(health.Cooling, health.Open, health.Open, health.Open)
	var d Decision
	if got := c.decide(&d); got != "t0 t1 t2 t3" || !d.Degraded || d.Err() != nil || len(d.Rejected()) != 0 {
		t.Fatalf("order %q, degraded %v, %v", got, d.Degraded, d.Err())
	}
	for i := range d.Order {
		if !d.Order[i].Degraded {
			t.Errorf("%s is not marked", d.Order[i].Target.Name)
		}
	}
	explained := d.Explain()
	if want := "no target is healthy: circuit open for another 11 s; tried if the 1 before fail"; !explained.GetDegraded() || explained.GetCandidates()[1].GetReason() != want {
		t.Errorf("explained %v", explained)
	}
	c.targets[3].Monitors.Of("m").Follow(health.Closed, time.Time{})
	if got := c.decide(&d); got != "t3" || d.Degraded || d.Order[0].Degraded {
		t.Errorf("one is healthy again: %q, degraded %v", got, d.Degraded)
	}
}

func TestRefuseWhenNobodyIsHealthy(t *testing.T) {
	for name, tc := range map[string]struct {
		states []health.State
		reason llmv1.ErrorReason
	}{
		"open":    {[]health.State{health.Open, health.Open}, llmv1.ErrorReason_ERROR_REASON_OVERLOADED},
		"cooling": {[]health.State{health.Cooling, health.Cooling}, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED},
	} {
		c := newClinic(t, 2, func(r *Route) { r.WhenUnhealthy = whenRefuse })
		c.are(tc.states...)
		var d Decision
		if got := c.decide(&d); got != "" || d.Degraded {
			t.Fatalf("%s: order %q", name, got)
		}
		if err := errs.From(d.Err()); err.Reason != tc.reason || err.RetryAfter != 10*time.Second || err.Field != "" {
			t.Errorf("%s: %v, field %q, retry after %v", name, err, err.Field, err.RetryAfter)
		}
	}
}

// Who was left out for another reason does not come back with the unhealthy.
func TestOnlyTheUnhealthyComeBack(t *testing.T) {
	open, stranger := newTarget("open", "m"), newTarget("stranger", "x")
	open.Monitors, stranger.Monitors = health.NewGroup(), health.NewGroup()
	open.Monitors.Of("m").Follow(health.Open, noon.Add(time.Minute))
	for _, when := range []string{whenDegraded, whenRefuse} {
		table := newTable(t, []Route{{Model: "*", Targets: refs("stranger", "open"), WhenUnhealthy: when}}, open, stranger)
		e, _ := table.Match("m")
		var d Decision
		e.Candidates(Question{Model: "m", Time: noon}, &d)
		if when == whenRefuse {
			if !errs.Is(d.Err(), llmv1.ErrorReason_ERROR_REASON_OVERLOADED) {
				t.Errorf("refused with %v", d.Err())
			}
			continue
		}
		for candidate := range d.Eligible() {
			if candidate.Target.Name != "open" {
				t.Errorf("%s is eligible", candidate.Target.Name)
			}
		}
		if len(d.Order) != 1 || d.Order[0].Target.Name != "open" || len(d.Rejected()) != 1 || d.Rejected()[0].Target.Name != "stranger" {
			t.Errorf("order %v, rejected %v", d.Order, d.Rejected())
		}
	}
}

// Failures that a route sees eject one of its targets, and only where others
// can answer.
func TestRoutesEjectOutliers(t *testing.T) {
	c := newClinic(t, 2, nil)
	fail := func(i int) {
		for range 5 {
			c.targets[i].Monitors.Of("m").End(health.End{Verdict: health.Bad, Time: noon})
		}
	}
	fail(0)
	var d Decision
	if got := c.decide(&d); got != "t1" {
		t.Errorf("order %q", got)
	}
	fail(1)
	if got := c.decide(&d); got != "t1" {
		t.Errorf("the last one is left out: %q", got)
	}
	lone := newClinic(t, 1, nil)
	for range 9 {
		lone.targets[0].Monitors.Of("m").End(health.End{Verdict: health.Bad, Time: noon})
	}
	if got := lone.decide(&d); got != "t0" || d.Degraded {
		t.Errorf("a lone target: %q, degraded %v", got, d.Degraded)
	}
}

// Whatever the states: who is healthy is never left out, nobody stands twice,
// and there is an answer unless the route refuses.
func TestHealthNeverStarves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(rt, "targets")
		strategy := rapid.SampledFrom(Strategies()).Draw(rt, "strategy")
		if strategy == byTask {
			strategy = priority // its targets stand elsewhere
		}
		refuse := rapid.Bool().Draw(rt, "refuse")
		c := newClinic(t, n, func(r *Route) {
			r.Strategy = strategy
			if refuse {
				r.WhenUnhealthy = whenRefuse
			}
		})
		healthy, ejected := 0, 0
		for i := range n {
			s := rapid.SampledFrom([]health.State{health.Closed, health.Open, health.Cooling, health.Ejected}).Draw(rt, "state")
			c.targets[i].Monitors.Of("m").Follow(s, noon.Add(time.Duration(1+i)*time.Second))
			if s == health.Closed {
				healthy++
			}
			if s == health.Ejected {
				ejected++
			}
		}
		var d Decision
		c.decide(&d)
		seen := map[string]bool{}
		for i := range d.Order {
			name := d.Order[i].Target.Name
			if seen[name] {
				rt.Fatalf("%s stands twice", name)
			}
			seen[name] = true
		}
		if len(d.Order)+len(d.Rejected()) != n {
			rt.Fatalf("%d candidates and %d rejected of %d", len(d.Order), len(d.Rejected()), n)
		}
		for i, tg := range c.targets {
			if tg.Monitors.Of("m").State(noon) == health.Closed && !seen[c.names[i]] {
				rt.Fatalf("%s is healthy and left out", c.names[i])
			}
		}
		if usable := healthy+ejected > 0; d.Degraded == usable && !refuse || d.Degraded && refuse ||
			(len(d.Order) == 0) != (!usable && refuse) {
			rt.Fatalf("%d healthy, %d ejected: %d candidates, degraded %v, refuse %v", healthy, ejected, len(d.Order), d.Degraded, refuse)
		}
	})
}

func TestWhenUnhealthyIsChecked(t *testing.T) {
	v := config.NewValidator()
	validateWhenUnhealthy(v, "panic")
	validateWhenUnhealthy(v, whenRefuse)
	validateWhenUnhealthy(v, "")
	if err := v.Err(); err == nil || !strings.Contains(err.Error(), "neither degraded nor refuse") {
		t.Errorf("%v", err)
	}
}

func TestHealthAllocatesNothing(t *testing.T) {
	c := newClinic(t, 20, nil)
	c.are(health.Open, health.Closed, health.Ejected)
	var d Decision
	c.entry.Candidates(Question{Model: "m", Time: noon}, &d)
	if n := testing.AllocsPerRun(100, func() { c.entry.Candidates(Question{Model: "m", Time: noon}, &d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
