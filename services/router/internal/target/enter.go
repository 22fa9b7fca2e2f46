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
	return t.insist(m, v)
}

// insist is for a model that lets nobody in.
func (t *Target) insist(m *health.Monitor, v Visit) (health.Ticket, error) {
	now := time.Now()
	wait := max(m.RetryTime(now).Sub(now), leastWait)
	switch m.State(now) {
	case health.Cooling:
		return 0, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, "the target limits the rate").WithRetryAfter(wait)
	case health.Open:
		if v.Degraded && t.Monitors.Spare(now) {
			return m.Insist(), nil
		}
	}
	return 0, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the circuit of the target is open").WithRetryAfter(wait)
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
