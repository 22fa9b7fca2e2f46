package route

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Ten rules of the kinds that operators write; six of them hold for the
// question below.
const tenRules = `rules:
- {name: night, when: 'time.getHours("Europe/Berlin") >= 22 || caller.team == "etl"', prefer: [t07, t03]}
- {name: gold, when: 'request.labels["tier"] == "gold"', reweight: {t01: 2, t02: 0.5}}
- {name: germans, when: 'user.country in ["DE", "AT", "CH"]', forbid: [{region: "us-*"}]}
- {name: long, when: 'request.tokens > 100000', only: [{labels: {size: large}}]}
- {name: cool, when: 'request.task == "coding" && !request.images', set: {temperature: 0.1}}
- {name: dear, when: 'cost.known && cost.usd > 1.0', forbid: [t05]}
- {name: previews, when: 'request.model.startsWith("preview-") && !("admin" in caller.roles)', forbid: [t06]}
- {name: tools, when: 'request.tools && request.stream', prefer: [{provider: anthropic}]}
- {name: regulated, when: 'residency == "eu" && caller.organization.matches("^(acme|example)-.*")', forbid: [t09]}
- {name: weekend, when: 'time.getDayOfWeek("UTC") in [0, 6]', reweight: {t04: 3}}`

// twenty makes a route of twenty targets under ten rules.
func twenty(t testing.TB, strategy string) *Entry {
	t.Helper()
	var targets []*target.Target
	var list []string
	for i := range 20 {
		name := fmt.Sprintf("t%02d", i)
		made := &target.Target{
			Target: provider.Target{
				Name: name, Provider: [...]string{"openai", "anthropic"}[i%2], Models: provider.NewModels("m", "all"),
				Region: [...]string{"eu-central-1", "us-east-1", "eu-west-1", "westeurope"}[i%4], Labels: map[string]string{"size": "large"},
			},
			Dialect: "openai", Monitors: health.NewGroup(),
		}
		targets, list = append(targets, made), append(list, name)
	}
	table, err := NewTable([]Route{{Model: "m", Strategy: strategy, Targets: refs(list...), Rules: parseRules(t, tenRules)}}, Surroundings{
		Targets: targets, Models: knownModels(t), Prices: fixedRate(3_000_000), Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	return e
}

// fixedRate is one price for all.
type fixedRate int64

func (r fixedRate) Cost(_, _, _ string, _, _ int64) (int64, bool) { return int64(r), true }

func (r fixedRate) Of(string, string, string) Rate                       { return fixedCost(r) }
func (r fixedRate) Learn(context.Context, string, string, string, int64) {}

type fixedCost int64

func (r fixedCost) Cost(_, _ int64) (int64, bool) { return int64(r), true }

// hard is a question that every rule has something to look at in. Requests
// differ, as they do in life, so that nothing can be kept from one to the next.
func hard(i int) Question {
	c := user()
	return Question{
		Model: "m", Dialect: "anthropic", Needs: capability.Chat | capability.Of(c) | capability.Tools, Conversation: c,
		Input: int64(1000 + i%50), Output: 500, Streamed: true,
		Caller: Caller{Organization: "acme-eu", Team: [...]string{"etl", "web", "ops"}[i%3], User: "ada", Key: "k", Roles: []string{"developer"}},
		Task:   [...]string{"coding", "analysis"}[i%2], UserLocation: [...]string{"DE", "FR"}[i%2], Residency: "eu",
		Labels: map[string]string{"tier": "gold"}, Time: time.Unix(1_780_000_000+int64(i)*601, 0).UTC(),
	}
}

func questions() []Question {
	list := make([]Question, 64)
	for i := range list {
		list[i] = hard(i)
	}
	return list
}

// A decision is made for every request before anything else can be done. Its
// memory is new, as in a request, and the heap is as large as that of a gateway
// at rest: with an empty one the collector would run every millisecond.
func BenchmarkDecideTwenty(b *testing.B) {
	heap := make([]byte, 16<<20)
	defer runtime.KeepAlive(heap)
	for _, strategy := range []string{priority, weighted, leastLatency, score} {
		b.Run(strategy, func(b *testing.B) {
			e, all := twenty(b, strategy), questions()
			b.ReportAllocs()
			var d Decision // it is part of a request
			for i := 0; b.Loop(); i++ {
				d = Decision{}
				e.Candidates(all[i%len(all)], &d)
				d.Decide()
			}
		})
	}
}

// The parts of a decision, each by itself.
func BenchmarkDecisionParts(b *testing.B) {
	e, all := twenty(b, priority), questions()
	plain := twenty(b, priority)
	plain.custom = nil
	b.Run("without rules", func(b *testing.B) {
		var d Decision
		for i := 0; b.Loop(); i++ {
			plain.Candidates(all[i%len(all)], &d)
		}
	})
	b.Run("rules", func(b *testing.B) {
		var d Decision
		e.Candidates(all[0], &d)
		for i := 0; b.Loop(); i++ {
			d.question, d.ruling = all[i%len(all)], ruling{}
			e.consult(&d)
		}
	})
	b.Run("whole, in memory that is there", func(b *testing.B) {
		var d Decision
		for i := 0; b.Loop(); i++ {
			e.Candidates(all[i%len(all)], &d)
			d.Decide()
		}
	})
	b.Run("whole, where some have failed", func(b *testing.B) {
		troubled := twenty(b, priority)
		for i := range troubled.deployments {
			m := troubled.deployments[i].monitor
			for n := range 100 {
				m.Begin(all[0].Time)
				m.End(health.End{Verdict: [...]health.Verdict{health.Good, health.Bad}[(n+i)%50/49], Time: all[0].Time})
			}
		}
		var d Decision
		for i := 0; b.Loop(); i++ {
			troubled.Candidates(all[i%len(all)], &d)
			d.Decide()
		}
		if d.calm {
			b.Fatal("nothing is the matter with them")
		}
	})
	b.Run("order", func(b *testing.B) {
		var d Decision
		e.Candidates(all[0], &d)
		for b.Loop() {
			d.Decide()
		}
	})
}

func TestDecisionsAllocateLittle(t *testing.T) {
	all := questions()
	for _, strategy := range []string{priority, weighted, leastLatency, score} {
		e, i := twenty(t, strategy), 0
		var d Decision
		decide := func() *Decision {
			d = Decision{}
			e.Candidates(all[i%len(all)], &d)
			d.Decide()
			i++
			return &d
		}
		if d := decide(); len(d.Order) < 5 || len(d.Rejected()) < 5 || len(d.Rules()) < 4 || len(d.RuleFaults()) > 0 {
			t.Fatalf("%d candidates, %d rejected, rules %v, faults %v: the decision is not worth measuring",
				len(d.Order), len(d.Rejected()), d.Rules(), d.RuleFaults())
		}
		if testing.Short() {
			continue // the race detector lets pools forget, and runs with -short
		}
		if n := testing.AllocsPerRun(200, func() { decide() }); n > 3 {
			t.Errorf("%s: %.1f allocations, want at most 3", strategy, n)
		}
	}
}
