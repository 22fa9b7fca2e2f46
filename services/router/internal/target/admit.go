package target

import (
	"context"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capacity"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// Visit is what an attempt says about itself before it is let in.
type Visit struct {
	// Model is the target's own name of the model.
	Model string
	// Tenant is the organisation that asks: places are shared fairly between them.
	Tenant string
	// Tokens is the most that it may use.
	Tokens int64
}

// Pass lets one attempt through to a target.
type Pass struct {
	monitor  *health.Monitor
	ticket   health.Ticket
	places   *concurrency.Limiter
	tenant   string
	capacity *capacity.Meter
}

// Admit lets an attempt in, which may have to wait for a place. An error means
// that it must not be made: the target is not at fault, and nothing was sent.
// Leave follows a success.
func (t *Target) Admit(ctx context.Context, v Visit) (Pass, error) {
	monitor, now := t.Monitors.Of(v.Model), time.Now()
	ticket, ok := monitor.Admit(now)
	if !ok {
		return Pass{}, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the circuit of the target is open").
			WithRetryAfter(monitor.RetryTime(now).Sub(now))
	}
	if t.Places != nil {
		if err := t.Places.Acquire(ctx, v.Tenant); err != nil {
			monitor.Forgo(ticket)
			return Pass{}, err
		}
	}
	monitor.Begin(now)
	t.Capacity.Enter()
	return Pass{monitor: monitor, ticket: ticket, places: t.Places, tenant: v.Tenant, capacity: t.Capacity}, nil
}

// Leave ends the attempt; used is how many tokens it used. It is called once.
func (p Pass) Leave(e health.End, used int64) {
	if p.monitor != nil {
		e.Ticket = p.ticket
		p.monitor.End(e)
	}
	p.capacity.Leave(e.Time, used)
	if p.places != nil {
		p.places.Release(p.tenant, concurrency.Sample{
			Time: e.Time, FirstContent: e.FirstContent, Duration: e.Duration, Overloaded: e.Verdict == health.Bad || e.Verdict == health.Throttled,
		})
	}
}
