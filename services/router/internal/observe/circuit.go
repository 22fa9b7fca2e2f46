package observe

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

// Circuits shows changes of the state of models in the log and as metrics.
type Circuits struct {
	log         *slog.Logger
	transitions metric.Int64Counter
	watched     atomic.Pointer[func() iter.Seq[Watched]]
}

// Watched is a model on a target.
type Watched struct {
	Target, Model string
	Monitor       *health.Monitor
}

// NewCircuits makes the instruments.
func NewCircuits(m metric.Meter, log *slog.Logger) (*Circuits, error) {
	c := &Circuits{log: log}
	var errCounter, errGauge error
	c.transitions, errCounter = m.Int64Counter("tollgate.router.circuit.transitions", metric.WithUnit("{transition}"),
		metric.WithDescription("Changes of the state of a model on a target."))
	_, errGauge = m.Int64ObservableGauge("tollgate.router.circuit.state", metric.WithInt64Callback(c.observe),
		metric.WithDescription("State of a model on a target: 1 closed, 2 open, 3 half-open, 4 ejected, 5 cooling."))
	return c, errors.Join(errCounter, errGauge)
}

// Watch tells which models the gauge of states shows.
func (c *Circuits) Watch(models func() iter.Seq[Watched]) { c.watched.Store(&models) }

func (c *Circuits) observe(_ context.Context, o metric.Int64Observer) error {
	models := c.watched.Load()
	if models == nil {
		return nil
	}
	now := time.Now()
	for w := range (*models)() {
		o.Observe(int64(w.Monitor.State(now)), metric.WithAttributes(
			attribute.String("tollgate.target", w.Target), attribute.String("gen_ai.request.model", w.Model)))
	}
	return nil
}

// Record takes an event.
func (c *Circuits) Record(e health.Event) {
	ctx := context.Background()
	c.transitions.Add(ctx, 1, metric.WithAttributes(
		attribute.String("tollgate.target", e.Target), attribute.String("gen_ai.request.model", e.Model),
		attribute.String("tollgate.circuit.to", e.To.String())))
	level := slog.LevelWarn
	if e.To == health.Closed || e.To == health.HalfOpen {
		level = slog.LevelInfo
	}
	attributes := []slog.Attr{
		slog.String("target", e.Target), slog.String("model", e.Model),
		slog.String("from", e.From.String()), slog.String("to", e.To.String()), slog.String("reason", e.Reason),
	}
	if !e.Until.IsZero() {
		attributes = append(attributes, slog.Time("until", e.Until))
	}
	c.log.LogAttrs(ctx, level, "circuit changed", attributes...)
}

// MarkProbe notes on an attempt's span that it tries a half-open circuit.
func MarkProbe(span trace.Span) { span.AddEvent("tollgate.circuit.probe") }

// MarkCircuit notes on an attempt's span which change it caused.
func MarkCircuit(span trace.Span, e health.Event) {
	if !span.IsRecording() {
		return
	}
	span.AddEvent("tollgate.circuit.change", trace.WithAttributes(
		attribute.String("tollgate.circuit.from", e.From.String()), attribute.String("tollgate.circuit.to", e.To.String()),
		attribute.String("tollgate.circuit.reason", e.Reason)))
}
