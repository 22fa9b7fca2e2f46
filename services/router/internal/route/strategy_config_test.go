package route

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func parse(t *testing.T, text string) ([]Route, error) {
	t.Helper()
	var f struct {
		Routes []Route `yaml:"routes"`
	}
	if err := config.Parse([]byte(text), nil, &f); err != nil {
		t.Fatal(err)
	}
	v := config.NewValidator()
	Validate(v.At("routes"), f.Routes, []provider.Target{
		{Name: "a", Models: provider.NewModels("*")}, {Name: "b", Models: provider.NewModels("*")},
	})
	return f.Routes, v.Err()
}

func TestStrategySettings(t *testing.T) {
	routes, err := parse(t, `
routes:
  - {model: m1, targets: [a], sticky: true}
  - {model: m2, targets: [a], sticky: {by: user}}
  - {model: m3, targets: [a], sticky: {}}
  - {model: m4, targets: [a], sticky: false}
  - {model: m5, targets: [a, b], canary: {target: b, percent: 2.5}}
  - {model: m6, strategy: score, use_case: coding, score: {quality: 2}, targets: [{name: a, quality: 0.9}]}
  - {model: m7, strategy: task, targets: [{name: a, model: big}, {name: a, model: small}, b],
     tasks: {coding: {targets: [{name: a, model: big}]}, simple: {targets: [b, {name: a, model: small}]}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{BySession, ByUser, BySession, ""} {
		if got := routes[i].Sticky.By; got != want {
			t.Errorf("routes[%d] is sticky by %q, want %q", i, got, want)
		}
	}
	if c := routes[4].Canary; c.Target != "b" || c.Percent != 2.5 {
		t.Errorf("canary %+v", c)
	}
	if r := routes[5]; r.Score.Quality != 2 || r.Targets[0].Quality != .9 {
		t.Errorf("score %+v", r)
	}
	if tasks := routes[6].Tasks; tasks["simple"].Targets[1].Model != "small" {
		t.Errorf("tasks %+v", tasks)
	}
}

func TestStrategyFaults(t *testing.T) {
	_, err := parse(t, `
routes:
  - {model: m1, targets: [a], sticky: {by: moon}}
  - {model: m2, targets: [a], canary: {target: b, percent: 101}}
  - {model: m3, strategy: score, use_case: fun, score: {cost: -1}, targets: [{name: a, quality: 2}]}
  - {model: m4, strategy: task, targets: [a]}
  - {model: m5, strategy: task, targets: [a], tasks: {coding: {targets: [b]}, simple: {}}}
  - {model: m6, strategy: random, targets: [{name: a, weight: 0}]}
  - {model: m7, sticky: true, targets: [{name: a, weight: 0}]}
`)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{
		`routes[0].sticky.by: "moon" is not known`,
		`routes[1].canary.target: "b" is not one of the route's targets`,
		`routes[1].canary.percent: must be from 0 to 100`,
		`routes[2].use_case: "fun" is not known`,
		`routes[2].score.cost: must be from 0`,
		`routes[2].targets[0].quality: must be above 0`,
		`routes[3].tasks: is required`,
		`routes[4].tasks.coding.targets[0].name: "b" is not one of the route's targets`,
		`routes[4].tasks.simple.targets: is required`,
		`routes[5].targets: all weights are 0`,
		`routes[6].targets: all weights are 0`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestVersionsCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"claude-sonnet-4-5", "claude-3-7-sonnet", 1},
		{"claude-sonnet-4", "claude-sonnet-4-5", -1},
		{"llama-3.1-70b", "llama-3.1-8b", 0},
		{"llama-3.3-8b", "llama-3.1-70b", 1},
		{"gpt-4.1", "gpt-4.1-mini", 0},
		{"gpt-4-0613", "gpt-4", 0},
		{"o3", "o1", 1},
		{"", "x", 0},
	} {
		if got := laterVersion(c.a, c.b); got != c.want {
			t.Errorf("%s against %s: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := laterVersion(c.b, c.a); got != -c.want {
			t.Errorf("%s against %s: %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}
