package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/capacity"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// quiet is a test that draws its seeds, which rapid prints.
type quiet struct{ testing.TB }

// Logf implements testing.TB.
func (quiet) Logf(string, ...any) {}

// anyRoute draws a route over n targets.
func anyRoute(t *rapid.T, n int) Route {
	r := Route{Strategy: rapid.SampledFrom(Strategies()).Draw(t, "strategy"), Tasks: map[string]Task{}}
	for i := range n {
		weight := rapid.IntRange(0, 9).Draw(t, "weight")
		if i == 0 {
			weight++
		}
		r.Targets = append(r.Targets, Ref{Name: string(rune('a' + i)), Weight: weight, Quality: rapid.Float64Range(0, 1).Draw(t, "quality")})
	}
	r.Tasks["coding"] = Task{Targets: r.Targets[n-1:]}
	r.Sticky.By = rapid.SampledFrom([]string{"", BySession, ByConversation, ByUser, ByKey}).Draw(t, "sticky")
	if rapid.Bool().Draw(t, "canary") {
		r.Canary = &Canary{Target: rapid.SampledFrom(r.Targets).Draw(t, "of").Name, Percent: rapid.Float64Range(0, 100).Draw(t, "percent")}
	}
	return r
}

// Whatever the route and the state of its targets: every admitted candidate
// stands in the order once, the healthy before the others but for a probe, and
// what is foreseen is what is decided.
func TestEveryCandidateIsInTheOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(rt, "targets")
		s := newSim(quiet{t}, rapid.Uint64Min(1).Draw(rt, "seed"), anyRoute(rt, n), make([]time.Duration, n)...)
		for _, target := range s.targets {
			target.latency = time.Duration(rapid.IntRange(1, 5000).Draw(rt, "latency")) * ms
			target.down = rapid.IntRange(0, 4).Draw(rt, "down") == 0
		}
		for i, target := range s.entry.deployments {
			if rapid.IntRange(0, 4).Draw(rt, "provisioned") == 0 {
				target.Target.Capacity = capacity.New(&provider.Provisioned{TokensPerMinute: 1000, MaxUtilization: .9}, nil, epoch)
				target.Target.Capacity.Enter()
				target.Target.Capacity.Leave(epoch, int64(500*i))
			}
		}
		s.ask = func(n int) Question {
			return Question{Model: "m", Streamed: n%2 == 0, Input: 100, Session: fmt.Sprint(n % 5), Caller: Caller{User: "u", Key: "k"}}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			s.run(time.Duration(rapid.IntRange(1, 2000).Draw(rt, "time"))*ms, 20)
			q := s.ask(s.count)
			q.Time = s.now
			s.entry.Candidates(q, &s.d)
			s.d.Foresee()
			var foreseen []int
			seen := map[int]bool{}
			for i, c := range s.d.Order {
				foreseen = append(foreseen, c.ref)
				if seen[c.ref] {
					rt.Fatalf("%s stands twice", c.Target.Name)
				}
				seen[c.ref] = true
				if i > 1 && c.rank < s.d.Order[i-1].rank {
					rt.Fatalf("rank %d behind %d", c.rank, s.d.Order[i-1].rank)
				}
				if s.d.reason(i) == "" {
					rt.Fatal("no reason")
				}
			}
			for i := range s.d.Rejected() {
				seen[s.d.Rejected()[i].ref] = true
			}
			if len(seen) != n {
				rt.Fatalf("%d of %d targets are neither candidates nor rejected", n-len(seen), n)
			}
			if !(s.d.Confidence >= 0 && s.d.Confidence <= 1) {
				rt.Fatalf("confidence %v", s.d.Confidence)
			}
			s.entry.Candidates(q, &s.d)
			s.d.Decide()
			for i, c := range s.d.Order {
				if foreseen[i] != c.ref {
					rt.Fatalf("foreseen %v, decided %v", foreseen, s.d.Order)
				}
			}
		}
	})
}

// Under strategies that share, every healthy target with a weight has turns.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "targets")
		r := anyRoute(rt, n)
		r.Canary, r.Sticky.By = nil, ""
		r.Strategy = rapid.SampledFrom([]string{weighted, roundRobin, random, leastBusy}).Draw(rt, "sharing")
		s := newSim(quiet{t}, rapid.Uint64Min(1).Draw(rt, "seed"), r, make([]time.Duration, n)...)
		for _, target := range s.targets {
			target.latency = 300 * ms
		}
		s.run(20*time.Second, 50)
		for _, ref := range r.Targets {
			if ref.Weight > 0 && s.turns[ref.Name] == 0 {
				rt.Fatalf("%s of weight %d had no turn in 1,000 requests: %v", ref.Name, ref.Weight, s.turns)
			}
			if ref.Weight == 0 && s.turns[ref.Name] > 0 {
				rt.Fatalf("%s has no weight and %d turns", ref.Name, s.turns[ref.Name])
			}
		}
	})
}

// scene is a route over targets with models of the catalogue and prices.
func scene(t *testing.T, r Route, models ...string) *Entry {
	t.Helper()
	known, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	w := Surroundings{Models: known, Prices: prices{}, Seed: 21}
	for i, model := range models {
		name := string(rune('a' + i))
		built := newTarget(name, model)
		built.Monitors = health.NewGroup()
		w.Targets = append(w.Targets, built)
		r.Targets = append(r.Targets, Ref{Name: name, Model: model, Weight: 1})
	}
	r.Model = "m"
	table, err := NewTable([]Route{r}, w)
	if err != nil {
		t.Fatal(err)
	}
	return table.entries[0]
}

// decided is the order that a question leads to, by names.
func decided(e *Entry, q Question) (order string, d *Decision) {
	d = &Decision{}
	q.Model = "m"
	if q.Time.IsZero() {
		q.Time = epoch
	}
	e.Candidates(q, d)
	d.Decide()
	for i := range d.Order {
		order += d.Order[i].Target.Name
	}
	return order, d
}

func TestOrders(t *testing.T) {
	for _, c := range []struct {
		name       string
		route      Route
		models     []string
		question   Question
		order      string
		confidence float64
		reason     string
	}{
		{
			name: "the cheapest first, unknown last", route: Route{Strategy: lowestCost}, models: []string{"unpriced", "long-name", "short"},
			question: Question{Input: 100}, order: "cba", confidence: 1 - 5./9, reason: "expected to cost $0.000000500",
		},
		{
			name: "equal costs keep the list's order", route: Route{Strategy: lowestCost}, models: []string{"aa", "bb", "a"},
			question: Question{Input: 100}, order: "cab", confidence: .5, reason: "tried first",
		},
		{
			name: "a cascade without all prices keeps the list", route: Route{Strategy: cascade}, models: []string{"unpriced", "long-name", "short"},
			question: Question{Input: 100}, order: "abc", confidence: 0, reason: "its price is not known",
		},
		{
			name: "a cascade begins with the cheapest", route: Route{Strategy: cascade}, models: []string{"longest-name", "long-name", "short"},
			question: Question{Input: 100}, order: "cba", confidence: 1 - 5./9, reason: "expected to cost",
		},
		{
			name: "the newest of each family", route: Route{Strategy: latestModel},
			models: []string{"claude-sonnet-4-5", "gpt-4.1-mini", "claude-3-7-sonnet", "claude-sonnet-4-6", "nobody's"},
			order:  "dacbe", confidence: 1, reason: "newest of the family claude-sonnet",
			question: Question{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		},
		{
			name: "retired models stand behind all others", route: Route{Strategy: latestModel},
			models: []string{"claude-3-7-sonnet", "claude-sonnet-4-5", "gpt-4.1"},
			order:  "bca", confidence: 1, reason: "newest of the family",
		},
		{
			name: "a canary of everything", route: Route{Strategy: lowestCost, Canary: &Canary{Target: "b", Percent: 100}},
			models: []string{"a", "long"}, question: Question{Input: 1000}, order: "ba", confidence: 1, reason: "the canary: it gets 100 %",
		},
		{
			name: "sticky stays among equals", route: Route{Strategy: lowestCost, Sticky: Sticky{By: BySession}},
			models: []string{"long", "a", "longer"}, question: Question{Input: 1000, Session: "s"}, order: "bac",
			confidence: 1 - 1./4, reason: "expected to cost",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			order, d := decided(scene(t, c.route, c.models...), c.question)
			if order != c.order {
				t.Errorf("order %s, want %s", order, c.order)
			}
			if d.Confidence < c.confidence-.001 || d.Confidence > c.confidence+.001 {
				t.Errorf("confidence %v, want %v", d.Confidence, c.confidence)
			}
			if reason := d.Explain().GetCandidates()[0].GetReason(); !strings.Contains(reason, c.reason) {
				t.Errorf("reason %q, want %q", reason, c.reason)
			}
		})
	}
}

func TestScoreWeighs(t *testing.T) {
	// b costs four times as much, answers twice as fast and is better.
	e := func(r Route) *Entry {
		r.Strategy, r.Targets = score, nil
		built := scene(t, r, "n", "nnnn")
		built.strategy.(*scoreStrategy).quality = []float64{.5, 1}
		for i, first := range []time.Duration{400 * ms, 200 * ms} {
			m := built.deployments[i].monitor
			m.Begin(epoch)
			m.End(health.End{Verdict: health.Good, Time: epoch, Streamed: true, FirstContent: first, Duration: first})
		}
		return built
	}
	for _, c := range []struct {
		name  string
		route Route
		want  map[string]float64
	}{
		{"default", Route{}, map[string]float64{"a": .3 + .4*.5 + .3*.5, "b": .3/4 + .4 + .3}},
		{"batch", Route{UseCase: "batch"}, map[string]float64{"a": .7 + .3*.5, "b": .7/4 + .3}},
		{"realtime", Route{UseCase: "realtime"}, map[string]float64{"a": .1 + .2*.5 + .7*.5, "b": .1/4 + .2 + .7}},
		{"own weights", Route{UseCase: "batch", Score: &Score{Quality: 3}}, map[string]float64{"a": .5, "b": 1}},
	} {
		_, d := decided(e(c.route), Question{Input: 1000, Streamed: true})
		for _, got := range d.Order {
			if want := c.want[got.Target.Name]; got.Score < want-.001 || got.Score > want+.001 {
				t.Errorf("%s: %s scores %v, want %v", c.name, got.Target.Name, got.Score, want)
			}
		}
		if d.Order[0].Score < d.Order[1].Score {
			t.Errorf("%s: the better score stands behind", c.name)
		}
	}
}

// While a provisioned target has room it is asked first, whatever the strategy;
// then the others are, and it comes last.
func TestProvisionedSpills(t *testing.T) {
	e := scene(t, Route{Strategy: lowestCost}, "a", "expensive")
	meter := capacity.New(&provider.Provisioned{TokensPerMinute: 1000, MaxUtilization: .8, HourlyUSD: 1}, nil, epoch)
	e.deployments[1].Target.Capacity, e.pays = meter, true
	for _, step := range []struct {
		used  int64
		after time.Duration
		order string
	}{{0, 0, "ba"}, {700, 0, "ba"}, {150, 0, "ab"}, {0, 30 * time.Second, "ab"}, {0, 61 * time.Second, "ba"}} {
		now := epoch.Add(step.after)
		meter.Enter()
		meter.Leave(now, step.used)
		order, d := decided(e, Question{Input: 100, Time: now})
		if order != step.order {
			t.Errorf("after %d tokens and %v: %s, want %s; used %.2f", step.used, step.after, order, step.order, meter.Utilization(now))
		}
		want := "its provisioned capacity has room"
		if order == "ab" {
			want = "its provisioned capacity is used up"
		}
		if reason := d.reason(strings.Index(order, "b")); !strings.Contains(reason, want) {
			t.Errorf("reason %q", reason)
		}
	}
}
