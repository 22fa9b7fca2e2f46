package target

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/capacity"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// Visit is what an attempt says about itself before it is let in.
type Visit struct {
	// Model is the target's own name of the model.
	Model string
	// Tenant is the organisation that asks: places are shared fairly between them.
	Tenant string
	// Tokens is the most that it may use.
	Tokens int64
	// Degraded says that no other target is left for the request, so that this
	// one is asked although its circuit is open, now and then.
	Degraded bool
	// Patience is how long it may wait for a target that wants to be left alone.
	Patience time.Duration
}

// Pass lets one attempt through to a target.
type Pass struct {
	monitor  *health.Monitor
	ticket   health.Ticket
	places   *concurrency.Limiter
	tenant   string
	capacity *capacity.Meter
	reserved quota.Reservation
	begun    bool
}

// Admit lets an attempt in, which may have to wait for a place. An error means
// that it must not be made: the target is not at fault, and nothing was sent.
// Leave follows a success.
func (t *Target) Admit(ctx context.Context, v Visit) (Pass, error) {
	monitor := t.Monitors.Of(v.Model)
	ticket, err := t.enter(ctx, monitor, v)
	if err != nil {
		return Pass{}, err
	}
	if t.Places != nil {
		if err := t.Places.Acquire(ctx, v.Tenant); err != nil {
			monitor.Forgo(ticket)
			return Pass{}, err
		}
		if !monitor.Still(ticket) { // it opened while this one waited
			t.Places.Release(v.Tenant, concurrency.Sample{Time: time.Now()})
			return Pass{}, shut(monitor)
		}
	}
	// Last, so that what was granted is sent at once: the provider counts then.
	reserved, err := t.Quota.Reserve(ctx, v.Model, v.Tokens)
	if err != nil {
		monitor.Forgo(ticket)
		if t.Places != nil {
			t.Places.Release(v.Tenant, concurrency.Sample{Time: time.Now()})
		}
		return Pass{}, err
	}
	monitor.Begin(time.Now())
	t.Capacity.Enter()
	return Pass{monitor: monitor, ticket: ticket, places: t.Places, tenant: v.Tenant, capacity: t.Capacity, reserved: reserved}, nil
}

// Probe says whether the attempt tries a half-open circuit.
func (p Pass) Probe() bool { return p.ticket.Probe() }

// Begun tells that the first content of a stream came after a time. If that
// changed the state of the model, the event is returned.
func (p *Pass) Begun(now time.Time, took time.Duration) (event health.Event, changed bool) {
	if p.monitor == nil {
		return event, false
	}
	p.begun = true
	return p.monitor.Begun(p.ticket, now, took)
}

// Leave ends the attempt; used is how many tokens it used. It is called once. If
// the end changed the state of the model, the event is returned.
func (p Pass) Leave(e health.End, used int64) (event health.Event, changed bool) {
	if p.monitor != nil {
		e.Ticket, e.Begun = p.ticket, p.begun
		event, changed = p.monitor.End(e)
	}
	p.reserved.Settle(used)
	p.capacity.Leave(e.Time, used)
	if p.places != nil {
		p.places.Release(p.tenant, concurrency.Sample{
			Time: e.Time, FirstContent: e.FirstContent, Duration: e.Duration, Overloaded: e.Verdict == health.Bad || e.Verdict == health.Throttled,
		})
	}
	return event, changed
}
