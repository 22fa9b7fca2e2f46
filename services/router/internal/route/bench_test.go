package route

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// flat prices everything by its name's length, so that costs differ.
type flat struct{ model string }

func (f flat) Cost(input, output int64) (int64, bool) {
	return int64(len(f.model)) * (input + 4*output), f.model != "unpriced"
}

// busyDecision is a route of 20 healthy targets that have been used, with a
// decision to be made.
func busyDecision(t testing.TB, r Route) *Decision {
	t.Helper()
	models, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-opus-4-1", "gemini-2.5-pro"}
	var targets []*simple20
	for i := range 20 {
		targets = append(targets, &simple20{fmt.Sprint("target-", i), names[i%len(names)]})
	}
	w := Surroundings{Models: models, Prices: prices{}, Seed: 7}
	for i, x := range targets {
		built := newTarget(x.name, x.model)
		built.Monitors = health.NewGroup(health.For(x.name))
		m := built.Monitors.Of(x.model)
		for range 3 {
			m.Begin(epoch)
		}
		m.End(health.End{
			Verdict: health.Good, Time: epoch, Streamed: true, FirstContent: time.Duration(200+20*(i*7%20)) * ms, Duration: time.Second,
		})
		w.Targets = append(w.Targets, built)
		r.Targets = append(r.Targets, Ref{Name: x.name, Model: x.model, Weight: 1 + i%4, Quality: float64(1+i%10) / 10})
	}
	r.Model = "m"
	if r.Strategy == byTask {
		r.Tasks = map[string]Task{"coding": {Targets: r.Targets[3:5]}, "simple": {Targets: r.Targets[:2]}, "analysis": {Targets: r.Targets[7:9]}}
	}
	table, err := NewTable([]Route{r}, w)
	if err != nil {
		t.Fatal(err)
	}
	var d Decision
	table.entries[0].Candidates(Question{
		Model: "m", Streamed: true, Time: epoch.Add(time.Second), Input: 900, Caller: Caller{Organization: "organizations/example"},
		Conversation: say("You are a helpful assistant.", "Why does this Go function deadlock? It locks a mutex twice and waits."),
	}, &d)
	if len(d.Order) != 20 {
		t.Fatalf("%d candidates", len(d.Order))
	}
	return &d
}

type simple20 struct{ name, model string }

// decisions are what strategies and modifiers are measured with.
func decisions() map[string]Route {
	routes := map[string]Route{
		"weighted, sticky": {Strategy: weighted, Sticky: Sticky{By: BySession}},
		"score, canary":    {Strategy: score, Canary: &Canary{Target: "target-3", Percent: 5}},
	}
	for _, name := range Strategies() {
		routes[name] = Route{Strategy: name}
	}
	return routes
}

// No strategy allocates, whatever stands around it.
func TestArrangeDoesNotAllocate(t *testing.T) {
	for name, r := range decisions() {
		d := busyDecision(t, r)
		if n := testing.AllocsPerRun(100, func() { d.Decide() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkStrategy(b *testing.B) {
	for name, r := range decisions() {
		b.Run(name, func(b *testing.B) {
			d := busyDecision(b, r)
			b.ReportAllocs()
			for b.Loop() {
				d.Decide()
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	q := Question{Input: 900, Conversation: say("You are a helpful assistant.", "Why does this Go function deadlock? It locks a mutex twice and waits.")}
	b.ReportAllocs()
	for b.Loop() {
		classify(&q, 0xff)
	}
}
