package route

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

func newTarget(name string, models ...string) *target.Target {
	return &target.Target{Target: provider.Target{Name: name, Provider: "openai", Models: provider.NewModels(models...)}}
}

func refs(names ...string) []Ref {
	var list []Ref
	for _, name := range names {
		list = append(list, Ref{Name: name, Weight: 1})
	}
	return list
}

func newTable(t testing.TB, routes []Route, targets ...*target.Target) *Table {
	t.Helper()
	table, err := NewTable(routes, Surroundings{Targets: targets})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMatch(t *testing.T) {
	var routes []Route
	for _, model := range []string{"*", "gpt-*", "gpt-4*", "gpt-4o", "*-mini", "claude-*-4*"} {
		routes = append(routes, Route{Model: model, Targets: refs("a")})
	}
	table := newTable(t, routes, newTarget("a", "*"))
	for model, want := range map[string]string{
		"gpt-4o":            "gpt-4o",
		"gpt-4o-mini":       "gpt-4*", // as much text as *-mini, and first in the list
		"gpt-4.1":           "gpt-4*",
		"gpt-5":             "gpt-*",
		"o3-mini":           "*-mini",
		"claude-sonnet-4-5": "claude-*-4*",
		"claude-opus":       "*",
		"":                  "*",
	} {
		if e, ok := table.Match(model); !ok || e.Model != want {
			t.Errorf("%q goes to %v, want %q", model, e, want)
		}
	}
	if _, ok := newTable(t, routes[3:4], newTarget("a", "*")).Match("gpt-9"); ok {
		t.Error("a model without a route has one")
	}
}

func TestMatchesAgreesWithBacktracking(t *testing.T) {
	var slow func(p, s string) bool
	slow = func(p, s string) bool {
		switch {
		case p == "":
			return s == ""
		case p[0] == '*':
			return slow(p[1:], s) || s != "" && slow(p, s[1:])
		default:
			return s != "" && p[0] == s[0] && slow(p[1:], s[1:])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "name")
		if matches(p, s) != slow(p, s) {
			t.Fatalf("%q on %q: %v", p, s, matches(p, s))
		}
	})
}

func TestRulesRejectWithReasons(t *testing.T) {
	blind := newTarget("blind", "m")
	blind.Lacks = capability.Images
	table := newTable(t, []Route{{Model: "*", Targets: refs("other", "blind", "good")}},
		newTarget("other", "x"), blind, newTarget("good", "m"))
	e, _ := table.Match("m")
	var d Decision
	e.Candidates(Question{Model: "m", Needs: capability.Images}, &d)
	d.Decide()
	if len(d.Order) != 1 || d.Order[0].Target.Name != "good" {
		t.Fatalf("order %+v", d.Order)
	}
	explained := d.Explain()
	if len(explained.Candidates) != 3 || !strings.Contains(explained.Candidates[1].Reason, "does not list") ||
		!strings.Contains(explained.Candidates[2].Reason, "images") || !explained.Candidates[2].Rejected {
		t.Errorf("reasons: %v", explained.Candidates)
	}
	e.Candidates(Question{Model: "nobody's"}, &d)
	if !errs.Is(d.Err(), llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND) {
		t.Errorf("a model that nobody lists: %v", d.Err())
	}
	table = newTable(t, []Route{{Model: "m", Targets: refs("blind")}}, blind)
	e, _ = table.Match("m")
	e.Candidates(Question{Model: "m", Needs: capability.Images}, &d)
	if !errs.Is(d.Err(), llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
		t.Errorf("only a blind target: %v", d.Err())
	}
}

func TestRefModelIsTranslated(t *testing.T) {
	to := newTarget("eu", "claude-sonnet-4-5")
	table := newTable(t, []Route{{Model: "gpt-4o", Targets: []Ref{{Name: "eu", Model: "claude-sonnet-4-5", Weight: 1}}}}, to)
	e, _ := table.Match("gpt-4o")
	var d Decision
	e.Candidates(Question{Model: "gpt-4o"}, &d)
	if len(d.Order) != 1 || d.Order[0].Model != "claude-sonnet-4-5" {
		t.Errorf("order %+v", d.Order)
	}
}

// After every request the number of turns of a target is within one cycle's
// spread of its share; over time, within 1 %.
func TestWeightedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "targets")
		var list []Ref
		var targets []*target.Target
		total := 0
		for i := range n {
			weight := rapid.IntRange(0, 50).Draw(t, "weight")
			if i == 0 {
				weight++
			}
			total += weight
			list = append(list, Ref{Name: fmt.Sprint(i), Weight: weight})
			targets = append(targets, newTarget(fmt.Sprint(i), "*"))
		}
		table, err := NewTable([]Route{{Model: "*", Strategy: "weighted", Targets: list}}, Surroundings{Targets: targets})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := table.Match("m")
		turns := make([]int, n)
		var d Decision
		requests := total * rapid.IntRange(1, 5).Draw(t, "cycles")
		for range requests {
			e.Candidates(Question{Model: "m"}, &d)
			d.Foresee()
			foreseen := d.Order[0].Target
			e.Candidates(Question{Model: "m"}, &d)
			d.Decide()
			if d.Order[0].Target != foreseen {
				t.Fatal("foreseen otherwise than decided")
			}
			turns[d.Order[0].ref]++
			for i := 2; i < len(d.Order); i++ {
				if d.Order[i].Score > d.Order[i-1].Score {
					t.Fatal("the others do not stand by falling weight")
				}
			}
		}
		for i, got := range turns {
			if want := list[i].Weight * requests / total; got != want {
				t.Fatalf("target %d of weight %d/%d had %d turns of %d, want %d", i, list[i].Weight, total, got, requests, want)
			}
		}
	})
}

// A target that is rejected for some requests must not spoil the shares of the rest.
func TestWeightedWithRejections(t *testing.T) {
	blind := newTarget("blind", "*")
	blind.Lacks = capability.Images
	table := newTable(t, []Route{{Model: "*", Strategy: "weighted", Targets: []Ref{
		{Name: "blind", Weight: 50}, {Name: "b", Weight: 30}, {Name: "c", Weight: 20},
	}}}, blind, newTarget("b", "*"), newTarget("c", "*"))
	e, _ := table.Match("m")
	turns := map[string]int{}
	var d Decision
	const requests = 10_000
	for range requests {
		e.Candidates(Question{Model: "m", Needs: capability.Images}, &d)
		d.Decide()
		turns[d.Order[0].Target.Name]++
	}
	for name, want := range map[string]float64{"blind": 0, "b": .6, "c": .4} {
		if got := float64(turns[name]) / requests; math.Abs(got-want) > .01 {
			t.Errorf("%s had a share of %.3f, want %.2f", name, got, want)
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	type file struct {
		Routes []Route `yaml:"routes"`
	}
	const text = `
routes:
  - model: gpt-4o
    strategy: cheapest
    targets: [a, nobody, {name: b, model: gone}]
  - model: gpt-4o
    targets: []
    context_tokens: -1
  - targets: [{name: a, weight: -2}, c]
  - model: "*"
    strategy: weighted
    targets: [{name: a, weight: 0}]
  - model: other
    targets: [a, a]
`
	var f file
	if err := config.Parse([]byte(text), nil, &f); err != nil {
		t.Fatal(err)
	}
	v := config.NewValidator()
	Validate(v.At("routes"), f.Routes, []provider.Target{
		{Name: "a", Models: provider.NewModels("gpt-4o")},
		{Name: "b", Models: provider.NewModels("claude")},
		{Name: "c", Models: provider.NewModels("*")},
	})
	got := v.Err().Error()
	for _, want := range []string{
		"routes[0].strategy: \"cheapest\"",
		"routes[0].targets[1].name: no target is named \"nobody\"",
		"routes[0].targets[2].model: target b does not list",
		"routes[1].model: \"gpt-4o\" has a route already: routes[0]",
		"routes[1].targets: is required",
		"routes[1].context_tokens",
		"routes[2].model: is required",
		"routes[2].targets[0].weight",
		"routes[3].targets: all weights are 0",
		"routes[4].targets[0].name: target a does not list the model \"other\"",
		"routes[4].targets[1].name: \"a\" stands twice",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestModels(t *testing.T) {
	table := newTable(t, []Route{
		{Model: "fast", Targets: []Ref{{Name: "a", Model: "gpt-4o-mini", Weight: 1}}},
		{Model: "gpt-*", Targets: refs("a", "b")},
	}, newTarget("a", "gpt-4o", "gpt-4o-mini"), newTarget("b", "gpt-4o", "claude"))
	var got []string
	for _, m := range table.Models(Caller{}) {
		got = append(got, m.Name+"="+strings.Join(m.Targets, "+"))
	}
	if want := "fast=a gpt-4o=a+b gpt-4o-mini=a"; strings.Join(got, " ") != want {
		t.Errorf("models %v, want %s", got, want)
	}
}

func decideOnce(table *Table, d *Decision) {
	e, _ := table.Match("gpt-4o")
	e.Candidates(Question{Model: "gpt-4o"}, d)
	d.Decide()
}

func hotTable(t testing.TB) *Table {
	return newTable(t, []Route{
		{Model: "gpt-4o", Strategy: "weighted", Targets: refs("a", "b", "c")}, {Model: "*", Targets: refs("a")},
	}, newTarget("a", "gpt-4o"), newTarget("b", "*"), newTarget("c", "gpt-4o"))
}

func TestDecideDoesNotAllocate(t *testing.T) {
	table := hotTable(t)
	var d Decision
	decideOnce(table, &d)
	if n := testing.AllocsPerRun(100, func() { decideOnce(table, &d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	table := hotTable(b)
	var d Decision
	b.ReportAllocs()
	for b.Loop() {
		decideOnce(table, &d)
	}
}
