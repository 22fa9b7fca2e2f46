package attempt

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// counted is what the counter of refusals by a target's own limits shows.
func counted(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "tollgate.router.limited" {
				continue
			}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				name := func(key attribute.Key) string { v, _ := p.Attributes.Value(key); return v.AsString() }
				seen[name("tollgate.target")+" "+name("tollgate.reason")] = p.Value
			}
		}
	}
	return seen
}

// Each time that a target's own limits pass a request by is counted, and
// nothing else is.
func TestRefusalsByLimitsAreCounted(t *testing.T) {
	places := func(c concurrency.Config) func(*target.Target) {
		return func(tg *target.Target) { tg.Places = concurrency.New(c) }
	}
	granted := func(r provider.Rates) func(*target.Target) {
		return func(tg *target.Target) { tg.Quota = quota.New(time.Now).Gate(tg.Name, provider.Limits{Rates: r}) }
	}
	for name, c := range map[string]struct {
		limit  func(*target.Target)
		inside int // attempts under way when others come
		reason string
	}{
		"requests":              {granted(provider.Rates{RequestsPerMinute: 1}), 1, "requests_per_minute"},
		"tokens":                {granted(provider.Rates{TokensPerMinute: 10}), 1, "tokens_per_minute"},
		"no place":              {places(concurrency.Config{Max: 1}), 1, "concurrency"},
		"no place in the queue": {places(concurrency.Config{Max: 1, Queue: 1, Wait: config.Duration(time.Hour)}), 2, "queue_full"},
		"waited in vain":        {places(concurrency.Config{Max: 1, Queue: 1}), 1, "queue_wait"},
		"an open circuit": {func(tg *target.Target) {
			tg.Monitors.Of("upstream-a").Follow(health.Open, time.Now().Add(time.Hour))
		}, 0, ""},
		"cooling": {func(tg *target.Target) {
			tg.Monitors.Of("upstream-a").Follow(health.Cooling, time.Now().Add(time.Hour))
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { refusals(t, c.limit, c.inside, c.reason) })
		})
	}
}

func refusals(t *testing.T, limit func(*target.Target), inside int, reason string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reader := sdkmetric.NewManualReader()
	metrics, err := observe.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	runner := NewRunner(policy, slog.New(slog.DiscardHandler), metrics)
	a := newTarget("a", &adapter{plays: []play{hangs}})
	b := newTarget("b", &adapter{plays: []play{answers(text("hello"), finish())}})
	limit(a)
	for range inside { // one runs, another may wait
		go func() { _, _ = a.Admit(ctx, target.Visit{Model: "upstream-a", Tokens: 10}) }()
		synctest.Wait()
	}
	for range 2 {
		j := job(&books{t: t}, a, b)
		j.Tokens = 10
		got, err := runner.Generate(ctx, j)
		if err != nil {
			t.Fatal(err)
		}
		if name := got.Candidate.Target.Name; name != "b" {
			t.Errorf("%s answers", name)
		}
		succeed(got)
	}
	seen := counted(t, reader)
	if reason == "" && len(seen) == 0 {
		return
	}
	if len(seen) != 1 || seen["a "+reason] != 2 {
		t.Errorf("counted %v, want twice %q", seen, reason)
	}
}
