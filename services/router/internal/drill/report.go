package drill

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// report says what came of the drill.
func (r *run) report(now time.Time) *routerv1.DrillReport {
	r.mu.Lock()
	over, why := r.over, r.why
	r.mu.Unlock()
	out := &routerv1.DrillReport{
		Name: r.name, Targets: names(r.targets), Faults: proto.Clone(r.request.GetFaults()).(*routerv1.DrillFaults),
		StartTime: timestamppb.New(r.began), EndTime: timestamppb.New(now),
		FaultsStartTime: timestamp(r.faulty), FaultsEndTime: timestamp(over), Stopped: why,
		Events: r.diary.events, EventsLeftOut: r.diary.leftOut,
	}
	var first time.Time
	if r.plan != nil {
		first, out.Injected = r.plan.First(), r.plan.Struck()
	}
	out.FirstFaultTime = timestamp(first)
	turns := r.recorder.turns(first)
	out.UsualShare = turns.usual
	out.TimeToDetect = since(first, r.detected)
	out.TimeToFailOver = since(first, turns.failOver)
	out.FailbackTime = since(over, turns.failBack)
	out.Phases = r.recorder.all(over, now)
	slices.SortStableFunc(out.Events, func(a, b *routerv1.DrillEvent) int { return a.GetTime().AsTime().Compare(b.GetTime().AsTime()) })
	out.Text, out.Markdown = text(out), markdown(out)
	return out
}

// all are the figures of the phases that there were, each up to the next.
func (r *Recorder) all(over, now time.Time) []*routerv1.DrillFigures {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*routerv1.DrillFigures
	for phase := before; phase <= after; phase++ {
		if r.starts[phase].IsZero() {
			continue
		}
		end := now
		switch {
		case phase == before && !r.starts[during].IsZero():
			end = r.starts[during]
		case phase == during && !over.IsZero():
			end = over
		}
		out = append(out, r.figuresLocked(phase, end))
	}
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// since is how long after a moment another came; nil if either never did.
func since(from, to time.Time) *durationpb.Duration {
	if from.IsZero() || to.IsZero() {
		return nil
	}
	return durationpb.New(max(0, to.Sub(from)))
}
