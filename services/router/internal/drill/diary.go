package drill

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// maxEvents bounds what is listed: a circuit that flaps must not fill the memory.
const maxEvents = 1000

// diary is what happened in a drill.
type diary struct {
	events  []*routerv1.DrillEvent
	leftOut bool
	first   bool // the first exchange that was hit is in it
}

// look takes note of what has happened since the last time.
func (r *run) look(ctx context.Context, now time.Time) error {
	if r.plan != nil && !r.diary.first {
		if first := r.plan.First(); !first.IsZero() {
			r.diary.first = true
			if err := r.note(ctx, first, &routerv1.DrillEvent{Text: "the first exchange was hit"}); err != nil {
				return err
			}
		}
	}
	for _, c := range r.circuits.look(now) {
		if r.detected.IsZero() && c.shut() && r.diary.first && slices.Contains(names(r.targets), c.target) {
			r.detected = now
		}
		state := c.state.String()
		if err := r.note(ctx, now, &routerv1.DrillEvent{
			Text:   fmt.Sprintf("the circuit of %s on %s: %s", c.model, c.target, state),
			Target: c.target, Model: c.model, Circuit: state,
		}); err != nil {
			return err
		}
	}
	return nil
}

// note writes an event down, for the caller, the trace and the log.
func (r *run) note(ctx context.Context, at time.Time, e *routerv1.DrillEvent) error {
	e.Time = timestamppb.New(at)
	e.Offset = durationpb.New(at.Sub(r.faultsBegin()))
	trace.SpanFromContext(ctx).AddEvent(e.GetText(), trace.WithTimestamp(at),
		trace.WithAttributes(attribute.String("tollgate.target", e.GetTarget())))
	r.deps.Log.InfoContext(ctx, "drill: "+e.GetText(), slog.String("drill", r.name))
	if len(r.diary.events) >= maxEvents {
		r.diary.leftOut = true
		return nil
	}
	r.diary.events = append(r.diary.events, e)
	return r.tell(&routerv1.RunDrillResponse{Event: e})
}

// faultsBegin is when the faults began, or, before, when they will.
func (r *run) faultsBegin() time.Time {
	if r.faulty.IsZero() {
		return r.began.Add(r.times.before)
	}
	return r.faulty
}
