package fault

import (
	"context"
	"sync/atomic"
	"time"
)

type contextKey struct{}

// NewContext gives the exchanges that are made with ctx a plan.
func NewContext(ctx context.Context, p *Plan) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the plan of an exchange; nil for none.
func FromContext(ctx context.Context) *Plan {
	p, _ := ctx.Value(contextKey{}).(*Plan)
	return p
}

// Switch holds the plan of a target while a drill runs. It outlives the
// target's configuration, so that a reload neither ends a drill nor keeps one
// alive. A nil switch is off for ever.
type Switch struct{ plan atomic.Pointer[Plan] }

// Set turns a plan on; nil turns it off.
func (s *Switch) Set(p *Plan) { s.plan.Store(p) }

// Clear turns a plan off, if it is the one that is on.
func (s *Switch) Clear(p *Plan) { s.plan.CompareAndSwap(p, nil) }

// Plan is what is on; nil for nothing.
func (s *Switch) Plan() *Plan {
	if s == nil {
		return nil
	}
	return s.plan.Load()
}

// Context gives ctx the plan that is on. Without one it stays as it is.
func (s *Switch) Context(ctx context.Context) context.Context {
	if p := s.Plan(); p != nil {
		return NewContext(ctx, p)
	}
	return ctx
}

// Sleep waits for d, or less if the faults end before; only ctx makes it fail.
func (p *Plan) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(0, min(d, time.Until(p.until))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Injectable is an adapter whose exchanges faults can be injected into: one
// that asks its provider over a network.
type Injectable interface{ InjectsFaults() }
