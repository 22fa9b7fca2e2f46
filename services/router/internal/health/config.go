package health

import (
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Config says how the models of a target are judged. Whatever is zero takes its
// default.
type Config struct {
	// Breaker takes a model that fails or has become slow out of use.
	Breaker Breaker `yaml:"breaker"`
	// Outlier takes out one that does worse than the others of a route.
	Outlier Outlier `yaml:"outlier"`
	// SlowStart is how long one that comes back takes to get its full share; 30s.
	SlowStart config.Duration `yaml:"slow_start"`
	// RetryBudget bounds the retries of the target.
	RetryBudget RetryBudget `yaml:"retry_budget"`
	// Check asks the target regularly whether it works; not done by default.
	Check Check `yaml:"health_check"`
}

// Breaker is a circuit breaker for each model of a target. Rates are percent of
// the calls within the window.
type Breaker struct {
	// Disabled lets everything through, whatever fails.
	Disabled bool `yaml:"disabled"`
	// Window is the time that is looked back on; 30s.
	Window config.Duration `yaml:"window"`
	// MinCalls is how many calls it must hold before it says anything; 10.
	MinCalls int `yaml:"min_calls"`
	// FailureRate is the share of failures that opens the circuit; 50.
	FailureRate int `yaml:"failure_rate"`
	// SlowRate is the share of slow calls that does; 80.
	SlowRate int `yaml:"slow_rate"`
	// SlowAfter is what makes a call slow: the time until the first content of a
	// stream, or the whole answer. 0 means that none is.
	SlowAfter config.Duration `yaml:"slow_after"`
	// SlowAnswerAfter is the same for whole answers, which take longer; 0 means SlowAfter.
	SlowAnswerAfter config.Duration `yaml:"slow_answer_after"`
	// OpenFor is how long the circuit stays open at first; 5s. It doubles with
	// each probe that fails, up to MaxOpen, 2m.
	OpenFor config.Duration `yaml:"open_for"`
	MaxOpen config.Duration `yaml:"max_open"`
	// Probes is how many attempts at once try a half-open circuit, and how many
	// must succeed to close it; 3.
	Probes int `yaml:"probes"`
	// MaxCooling is the longest that a target which limits us is left alone,
	// whatever it asks for; 5m.
	MaxCooling config.Duration `yaml:"max_cooling"`
	// DegradedPerSecond is how many attempts in a second go to a target whose
	// circuits are open, if no other is left and the route wants it; 2.
	DegradedPerSecond int `yaml:"degraded_per_second"`
}

// Outlier compares the models of a route with each other.
type Outlier struct {
	// Disabled ejects none.
	Disabled bool `yaml:"disabled"`
	// ConsecutiveFailures ejects a model that fails so often in a row; 5.
	ConsecutiveFailures int `yaml:"consecutive_failures"`
	// Margin ejects one whose rate of success is so many percentage points below
	// the mean of its peers'; 25.
	Margin int `yaml:"margin"`
	// MinHosts is how many models must have been asked MinRequests times within
	// the breaker's window for that; 3 and 20.
	MinHosts    int `yaml:"min_hosts"`
	MinRequests int `yaml:"min_requests"`
	// EjectionTime is how long the first ejection lasts, 30s; the n-th lasts n
	// times that, up to MaxEjectionTime, 5m.
	EjectionTime    config.Duration `yaml:"ejection_time"`
	MaxEjectionTime config.Duration `yaml:"max_ejection_time"`
	// MaxEjectedPercent is how many of a route's models may be out at once; 50.
	MaxEjectedPercent int `yaml:"max_ejected_percent"`
}

// RetryBudget bounds retries over the last ten seconds, so that they do not
// multiply an outage.
type RetryBudget struct {
	// Disabled lets every retry pass.
	Disabled bool `yaml:"disabled"`
	// Percent of the calls may be retries; 20.
	Percent int `yaml:"percent"`
	// MinPerSecond may be made besides, however few calls there are; 3.
	MinPerSecond int `yaml:"min_per_second"`
}

// Check is an active health check.
type Check struct {
	// Interval is the time between two checks; 0 makes none.
	Interval config.Duration `yaml:"interval"`
	// Timeout bounds one; 0 means 5s.
	Timeout config.Duration `yaml:"timeout"`
	// Failures is how many in a row open the circuits; 0 means 2.
	Failures int `yaml:"failures"`
	// Model is looked at alone, by the target's own name of it; empty means that
	// the check speaks for all models of the target.
	Model string `yaml:"model"`
}

// WithDefaults fills in what is zero.
func (c Config) WithDefaults() Config {
	b, o := &c.Breaker, &c.Outlier
	fill(&b.Window, config.Duration(30*time.Second))
	fill(&b.MinCalls, 10)
	fill(&b.FailureRate, 50)
	fill(&b.SlowRate, 80)
	fill(&b.SlowAnswerAfter, b.SlowAfter)
	fill(&b.OpenFor, config.Duration(5*time.Second))
	fill(&b.MaxOpen, max(b.OpenFor, config.Duration(2*time.Minute)))
	fill(&b.Probes, 3)
	fill(&b.MaxCooling, config.Duration(5*time.Minute))
	fill(&b.DegradedPerSecond, 2)
	fill(&o.ConsecutiveFailures, 5)
	fill(&o.Margin, 25)
	fill(&o.MinHosts, 3)
	fill(&o.MinRequests, 20)
	fill(&o.EjectionTime, config.Duration(30*time.Second))
	fill(&o.MaxEjectionTime, max(o.EjectionTime, config.Duration(5*time.Minute)))
	fill(&o.MaxEjectedPercent, 50)
	fill(&c.SlowStart, config.Duration(30*time.Second))
	fill(&c.RetryBudget.Percent, 20)
	fill(&c.RetryBudget.MinPerSecond, 3)
	fill(&c.Check.Timeout, config.Duration(5*time.Second))
	fill(&c.Check.Failures, 2)
	return c
}

func fill[T comparable](have *T, value T) {
	var zero T
	if *have == zero {
		*have = value
	}
}

// Validate reports every fault; v stands at the target.
func (c Config) Validate(v *config.Validator) {
	c.Breaker.validate(v.At("breaker"))
	c.Outlier.validate(v.At("outlier"))
	duration(v, "slow_start", c.SlowStart, time.Hour)
	between(v, "retry_budget.percent", c.RetryBudget.Percent, 100)
	between(v, "retry_budget.min_per_second", c.RetryBudget.MinPerSecond, 1000)
	duration(v, "health_check.interval", c.Check.Interval, 24*time.Hour)
	duration(v, "health_check.timeout", c.Check.Timeout, time.Minute)
	between(v, "health_check.failures", c.Check.Failures, 100)
	if i := c.Check.Interval; i > 0 && i < config.Duration(100*time.Millisecond) {
		v.Fail("health_check.interval", "must be at least 100ms").WithHelp("providers count checks as requests: 10s is usual")
	}
	if c.Check.Interval == 0 && c.Check.Model != "" {
		v.Fail("health_check.interval", "is required with model: how often to check, for example 10s")
	}
}

func (b Breaker) validate(v *config.Validator) {
	duration(v, "window", b.Window, time.Hour)
	between(v, "min_calls", b.MinCalls, 100_000)
	between(v, "failure_rate", b.FailureRate, 100)
	between(v, "slow_rate", b.SlowRate, 100)
	duration(v, "slow_after", b.SlowAfter, time.Hour)
	duration(v, "slow_answer_after", b.SlowAnswerAfter, time.Hour)
	duration(v, "open_for", b.OpenFor, time.Hour)
	duration(v, "max_open", b.MaxOpen, 24*time.Hour)
	between(v, "probes", b.Probes, 1000)
	duration(v, "max_cooling", b.MaxCooling, 24*time.Hour)
	between(v, "degraded_per_second", b.DegradedPerSecond, 10_000)
	if b.Window > 0 && b.Window < config.Duration(time.Second) {
		v.Fail("window", "must be at least 1s")
	}
	if d := (Config{Breaker: b}).WithDefaults().Breaker; d.MaxOpen < d.OpenFor {
		v.Fail("max_open", "must not be less than open_for, which is %s", d.OpenFor)
	}
}

func (o Outlier) validate(v *config.Validator) {
	between(v, "consecutive_failures", o.ConsecutiveFailures, 100_000)
	between(v, "margin", o.Margin, 100)
	between(v, "min_hosts", o.MinHosts, 1000)
	between(v, "min_requests", o.MinRequests, 100_000)
	duration(v, "ejection_time", o.EjectionTime, 24*time.Hour)
	duration(v, "max_ejection_time", o.MaxEjectionTime, 24*time.Hour)
	between(v, "max_ejected_percent", o.MaxEjectedPercent, 100)
	if o.MinHosts == 1 {
		v.Fail("min_hosts", "must be at least 2: a model is compared with others")
	}
	if d := (Config{Outlier: o}).WithDefaults().Outlier; d.MaxEjectionTime < d.EjectionTime {
		v.Fail("max_ejection_time", "must not be less than ejection_time, which is %s", d.EjectionTime)
	}
}

func duration(v *config.Validator, path string, d config.Duration, most time.Duration) {
	if d < 0 || d.Std() > most {
		v.Fail(path, "must be from 0s to %s", most)
	}
}

func between(v *config.Validator, path string, n, most int) {
	if n < 0 || n > most {
		v.Fail(path, "must be from 0 to %d; 0 means the default", most)
	}
}
