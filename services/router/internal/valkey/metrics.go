package valkey

import (
	"context"
	"errors"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics show whether replicas share.
type metrics struct {
	meter    metric.Meter
	switches metric.Int64Counter
	up       metric.Int64ObservableGauge
	watch    metric.Registration
}

func newMetrics(m metric.Meter) (*metrics, error) {
	out := metrics{meter: m}
	var errSwitches, errUp error
	out.switches, errSwitches = m.Int64Counter("tollgate.router.valkey.switches", metric.WithUnit("{switch}"),
		metric.WithDescription("How often the router went on alone, or shared again."))
	out.up, errUp = m.Int64ObservableGauge("tollgate.router.valkey.up",
		metric.WithDescription("1 while routers share quotas and circuits, 0 while this one is alone."))
	return &out, errors.Join(errSwitches, errUp)
}

// show shows whether this router shares.
func (m *metrics) show(up func() bool) {
	// It fails only for instruments of another meter.
	m.watch, _ = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		value := int64(0)
		if up() {
			value = 1
		}
		o.ObserveInt64(m.up, value)
		return nil
	}, m.up)
}

func (m *metrics) switched(to string) {
	m.switches.Add(context.Background(), 1, metric.WithAttributes(attribute.String("tollgate.to", to)))
}

// hide ends show.
func (m *metrics) hide() {
	if m.watch != nil {
		_ = m.watch.Unregister() // it cannot fail for what is registered
	}
}

// plain writes a part of a key so that it holds neither separators nor braces.
func plain(part string) string { return url.QueryEscape(part) }
