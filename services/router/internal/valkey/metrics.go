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
	switches metric.Int64Counter
	watch    metric.Registration
}

func newMetrics(m metric.Meter, up func() bool) (*metrics, error) {
	var out metrics
	var errSwitches, errUp, errWatch error
	out.switches, errSwitches = m.Int64Counter("tollgate.router.valkey.switches", metric.WithUnit("{switch}"),
		metric.WithDescription("How often the router went on alone, or shared again."))
	gauge, errUp := m.Int64ObservableGauge("tollgate.router.valkey.up",
		metric.WithDescription("1 while routers share quotas and circuits, 0 while this one is alone."))
	out.watch, errWatch = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		value := int64(0)
		if up() {
			value = 1
		}
		o.ObserveInt64(gauge, value)
		return nil
	}, gauge)
	return &out, errors.Join(errSwitches, errUp, errWatch)
}

func (m *metrics) switched(to string) {
	m.switches.Add(context.Background(), 1, metric.WithAttributes(attribute.String("tollgate.to", to)))
}

func (m *metrics) close() { _ = m.watch.Unregister() } // what is gone is not shown

// plain writes a part of a key so that it holds neither separators nor braces.
func plain(part string) string { return url.QueryEscape(part) }
