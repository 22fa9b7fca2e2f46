package health

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// section is where the configuration stands: inline in a target.
type section struct {
	Name   string `yaml:"name"`
	Health Config `yaml:",inline"`
}

func parse(t *testing.T, text string) (Config, error) {
	t.Helper()
	var s section
	if err := config.Parse([]byte(text), func(string) (string, bool) { return "", false }, &s); err != nil {
		t.Fatal(err)
	}
	v := config.NewValidator()
	s.Health.Validate(v.At("targets[0]"))
	return s.Health, v.Err()
}

func TestConfigIsRead(t *testing.T) {
	got, err := parse(t, `
name: east
breaker: {window: 1m, min_calls: 20, failure_rate: 40, slow_rate: 60, slow_after: 4s, slow_answer_after: 40s,
          open_for: 10s, max_open: 5m, probes: 2, max_cooling: 10m, degraded_per_second: 1}
outlier: {consecutive_failures: 8, margin: 30, min_hosts: 2, min_requests: 50, ejection_time: 1m, max_ejection_time: 10m, max_ejected_percent: 34}
slow_start: 2m
retry_budget: {percent: 10, min_per_second: 1}
health_check: {interval: 10s, timeout: 2s, failures: 3, model: gpt-4o}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Breaker: Breaker{
			Window: d(time.Minute), MinCalls: 20, FailureRate: 40, SlowRate: 60, SlowAfter: d(4 * time.Second), SlowAnswerAfter: d(40 * time.Second),
			OpenFor: d(10 * time.Second), MaxOpen: d(5 * time.Minute), Probes: 2, MaxCooling: d(10 * time.Minute), DegradedPerSecond: 1,
		},
		Outlier: Outlier{
			ConsecutiveFailures: 8, Margin: 30, MinHosts: 2, MinRequests: 50, EjectionTime: d(time.Minute), MaxEjectionTime: d(10 * time.Minute),
			MaxEjectedPercent: 34,
		},
		SlowStart: d(2 * time.Minute), RetryBudget: RetryBudget{Percent: 10, MinPerSecond: 1},
		Check: Check{Interval: d(10 * time.Second), Timeout: d(2 * time.Second), Failures: 3, Model: "gpt-4o"},
	}
	if got != want {
		t.Errorf("got %+v", got)
	}
	if got.WithDefaults() != want {
		t.Errorf("defaults change what is set: %+v", got.WithDefaults())
	}
}

// Nothing that is not said is 0 afterwards, but for what is off by default.
func TestDefaultsAreComplete(t *testing.T) {
	c := Config{}.WithDefaults()
	off := map[string]bool{"SlowAfter": true, "SlowAnswerAfter": true, "Disabled": true, "Interval": true, "Model": true}
	for _, part := range []any{c.Breaker, c.Outlier, c.RetryBudget, c.Check} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() != off[name] {
				t.Errorf("%T.%s is %v", part, name, v.Field(i))
			}
		}
	}
	v := config.NewValidator()
	c.Validate(v)
	Config{}.Validate(v)
	if err := v.Err(); err != nil || c.SlowStart == 0 {
		t.Errorf("%v, slow start %v", err, c.SlowStart)
	}
	long := Config{Breaker: Breaker{OpenFor: d(10 * time.Minute)}, Outlier: Outlier{EjectionTime: d(time.Hour)}}.WithDefaults()
	if long.Breaker.MaxOpen != long.Breaker.OpenFor || long.Outlier.MaxEjectionTime != long.Outlier.EjectionTime {
		t.Errorf("the most is less than the first: %+v", long)
	}
}

func TestFaultsOfTheConfig(t *testing.T) {
	_, err := parse(t, `
breaker: {window: 10ms, failure_rate: 101, probes: -1, open_for: 1m, max_open: 30s}
outlier: {min_hosts: 1, max_ejected_percent: 200, max_ejection_time: 10s}
slow_start: 2h
retry_budget: {percent: 120}
health_check: {timeout: 2m, model: x}
`)
	for _, want := range []string{
		"targets[0].breaker.window", "targets[0].breaker.failure_rate", "targets[0].breaker.probes", "targets[0].breaker.max_open",
		"targets[0].outlier.min_hosts", "targets[0].outlier.max_ejected_percent", "targets[0].outlier.max_ejection_time",
		"targets[0].slow_start", "targets[0].retry_budget.percent", "targets[0].health_check.timeout", "targets[0].health_check.interval",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not reported in %v", want, err)
		}
	}
}
