package observe

import (
	"context"
	"errors"
	"log/slog"
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
}

// Watched is a model on a target.
type Watched struct {
	Target, Model string
	Monitor       *health.Monitor
}

// NewCircuits makes the instruments. The gauge looks at what all lists.
func NewCircuits(m metric.Meter, log *slog.Logger, all func(yield func(Watched))) (*Circuits, error) {
	transitions, errCounter := m.Int64Counter("tollgate.router.circuit.transitions", metric.WithUnit("{transition}"),
		metric.WithDescription("Changes of the state of a model on a target."))
	_, errGauge := m.Int64ObservableGauge("tollgate.router.circuit.state",
		metric.WithDescription("State of a model on a target: 1 closed, 2 open, 3 half-open, 4 ejected, 5 cooling."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			now := time.Now()
			all(func(w Watched) {
				o.Observe(int64(w.Monitor.State(now)), metric.WithAttributes(
					attribute.String("tollgate.target", w.Target), attribute.String("gen_ai.request.model", w.Model)))
			})
			return nil
		}))
	return &Circuits{log: log, transitions: transitions}, errors.Join(errCounter, errGauge)
}

// Record takes an event.
func (c *Circuits) Record(e health.Event) {
	c.transitions.Add(context.Background(), 1, metric.WithAttributes(
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
	c.log.LogAttrs(context.Background(), level, "circuit changed", attributes...)
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
