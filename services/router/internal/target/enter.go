package target

import (
	"context"
	"math/rand/v2"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// leastWait is what callers are told to wait at least.
const leastWait = time.Second

// enter asks the circuit breaker of a model.
func (t *Target) enter(ctx context.Context, m *health.Monitor, v Visit) (health.Ticket, error) {
	now := time.Now()
	ticket, ok := m.Admit(now)
	if ok {
		return ticket, nil
	}
	wait := m.RetryTime(now).Sub(now)
	if m.State(now) == health.Cooling && wait <= v.Patience {
		if err := rest(ctx, wait); err != nil {
			return 0, err
		}
		if ticket, ok = m.Admit(time.Now()); ok {
			return ticket, nil
		}
	}
	if now = time.Now(); v.Degraded && m.State(now) == health.Open && t.Monitors.Spare(now) {
		return m.Insist(), nil
	}
	return 0, shut(m)
}

// shut says why a model lets nobody in.
func shut(m *health.Monitor) error {
	now := time.Now()
	wait := max(m.RetryTime(now).Sub(now), leastWait)
	if m.State(now) == health.Cooling {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, "the target limits the rate").WithRetryAfter(wait)
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the circuit of the target is open").WithRetryAfter(wait)
}

// rest waits, and a little longer, so that not all who wait go on at once.
func rest(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait + rand.N(wait/4+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errs.From(ctx.Err())
	}
}
