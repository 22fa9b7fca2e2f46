package drill

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/tollgate/tollgate/services/router/internal/fault"
)

// metrics are the instruments of drills.
type metrics struct {
	active   metric.Int64UpDownCounter
	injected metric.Int64Counter
}

func newMetrics(m metric.Meter) (*metrics, error) {
	active, errActive := m.Int64UpDownCounter("tollgate.router.drill.active", metric.WithUnit("{drill}"),
		metric.WithDescription("Drills whose faults are on: 0 or 1."))
	injected, errInjected := m.Int64Counter("tollgate.router.drill.faults", metric.WithUnit("{fault}"),
		metric.WithDescription("Exchanges with targets that a drill has hit."))
	return &metrics{active, injected}, errors.Join(errActive, errInjected)
}

// hit counts the exchanges that were hit since the last time.
func (m *metrics) hit(ctx context.Context, n int64, f fault.Faults) {
	if n > 0 {
		m.injected.Add(ctx, n, metric.WithAttributes(attribute.String("tollgate.fault", f.Name())))
	}
}
