package observe

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

func TestCircuitsAreShown(t *testing.T) {
	for state, end := range map[health.State]health.End{
		health.Open:    {Verdict: health.Denied, Time: time.Now()},
		health.Cooling: {Verdict: health.Throttled, Time: time.Now(), Until: time.Now().Add(time.Minute)},
	} {
		t.Run(state.String(), func(t *testing.T) { shown(t, state, end) })
	}
}

// shown ends an attempt so that the model's state changes, and looks where it shows.
func shown(t *testing.T, state health.State, end health.End) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("")
	var log bytes.Buffer
	c, err := NewCircuits(meter, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	group := health.NewGroup(health.For("east"))
	group.Observe(c.Record)
	m := group.Of("gpt-4o")
	c.Watch(func() iter.Seq[Watched] {
		return func(yield func(Watched) bool) { yield(Watched{Target: "east", Model: "gpt-4o", Monitor: m}) }
	})
	spans := tracetest.NewSpanRecorder()
	_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(context.Background(), "router.attempt")
	MarkProbe(span)
	event, changed := m.End(end)
	if !changed {
		t.Fatal("nothing changed")
	}
	MarkCircuit(span, event)
	span.End()

	seen := sums(t, reader)
	if seen["tollgate.router.circuit.transitions gpt-4o "+state.String()+" east"] != 1 || seen["tollgate.router.circuit.state gpt-4o east"] != int64(state) {
		t.Errorf("metrics %v", seen)
	}
	for _, want := range []string{"level=WARN", "target=east", "model=gpt-4o", "from=closed", "to=" + state.String(), event.Reason, "until="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	events := spans.Ended()[0].Events()
	if len(events) != 2 || events[0].Name != "tollgate.circuit.probe" || events[1].Name != "tollgate.circuit.change" ||
		!slices.Contains(events[1].Attributes, attribute.String("tollgate.circuit.to", state.String())) || len(events[1].Attributes) != 3 {
		t.Errorf("events %v", events)
	}
}

// sums are the values of counters and gauges, by name and labels.
func sums(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	add := func(name string, points []metricdata.DataPoint[int64]) {
		for _, p := range points {
			seen[strings.TrimSpace(name+" "+labels(p.Attributes))] = p.Value
		}
	}
	for _, metric := range got.ScopeMetrics[0].Metrics {
		switch data := metric.Data.(type) {
		case metricdata.Sum[int64]:
			add(metric.Name, data.DataPoints)
		case metricdata.Gauge[int64]:
			add(metric.Name, data.DataPoints)
		}
	}
	return seen
}

func labels(s attribute.Set) string {
	var values []string
	for _, kv := range s.ToSlice() {
		values = append(values, kv.Value.AsString())
	}
	return strings.Join(values, " ")
}
