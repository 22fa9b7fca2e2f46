package observe

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
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
	event, changed := m.End(health.End{Verdict: health.Denied, Time: time.Now()})
	if !changed {
		t.Fatal("nothing changed")
	}
	MarkCircuit(span, event)
	span.End()

	var got metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	for _, metric := range got.ScopeMetrics[0].Metrics {
		switch data := metric.Data.(type) {
		case metricdata.Sum[int64]:
			seen[metric.Name+" "+labels(data.DataPoints[0].Attributes)] = data.DataPoints[0].Value
		case metricdata.Gauge[int64]:
			seen[metric.Name+" "+labels(data.DataPoints[0].Attributes)] = data.DataPoints[0].Value
		}
	}
	if seen["tollgate.router.circuit.transitions gpt-4o open east"] != 1 || seen["tollgate.router.circuit.state gpt-4o east"] != int64(health.Open) {
		t.Errorf("metrics %v", seen)
	}
	for _, want := range []string{"level=WARN", "target=east", "model=gpt-4o", "from=closed", "to=open", "credential", "until="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	events := spans.Ended()[0].Events()
	if len(events) != 2 || events[0].Name != "tollgate.circuit.probe" || events[1].Name != "tollgate.circuit.change" || len(events[1].Attributes) != 3 {
		t.Errorf("events %v", events)
	}
}

func labels(s attribute.Set) string {
	var values []string
	for _, kv := range s.ToSlice() {
		values = append(values, kv.Value.AsString())
	}
	return strings.Join(values, " ")
}
