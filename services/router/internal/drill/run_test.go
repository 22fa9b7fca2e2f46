package drill

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type networked struct{ provider.Adapter }

func (networked) InjectsFaults() {}

type local struct{ provider.Adapter }

// world has three targets over a network, two of them in one region, and one without.
func world(t testing.TB, routes ...route.Route) World {
	t.Helper()
	kinds := map[string]target.Kind{
		"net":  {New: func(provider.Target) (provider.Adapter, error) { return networked{}, nil }},
		"here": {New: func(provider.Target) (provider.Adapter, error) { return local{}, nil }},
	}
	models := provider.NewModels("m")
	targets, err := target.Build([]provider.Target{
		{Name: "east", Provider: "net", Region: "us-east-1", Models: models},
		{Name: "west", Provider: "net", Region: "us-west-2", Models: models},
		{Name: "oregon", Provider: "net", Region: "us-west-2", Models: models},
		{Name: "builtin", Provider: "here", Models: models},
	}, kinds, nil)
	if err != nil {
		t.Fatal(err)
	}
	if routes == nil {
		routes = []route.Route{{Model: "m", Targets: []route.Ref{{Name: "east", Weight: 1}, {Name: "west", Weight: 1}, {Name: "oregon", Weight: 1}}}}
	}
	table, err := route.NewTable(routes, route.Surroundings{Targets: targets})
	if err != nil {
		t.Fatal(err)
	}
	return World{Targets: targets, Routes: table}
}

// place is where drills run, in a world that a test can change.
type place struct {
	*Drills
	world    World
	recorder atomic.Pointer[Recorder]
	log      strings.Builder
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{world: world(t)}
	d, err := New(Dependencies{
		World: func() World { return p.world }, Watch: p.recorder.Store,
		Log: slog.New(slog.NewTextHandler(&p.log, nil)), Meter: noop.Meter{},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Drills = d
	return p
}

// faulty says whether an exchange with the east would be hit now.
func (p *place) faulty() bool {
	plan := p.world.Targets[0].Faults.Plan()
	if plan == nil {
		return false
	}
	_, hit := plan.Strike(time.Now())
	return hit
}

func seconds(n int) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }

// plan is a drill on the east: a second before, ten during, five after.
func plan() *routerv1.RunDrillRequest {
	return &routerv1.RunDrillRequest{
		Targets: []string{"east"}, Before: seconds(1), During: seconds(10), After: seconds(5), Heartbeat: seconds(2),
		Faults: &routerv1.DrillFaults{Statuses: []*routerv1.DrillStatus{{Code: 503}}},
	}
}

// under is a drill that runs, in a bubble with its own clock.
type under struct {
	*place
	cancel context.CancelFunc
	ended  chan error
	report *routerv1.DrillReport
}

// begin runs a drill; send is asked first what it thinks of each message.
func (p *place) begin(send func(*routerv1.RunDrillResponse) error) *under {
	ctx, cancel := context.WithCancel(context.Background())
	u := &under{place: p, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		u.ended <- p.Run(ctx, "key", plan(), func(m *routerv1.RunDrillResponse) error {
			if m.GetReport() != nil {
				u.report = m.GetReport()
			}
			if send == nil {
				return nil
			}
			return send(m)
		})
	}()
	return u
}

// pass lets so much time go by, with a heartbeat each second.
func (u *under) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		time.Sleep(min(d, time.Second))
		if r := u.current(); r != nil {
			_ = u.KeepAlive(r.name)
		}
	}
	synctest.Wait()
}

func TestFaultsLastAsLongAsTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPlace(t).begin(nil)
		for _, step := range []struct {
			pass   time.Duration
			faulty bool
		}{
			{900 * time.Millisecond, false},
			{200 * time.Millisecond, true},
			{9800 * time.Millisecond, true},
			{200 * time.Millisecond, false},
			{4 * time.Second, false},
		} {
			u.pass(step.pass)
			if u.faulty() != step.faulty {
				t.Errorf("faults after another %s: %v", step.pass, !step.faulty)
			}
		}
		if u.recorder.Load() == nil {
			t.Error("nothing is recorded")
		}
		if err := <-u.ended; err != nil || u.report.GetStopped() != "" || u.report.GetInjected() != 2 || len(u.report.GetPhases()) != 3 {
			t.Errorf("%v, report %v", err, u.report)
		}
		lasted := u.report.GetFaultsEndTime().AsTime().Sub(u.report.GetFaultsStartTime().AsTime())
		if lasted != 10*time.Second || u.recorder.Load() != nil || u.current() != nil {
			t.Errorf("lasted %s; recorder %v, running %v", lasted, u.recorder.Load(), u.current())
		}
		if !strings.Contains(u.log.String(), "faults begin") || !strings.Contains(u.log.String(), "by=key") || !strings.Contains(u.log.String(), "faults end") {
			t.Errorf("log:\n%s", u.log.String())
		}
	})
}

// Whatever ends a drill, its faults end at that moment.
func TestDeadMan(t *testing.T) {
	for _, c := range []struct {
		name    string
		stop    func(*under)
		stopped string // in the report; none is sent if nobody is there
	}{
		{"the client goes", func(u *under) { u.cancel() }, ""},
		{"no heartbeats", func(*under) { time.Sleep(2 * time.Second) }, "no heartbeat"},
		{"a shutdown", func(u *under) { u.Close() }, "shuts down"},
		{"a reload without the others", func(u *under) {
			u.world.Routes = world(t, route.Route{Model: "m", Targets: []route.Ref{{Name: "east", Weight: 1}}}).Routes
			u.Reloaded()
		}, "allow_outage"},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := newPlace(t).begin(nil)
			u.pass(3 * time.Second)
			if !u.faulty() {
				t.Fatalf("%s: no faults", c.name)
			}
			c.stop(u)
			synctest.Wait()
			if u.faulty() || u.world.Targets[0].Faults.Plan() != nil {
				t.Errorf("%s: faults outlive it", c.name)
			}
			err := <-u.ended
			if gone := c.stopped == ""; gone != errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) || gone != (u.report == nil) {
				t.Errorf("%s: %v, report %v", c.name, err, u.report)
			}
			if !strings.Contains(u.report.GetStopped(), c.stopped) {
				t.Errorf("%s: stopped by %q", c.name, u.report.GetStopped())
			}
		})
	}
}

// A drill whose own goroutine hangs cannot hold its faults.
func TestStuckDrillEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		u := newPlace(t).begin(func(m *routerv1.RunDrillResponse) error {
			if m.GetProgress().GetPhase() == during {
				<-release
			}
			return nil
		})
		u.pass(4 * time.Second)
		if !u.faulty() {
			t.Fatal("no faults")
		}
		u.pass(8 * time.Second)
		if u.faulty() {
			t.Error("faults after their time")
		}
		close(release)
		u.pass(10 * time.Second)
		<-u.ended
	})
}

// A target that limits us is left alone like one that fails, and is called so.
func TestDrillSeesThatATargetCoolsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPlace(t).begin(nil)
		u.pass(3 * time.Second)
		if !u.faulty() {
			t.Fatal("no faults")
		}
		u.pass(time.Second)
		u.world.Targets[0].Monitors.Of("m").End(health.End{Verdict: health.Throttled, Time: time.Now(), Until: time.Now().Add(time.Minute)})
		u.pass(20 * time.Second)
		if err := <-u.ended; err != nil {
			t.Fatal(err)
		}
		events := u.report.GetEvents()
		last := events[len(events)-1]
		if last.GetCircuit() != "cooling" || last.GetText() != "the circuit of m on east: cooling" {
			t.Errorf("the last event: %v", last)
		}
		if took := u.report.GetTimeToDetect().AsDuration(); took < time.Second || took > time.Second+2*lookEvery {
			t.Errorf("noticed after %s", took)
		}
	})
}

func TestReloadLetsADrillGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPlace(t).begin(nil)
		u.pass(3 * time.Second)
		u.Reloaded()
		synctest.Wait()
		if !u.faulty() {
			t.Error("a reload that changes nothing ends the faults")
		}
		u.cancel()
		<-u.ended
	})
}

func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newPlace(t).begin(nil)
		u.pass(2 * time.Second)
		other := u.place.begin(nil)
		if err := <-other.ended; !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CONFLICT) {
			t.Errorf("a second drill: %v", err)
		}
		if err := u.KeepAlive("drills/another"); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND) {
			t.Errorf("a heartbeat of another: %v", err)
		}
		u.cancel()
		<-u.ended
		last := u.place.begin(func(*routerv1.RunDrillResponse) error { return errors.New("gone") })
		if err := <-last.ended; err == nil || u.faulty() {
			t.Errorf("a client that takes nothing: %v", err)
		}
		u.Close()
		if err := <-u.place.begin(nil).ended; !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) {
			t.Errorf("a drill at shutdown: %v", err)
		}
	})
}
