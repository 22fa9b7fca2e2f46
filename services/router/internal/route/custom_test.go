package route

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// parseRules reads rules as they stand in a configuration.
func parseRules(t testing.TB, text string) []Rule {
	t.Helper()
	var out struct {
		Rules []Rule `yaml:"rules"`
	}
	if err := config.Parse([]byte(text), func(string) (string, bool) { return "", false }, &out); err != nil {
		t.Fatal(err)
	}
	return out.Rules
}

// fleet has two targets in Europe and two in America.
func fleet() []*target.Target {
	list := []*target.Target{
		placed("gpt-east", "us-east-1"), placed("gpt-west", "us-west-2"), placed("claude-eu", "eu-central-1"), placed("cheap", "eu-west-1"),
	}
	list[2].Provider, list[3].Labels = "anthropic", map[string]string{"tier": "cheap"}
	return list
}

var night = time.Date(2026, 7, 1, 21, 30, 0, 0, time.UTC)

// ruled decides a question on the fleet under rules.
func ruled(t testing.TB, strategy, text string, q Question) *Decision {
	t.Helper()
	table := newTable(t, []Route{{
		Model: "m", Strategy: strategy, Targets: refs("gpt-east", "gpt-west", "claude-eu", "cheap"), Rules: parseRules(t, text),
	}}, fleet()...)
	e, _ := table.Match("m")
	if q.Model == "" {
		q.Model = "m"
	}
	if q.Time.IsZero() {
		q.Time = night
	}
	var d Decision
	e.Candidates(q, &d)
	if len(d.Order) > 0 {
		d.Decide()
	}
	return &d
}

func TestCustomRules(t *testing.T) {
	etl := Question{Caller: Caller{Team: "etl"}, Labels: map[string]string{"tier": "gold"}}
	for name, c := range map[string]struct {
		rules  string
		q      Question
		order  string
		rules2 string // those that applied
	}{
		"none":                         {"rules: []", etl, "gpt-east gpt-west claude-eu cheap", ""},
		"does not hold":                {`rules: [{name: a, when: 'caller.team == "x"', forbid: [gpt-east]}]`, etl, "gpt-east gpt-west claude-eu cheap", ""},
		"prefer":                       {`rules: [{name: a, when: 'time.getHours("Europe/Berlin") >= 22 || caller.team == "x"', prefer: [cheap, gpt-west]}]`, etl, "cheap gpt-west gpt-east claude-eu", "a"},
		"prefer twice":                 {"rules:\n- {name: a, prefer: [cheap]}\n- {name: b, prefer: [gpt-west, cheap]}", etl, "cheap gpt-west gpt-east claude-eu", "a b"},
		"forbid":                       {`rules: [{name: a, forbid: [{region: "us-*"}]}]`, etl, "claude-eu cheap", "a"},
		"forbid by provider and label": {`rules: [{name: a, forbid: [{provider: anthropic}, {labels: {tier: "ch*"}}]}]`, etl, "gpt-east gpt-west", "a"},
		"only":                         {`rules: [{name: a, only: [{residency: eu}]}]`, etl, "claude-eu cheap", "a"},
		"only and forbid":              {`rules: [{name: a, only: [{residency: eu}], forbid: [cheap]}]`, etl, "claude-eu", "a"},
		"all of a selector":            {`rules: [{name: a, only: [{provider: openai, region: "eu-*"}]}]`, etl, "cheap", "a"},
		"reweight":                     {`rules: [{name: a, reweight: {claude-eu: 10, gpt-east: 0.1}}]`, etl, "claude-eu gpt-west cheap gpt-east", "a"},
		"stop":                         {"rules:\n- {name: a, when: 'caller.team == \"etl\"', forbid: [cheap], stop: true}\n- {name: b, forbid: [claude-eu]}", etl, "gpt-east gpt-west claude-eu", "a"},
		"stop that does not hold":      {"rules:\n- {name: a, when: 'caller.team == \"x\"', stop: true}\n- {name: b, forbid: [claude-eu]}", etl, "gpt-east gpt-west cheap", "b"},
		"a missing label":              {`rules: [{name: a, when: 'request.labels["nobody"] == "x"', forbid: [cheap]}, {name: b, when: 'request.labels["tier"] == "gold"', forbid: [gpt-east]}]`, etl, "gpt-west claude-eu cheap", "b"},
		"not what residency ruled out": {`rules: [{name: a, prefer: [gpt-east], only: [gpt-east, cheap]}]`, Question{Residency: "eu"}, "cheap", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			d := ruled(t, priority, c.rules, c.q)
			if got := names(d.Order); got != c.order {
				t.Errorf("order %s, want %s", got, c.order)
			}
			explained := d.Explain()
			if got := strings.Join(explained.GetRules(), " "); got != c.rules2 {
				t.Errorf("applied: %s, want %s", got, c.rules2)
			}
			if len(explained.GetCandidates()) != 4 {
				t.Errorf("%d candidates are explained", len(explained.GetCandidates()))
			}
		})
	}
}

func TestRulesExplainThemselves(t *testing.T) {
	d := ruled(t, priority, `rules: [{name: night, prefer: [cheap], forbid: [gpt-east]}, {name: odd, when: 'request.labels["x"] == "y"', stop: true}]`, Question{})
	explained := d.Explain()
	if c := explained.GetCandidates()[0]; !strings.Contains(c.GetReason(), "preferred by rule night") {
		t.Errorf("first: %v", c)
	}
	if c := explained.GetCandidates()[3]; !c.GetRejected() || c.GetReason() != "forbidden by rule night" {
		t.Errorf("forbidden: %v", c)
	}
	if advice := strings.Join(explained.GetAdvice(), "; "); !strings.Contains(advice, "rule odd") || !strings.Contains(advice, "no such key") {
		t.Errorf("advice: %s", advice)
	}
	if f := d.RuleFaults(); len(f) != 1 || f[0].Rule != "odd" {
		t.Errorf("faults %v", f)
	}
	d = ruled(t, priority, `rules: [{name: closed, forbid: [{name: "*"}]}]`, Question{})
	if e := errs.From(d.Err()); e.Reason != llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED || !strings.Contains(e.Error(), "rule closed") {
		t.Errorf("all are forbidden: %v", e)
	}
}

func TestReweightChangesShares(t *testing.T) {
	table := newTable(t, []Route{{
		Model: "m", Strategy: weighted, Targets: refs("gpt-east", "cheap"), Rules: parseRules(t, `rules: [{name: a, reweight: {cheap: 3}}]`),
	}}, fleet()...)
	e, _ := table.Match("m")
	first := map[string]int{}
	var d Decision
	for range 400 {
		e.Candidates(Question{Model: "m", Time: night}, &d)
		d.Decide()
		first[d.Order[0].Target.Name]++
	}
	if first["cheap"] != 300 || first["gpt-east"] != 100 {
		t.Errorf("shares %v, want 3 to 1", first)
	}
}

func TestRulesSetParameters(t *testing.T) {
	value := func(f float64) *float64 { return &f }
	limit := func(n int64) *int64 { return &n }
	for name, c := range map[string]struct {
		rules       string
		own         *llmv1.Sampling
		temperature float64
		output      int64
		replaces    bool
	}{
		"where nothing is set":     {`rules: [{name: a, set: {temperature: 0.2, max_output_tokens: 500}}]`, nil, .2, 500, false},
		"not over the client's":    {`rules: [{name: a, set: {temperature: 0.2}}]`, &llmv1.Sampling{Temperature: value(1)}, 1, 0, false},
		"over the client's":        {`rules: [{name: a, set: {temperature: 0.2, override: true}}]`, &llmv1.Sampling{Temperature: value(1), MaxOutputTokens: limit(9)}, .2, 9, true},
		"the same as the client's": {`rules: [{name: a, set: {temperature: 1, override: true}}]`, &llmv1.Sampling{Temperature: value(1)}, 1, 0, false},
		"the later rule wins":      {"rules:\n- {name: a, set: {temperature: 0.2, max_output_tokens: 7}}\n- {name: b, set: {temperature: 0.4}}", nil, .4, 7, false},
		"does not hold":            {`rules: [{name: a, when: 'false', set: {temperature: 0.2, override: true}}]`, &llmv1.Sampling{Temperature: value(1)}, 1, 0, false},
	} {
		d := ruled(t, priority, c.rules, asking(sampled(c.own)))
		own := d.Own(c.own)
		whole := Merge(own, d.Defaults().For(own))
		if whole.GetTemperature() != c.temperature || whole.GetMaxOutputTokens() != c.output || d.Replaces() != c.replaces {
			t.Errorf("%s: %v, replaces %v", name, whole, d.Replaces())
		}
		if !c.replaces && own != c.own {
			t.Errorf("%s: the client's own are copied", name)
		}
	}
}

// What a rule replaces cannot go through in the client's own words, and a
// target that cannot be told what a rule sets is told nothing.
func TestSetParametersAndTargets(t *testing.T) {
	hot := 1.5
	q := asking(sampled(&llmv1.Sampling{Temperature: &hot}))
	q.Model, q.Dialect, q.Time = "m", "openai", night
	to := speaking(t, "openai", "openai", "m")
	for rules, native := range map[string]bool{
		`rules: [{name: a, set: {temperature: 0.1}}]`:                 true,
		`rules: [{name: a, set: {temperature: 0.1, override: true}}]`: false,
		`rules: [{name: a, set: {top_p: 0.1, override: true}}]`:       true,
	} {
		table := newTable(t, []Route{{Model: "m", Targets: refs("openai"), Rules: parseRules(t, rules)}}, to)
		e, _ := table.Match("m")
		var d Decision
		e.Candidates(q, &d)
		if len(d.Order) != 1 || d.Order[0].Native != native {
			t.Errorf("%s: %+v", rules, d.Order)
		}
	}
	to.Lacks = capability.TopK
	table := newTable(t, []Route{{Model: "m", Targets: refs("openai"), Rules: parseRules(t, `rules: [{name: a, set: {top_k: 3}}]`)}}, to)
	e, _ := table.Match("m")
	var d Decision
	e.Candidates(q, &d)
	if len(d.Order) != 1 || !d.dropped(d.Order[0]).Has(capability.TopK) {
		t.Errorf("a parameter that the target cannot be told: %+v", d.Order)
	}
}

// regionPrices are costs by region, whatever the tokens.
type regionPrices map[string]int64

func (p regionPrices) Cost(_, _, region string, _, _ int64) (int64, bool) {
	cost, ok := p[region]
	return cost, ok
}

func (p regionPrices) Of(_, _, region string) Rate                          { return regionRate{p, region} }
func (p regionPrices) Learn(context.Context, string, string, string, int64) {}

type regionRate struct {
	prices regionPrices
	region string
}

func (r regionRate) Cost(_, _ int64) (int64, bool) { return r.prices.Cost("", "", r.region, 0, 0) }

// The cost is that of the cheapest target that may be asked.
func TestRulesLookAtCosts(t *testing.T) {
	prices := regionPrices{"us-east-1": 5_000_000, "eu-central-1": 2_000_000}
	table, err := NewTable([]Route{{
		Model: "m", Targets: refs("gpt-east", "claude-eu", "cheap"),
		Rules: parseRules(t, `rules: [{name: dear, when: 'cost.known && cost.usd > 0.003', forbid: [cheap]}]`),
	}}, Surroundings{Targets: fleet(), Prices: prices})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	var d Decision
	for residency, want := range map[string]string{"": "gpt-east claude-eu cheap", "us": "gpt-east", "eu": "claude-eu cheap"} {
		e.Candidates(Question{Model: "m", Time: night, Residency: residency, Input: 10}, &d)
		if got := names(d.Order); got != want {
			t.Errorf("%q: %s, want %s (%v)", residency, got, want, d.Rules())
		}
	}
}

func TestRulesAreValidated(t *testing.T) {
	targets := []provider.Target{{Name: "a", Provider: "p", Region: "eu-west-1", Models: provider.NewModels("*")}, {Name: "b", Models: provider.NewModels("*")}}
	text := `rules:
- {name: "", forbid: [a]}
- {name: x, when: 'request.modle == "m"', forbid: [a]}
- {name: x, prefer: [nobody]}
- {name: y}
- {name: z, reweight: {nobody: 1, a: -1}, only: [{}], set: {temperature: 9}}
- {name: w, set: {override: true}, stop: true}
- {name: v, when: '1 + 1', forbid: [{region: "eu-*", provider: q}]}
- {name: ok, when: 'caller.team == "etl"', prefer: [b, {region: "eu-*"}], set: {temperature: 1, override: true}}`
	v := config.NewValidator()
	Validate(v.At("routes"), []Route{{Model: "m", Targets: refs("a", "b"), Rules: parseRules(t, text)}}, targets)
	err := fmt.Sprint(v.Err())
	for _, want := range []string{
		"routes[0].rules[0].name: is required", "routes[0].rules[1].when: line 1, column 8: undeclared reference to 'request.modle'",
		"request.model,", "rules[2].name: \"x\" is the name of rules[1]", "rules[2].prefer[0]: selects none", "rules[3]: does nothing",
		"rules[4].reweight.nobody", "rules[4].reweight.a: must be from 0", "rules[4].only[0]: is empty", "rules[4].set.temperature: must be from 0 to 2",
		"rules[5].set.override: has nothing", "rules[6].when: is int", "rules[6].forbid[0]: selects none",
	} {
		if !strings.Contains(err, want) {
			t.Errorf("%q is not among the faults", want)
		}
	}
	if strings.Contains(err, "rules[7]") {
		t.Error("a good rule has a fault")
	}
	if t.Failed() {
		t.Log(err)
	}
}

// Rules look at requests: what there is does not depend on them.
func TestModelsAreListedWithoutRules(t *testing.T) {
	table := newTable(t, []Route{{Model: "m", Targets: refs("cheap"), Rules: parseRules(t, `rules: [{name: a, forbid: [cheap]}]`)}}, fleet()...)
	if models := table.Models(Caller{}); len(models) != 1 || len(models[0].Targets) != 1 {
		t.Errorf("models %v", models)
	}
}
