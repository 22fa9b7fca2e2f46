package drill

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Dependencies are what drills need.
type Dependencies struct {
	// World is what requests find now.
	World func() World
	// Watch makes requests that begin from now on tell a recorder how they end;
	// nil ends that.
	Watch func(*Recorder)
	// Log is required, and so is Meter.
	Log   *slog.Logger
	Meter metric.Meter
}

// Drills lets one drill run at a time. It is safe for concurrent use.
type Drills struct {
	deps    Dependencies
	metrics *metrics

	mu      sync.Mutex
	running *run
	closed  bool
}

// New makes the place where drills run.
func New(deps Dependencies) (*Drills, error) {
	m, err := newMetrics(deps.Meter)
	if err != nil {
		return nil, fmt.Errorf("make instruments of drills: %w", err)
	}
	return &Drills{deps: deps, metrics: m}, nil
}

// Run runs a drill to its end and tells send of it, always from one goroutine.
// by names who asked, for the log. The faults end with ctx at the latest. Its
// errors are *errs.Error.
func (d *Drills) Run(ctx context.Context, by string, request *routerv1.RunDrillRequest, send func(*routerv1.RunDrillResponse) error) error {
	plan, err := faults(request.GetFaults())
	if err != nil {
		return err
	}
	times, err := scheduled(request)
	if err != nil {
		return err
	}
	world := d.deps.World()
	targets, err := choose(request, world)
	if err != nil {
		return err
	}
	r := &run{
		name: "drills/" + strings.ToLower(rand.Text()[:12]), by: by, request: request, faults: plan, times: times,
		targets: targets, deps: d.deps, metrics: d.metrics, send: send,
		recorder: NewRecorder(names(targets)), stopped: make(chan struct{}), world: world,
	}
	if err := d.enter(r); err != nil {
		return err
	}
	defer d.leave()
	return r.run(ctx)
}

func (d *Drills) enter(r *run) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the gateway is shutting down")
	case d.running != nil:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT, "another drill is running: %s", d.running.name)
	}
	d.running = r
	return nil
}

func (d *Drills) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = nil
}

// KeepAlive says that whoever runs a drill still watches it.
func (d *Drills) KeepAlive(name string) error {
	if r := d.current(); r != nil && r.name == name {
		r.keepAlive()
		return nil
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "this drill is not running here")
}

func (d *Drills) current() *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running
}

// Reloaded looks again whether the drill under way may run, now that targets
// and routes are others. If not, its faults end.
func (d *Drills) Reloaded() {
	r := d.current()
	if r == nil {
		return
	}
	world := d.deps.World()
	request := &routerv1.RunDrillRequest{Targets: names(r.targets), AllowOutage: r.request.GetAllowOutage()}
	if _, err := choose(request, world); err != nil {
		r.stop("the configuration has changed: " + err.Error())
	}
}

// Close ends the faults of the drill under way, and lets none begin.
func (d *Drills) Close() {
	d.mu.Lock()
	d.closed = true
	r := d.running
	d.mu.Unlock()
	if r != nil {
		r.stop("the gateway shuts down")
	}
}
