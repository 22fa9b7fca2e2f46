package drill

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/types/known/durationpb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/fault"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// run is a drill under way. Its faults are ended by whatever comes first, from
// whichever goroutine; all else belongs to the one that runs it.
type run struct {
	name, by string
	request  *routerv1.RunDrillRequest
	faults   fault.Faults
	times    schedule
	world    World
	targets  []*target.Target
	deps     Dependencies
	metrics  *metrics
	recorder *Recorder
	send     func(*routerv1.RunDrillResponse) error

	began, faulty time.Time // when the drill began, and its faults
	circuits      *circuits
	diary         diary
	detected      time.Time // when the first circuit of a target opened
	counted       int64     // exchanges that the metric has been told of

	stopped chan struct{}

	mu    sync.Mutex
	plan  *fault.Plan // nil before the faults
	over  time.Time   // when the faults ended
	why   string      // why they ended early
	done  bool
	pulse *time.Timer // goes off if nobody watches
}

// run goes through the phases. An error means that nobody is there to be told.
func (r *run) run(ctx context.Context) (err error) {
	ctx, span := telemetry.Start(ctx, "router.drill", attribute.String("tollgate.drill", r.name),
		attribute.StringSlice("tollgate.drill.targets", names(r.targets)), attribute.String("tollgate.fault", r.faults.Name()))
	defer func() { telemetry.End(span, err) }()
	defer r.guard(ctx)()
	r.deps.Watch(r.recorder)
	defer r.deps.Watch(nil)
	r.began = time.Now()
	r.circuits = newCircuits(r.world.Targets, r.began)
	if err := r.tell(&routerv1.RunDrillResponse{}); err != nil {
		return err
	}
	if err := r.phase(ctx, before, r.times.before); err != nil {
		return err
	}
	if err := r.strike(ctx); err != nil {
		return err
	}
	if err := r.phase(ctx, after, r.times.after); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errs.From(context.Cause(ctx))
	}
	return r.tell(&routerv1.RunDrillResponse{Report: r.report(time.Now())})
}

// guard sees to it that the faults end: with the caller, without heartbeats, and
// with the function that it returns, which also follows a panic. The plan's own
// time holds besides.
func (r *run) guard(ctx context.Context) (leave func()) {
	unwatch := context.AfterFunc(ctx, func() { r.stop("whoever ran the drill has gone") })
	r.mu.Lock()
	r.pulse = time.AfterFunc(r.times.heartbeat, func() { r.stop("no heartbeat came") })
	r.mu.Unlock()
	return func() {
		unwatch()
		r.pulse.Stop()
		r.stop("the drill was broken off")
		r.meter(context.WithoutCancel(ctx))
	}
}

// keepAlive sets the dead man's timer anew.
func (r *run) keepAlive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pulse != nil && !r.done {
		r.pulse.Reset(r.times.heartbeat)
	}
}

// stop ends the faults and the drill. Only the first reason counts, and none
// does if the faults are over.
func (r *run) stop(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	r.done = true
	if r.over.IsZero() {
		r.why = why
	}
	r.lift()
	close(r.stopped)
}

// lift takes the faults off the targets. The lock is held.
func (r *run) lift() {
	if r.plan == nil || !r.over.IsZero() {
		return
	}
	r.plan.Stop()
	for _, t := range r.targets {
		t.Faults.Clear(r.plan)
	}
	r.over = time.Now()
	if until := r.plan.Until(); until.Before(r.over) {
		r.over = until
	}
}

// strike is the phase with the faults.
func (r *run) strike(ctx context.Context) error {
	if !r.begin(ctx) {
		return nil
	}
	defer r.end(ctx)
	return r.phase(ctx, during, r.times.during)
}

// begin puts the faults on the targets, unless the drill was stopped.
func (r *run) begin(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return false
	}
	r.faulty = time.Now()
	r.plan = fault.NewPlan(r.faults, r.faulty.Add(r.times.during))
	for _, t := range r.targets {
		t.Faults.Set(r.plan)
	}
	r.metrics.active.Add(ctx, 1)
	r.deps.Log.WarnContext(ctx, "drill: faults begin", slog.String("drill", r.name), slog.String("by", r.by),
		slog.String("targets", strings.Join(names(r.targets), " ")), slog.String("faults", describe(r.request.GetFaults())),
		slog.Duration("for", r.times.during))
	return true
}

// end takes the faults off the targets, if that has not been done already.
func (r *run) end(ctx context.Context) {
	r.mu.Lock()
	r.lift()
	why := r.why
	r.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	r.metrics.active.Add(ctx, -1)
	r.meter(ctx)
	r.deps.Log.WarnContext(ctx, "drill: faults end", slog.String("drill", r.name), slog.Int64("hit", r.plan.Struck()),
		slog.String("early", why))
}

// meter tells the metric of what was hit since the last time.
func (r *run) meter(ctx context.Context) {
	if r.plan == nil {
		return
	}
	struck := r.plan.Struck()
	r.metrics.hit(ctx, struck-r.counted, r.faults)
	r.counted = struck
}

// tellEvery is how often the caller is told where the drill stands.
const tellEvery = time.Second

// phase measures for so long, or until the drill is stopped.
func (r *run) phase(ctx context.Context, phase routerv1.DrillPhase, length time.Duration) error {
	if length <= 0 || r.isStopped() {
		return nil
	}
	start := time.Now()
	r.recorder.enter(phase, start)
	end := time.NewTimer(length)
	defer end.Stop()
	look, tell := time.NewTicker(lookEvery), time.NewTicker(tellEvery)
	defer look.Stop()
	defer tell.Stop()
	for {
		select {
		case <-r.stopped:
			return nil
		case <-end.C:
			return r.look(ctx, time.Now())
		case now := <-look.C:
			if err := r.look(ctx, now); err != nil {
				return err
			}
		case now := <-tell.C:
			r.meter(ctx)
			if err := r.tell(&routerv1.RunDrillResponse{Progress: r.progress(phase, start.Add(length), now)}); err != nil {
				return err
			}
		}
	}
}

func (r *run) isStopped() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

func (r *run) progress(phase routerv1.DrillPhase, end, now time.Time) *routerv1.DrillProgress {
	out := &routerv1.DrillProgress{
		Phase: phase, Left: durationpb.New(max(0, end.Sub(now))), Figures: r.recorder.figures(phase, now),
	}
	if r.plan != nil {
		out.Faults = r.plan.Struck()
	}
	return out
}

func (r *run) tell(m *routerv1.RunDrillResponse) error {
	m.Name = r.name
	return r.send(m)
}
