package billing

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// meters count what the service does.
type meters struct {
	records metric.Int64Counter
	cost    metric.Int64Counter
	holds   metric.Int64Counter
}

func newMeters(t *telemetry.Telemetry) (*meters, error) {
	var meter metric.Meter = noop.Meter{}
	if t != nil {
		meter = t.Meter()
	}
	records, err := meter.Int64Counter("tollgate.billing.records", metric.WithDescription("Usage records by what became of them."))
	if err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	cost, err := meter.Int64Counter("tollgate.billing.cost", metric.WithUnit("nUSD"), metric.WithDescription("What committed records cost, nano-USD."))
	if err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	holds, err := meter.Int64Counter("tollgate.billing.holds", metric.WithDescription("Holds asked for, granted or refused."))
	if err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	return &meters{records, cost, holds}, nil
}

// Attribute sets are made once, not per record.
var (
	byStatus = map[ledger.Status]metric.MeasurementOption{
		ledger.Committed: statusAttribute("committed"), ledger.Duplicate: statusAttribute("duplicate"),
		ledger.Conflict: statusAttribute("conflict"), ledger.Invalid: statusAttribute("invalid"),
	}
	granted = metric.WithAttributeSet(attribute.NewSet(attribute.Bool("refused", false)))
	refused = metric.WithAttributeSet(attribute.NewSet(attribute.Bool("refused", true)))
)

func statusAttribute(status string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("status", status)))
}

// Settled counts a record.
func (m *meters) Settled(ctx context.Context, status ledger.Status, cost money.Amount) {
	m.records.Add(ctx, 1, byStatus[status])
	if status == ledger.Committed {
		m.cost.Add(ctx, int64(cost))
	}
}

// Held counts a hold that was asked for.
func (m *meters) Held(ctx context.Context, exceeded bool) {
	if exceeded {
		m.holds.Add(ctx, 1, refused)
		return
	}
	m.holds.Add(ctx, 1, granted)
}
