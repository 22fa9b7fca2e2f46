package target

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// Report is the target's health as the API shows it.
func (t *Target) Report(now time.Time) *routerv1.TargetHealth {
	seen := t.Monitors.Seen()
	out := &routerv1.TargetHealth{
		Attempts: seen.Attempts, Failures: seen.Failures, InFlight: seen.InFlight,
		LastSuccessTime: timestamp(seen.LastSuccess), LastFailureTime: timestamp(seen.LastFailure),
	}
	switch {
	case seen.LastSuccess.IsZero() && seen.LastFailure.IsZero():
	case !seen.LastSuccess.Before(seen.LastFailure):
		out.State = routerv1.TargetHealth_STATE_HEALTHY
	default:
		out.State = routerv1.TargetHealth_STATE_FAILING
	}
	if seen.MeanFirstContent > 0 {
		out.MeanTimeToFirstToken = durationpb.New(seen.MeanFirstContent)
	}
	if t.Places != nil {
		out.ConcurrencyLimit, out.Queued = int64(t.Places.Bound()), int64(t.Places.Waiting())
	}
	if t.Capacity != nil {
		used := t.Capacity.Utilization(now)
		out.Utilization = &used
		if advice := t.Capacity.Advice(t.Name, now); advice != "" {
			out.Advice = []string{advice}
		}
	}
	for _, model := range t.Monitors.Models() {
		out.Models = append(out.Models, reportModel(model, t.Monitors.Of(model), now))
	}
	return out
}

var circuits = map[health.State]routerv1.ModelHealth_Circuit{
	health.Closed:   routerv1.ModelHealth_CIRCUIT_CLOSED,
	health.Open:     routerv1.ModelHealth_CIRCUIT_OPEN,
	health.HalfOpen: routerv1.ModelHealth_CIRCUIT_HALF_OPEN,
	health.Ejected:  routerv1.ModelHealth_CIRCUIT_EJECTED,
	health.Cooling:  routerv1.ModelHealth_CIRCUIT_COOLING,
}

func reportModel(name string, m *health.Monitor, now time.Time) *routerv1.ModelHealth {
	state := m.State(now)
	out := &routerv1.ModelHealth{
		Model: name, Circuit: circuits[state], RetryTime: timestamp(m.RetryTime(now)),
		Share: m.Share(now), InFlight: m.InFlight(),
	}
	switch {
	case state == health.Open, state == health.Ejected, state == health.Cooling:
		out.Share = 0
	case state == health.Closed && m.Seen().Attempts == 0:
		out.Circuit = routerv1.ModelHealth_CIRCUIT_UNSPECIFIED
	}
	out.FailureRate, out.SlowRate = m.Rates(now)
	if p95 := m.P95(true); p95 > 0 {
		out.P95TimeToFirstToken = durationpb.New(p95)
	}
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
