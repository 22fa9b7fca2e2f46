package target

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// visit makes an attempt that ends as given; false if it was not let in.
func visit(tg *Target, v Visit, e health.End) bool {
	pass, err := tg.Admit(context.Background(), v)
	if err != nil {
		return false
	}
	e.Time = time.Now()
	pass.Leave(e, 0)
	return true
}

func open(tg *Target) {
	for range 10 {
		visit(tg, Visit{Model: "a"}, health.End{Verdict: health.Bad})
	}
}

func TestOpenTargetLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &Target{Monitors: health.NewGroup(health.WithRandom(func() float64 { return 0 }))}
		open(tg)
		_, err := tg.Admit(context.Background(), Visit{Model: "a"})
		if !errs.Is(err, down) || errs.From(err).RetryAfter != 5*time.Second {
			t.Errorf("%v, %v", err, errs.From(err).RetryAfter)
		}
		if !visit(tg, Visit{Model: "b"}, health.End{Verdict: health.Good}) {
			t.Error("another model is not let in")
		}
	})
}

// If nobody else is left, a few a second are let in, and the others told to wait.
func TestDegradedVisitsTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &Target{Monitors: health.NewGroup(health.WithConfig(health.Config{Breaker: health.Breaker{OpenFor: hour}}))}
		open(tg)
		let := 0
		for range 1000 { // in ten seconds
			if visit(tg, Visit{Model: "a", Degraded: true}, health.End{Verdict: health.Bad}) {
				let++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if let < 20 || let > 22 {
			t.Errorf("%d of 1000 were let in", let)
		}
		time.Sleep(time.Second)
		visit(tg, Visit{Model: "a", Degraded: true}, health.End{Verdict: health.Good})
		if s := tg.Monitors.Of("a").State(time.Now()); s != health.HalfOpen {
			t.Errorf("after a success %v", s)
		}
	})
}

func TestCoolingTargetIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &Target{Monitors: health.NewGroup()}
		visit(tg, Visit{Model: "a"}, health.End{Verdict: health.Throttled, Until: time.Now().Add(3 * time.Second)})
		_, err := tg.Admit(context.Background(), Visit{Model: "a", Degraded: true, Patience: 2 * time.Second})
		if !errs.Is(err, limited) || errs.From(err).RetryAfter != 3*time.Second {
			t.Errorf("without patience: %v, %v", err, errs.From(err).RetryAfter)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := tg.Admit(ctx, Visit{Model: "a", Patience: 5 * time.Second}); err == nil || ctx.Err() == nil {
			t.Errorf("who gives up: %v", err)
		}
		begin := time.Now()
		if !visit(tg, Visit{Model: "a", Patience: 5 * time.Second}, health.End{Verdict: health.Good}) {
			t.Error("with patience it is not let in")
		}
		if waited := time.Since(begin); waited < 2*time.Second || waited > 2500*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

// Who waits for a place while the circuit opens does not go through, and leaves
// the place to others.
func TestWaitingLooksAtTheCircuitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &Target{Monitors: health.NewGroup(), Places: concurrency.New(concurrency.Config{Max: 1, Queue: 1, Wait: hour})}
		first, err := tg.Admit(context.Background(), Visit{Model: "a"})
		if err != nil {
			t.Fatal(err)
		}
		var waiting error
		go func() { _, waiting = tg.Admit(context.Background(), Visit{Model: "a"}) }()
		synctest.Wait()
		for range 10 {
			tg.Monitors.Of("a").End(health.End{Verdict: health.Bad, Time: time.Now()})
		}
		first.Leave(health.End{Time: time.Now()}, 0)
		synctest.Wait()
		if !errs.Is(waiting, down) {
			t.Errorf("who waited: %v", waiting)
		}
		if !visit(tg, Visit{Model: "b"}, health.End{Verdict: health.Good}) {
			t.Error("the place is lost")
		}
	})
}

func TestReportShowsCircuits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := &Target{Monitors: health.NewGroup(health.WithRandom(func() float64 { return 0 }))}
		model := func() *routerv1.ModelHealth { return tg.Report(time.Now()).GetModels()[0] }
		tg.Monitors.Keep("a")
		if m := model(); m.GetCircuit() != routerv1.ModelHealth_CIRCUIT_UNSPECIFIED {
			t.Errorf("before anybody asked: %v", m)
		}
		for range 12 {
			visit(tg, Visit{Model: "a"}, health.End{Verdict: health.Good, Streamed: true, FirstContent: time.Second})
		}
		visit(tg, Visit{Model: "a"}, health.End{Verdict: health.Bad})
		m := model()
		if m.GetCircuit() != routerv1.ModelHealth_CIRCUIT_CLOSED || m.GetShare() != 1 || m.GetFailureRate() < 0.07 || m.GetFailureRate() > 0.08 ||
			m.GetP95TimeToFirstToken().AsDuration() < 900*time.Millisecond {
			t.Errorf("closed: %v", m)
		}
		for tg.Monitors.Of("a").State(time.Now()) == health.Closed {
			visit(tg, Visit{Model: "a"}, health.End{Verdict: health.Bad})
		}
		if m = model(); m.GetCircuit() != routerv1.ModelHealth_CIRCUIT_OPEN || m.GetShare() != 0 ||
			time.Until(m.GetRetryTime().AsTime()) != 5*time.Second {
			t.Errorf("open: %v", m)
		}
		time.Sleep(5 * time.Second)
		if m = model(); m.GetCircuit() != routerv1.ModelHealth_CIRCUIT_HALF_OPEN || m.GetRetryTime() != nil {
			t.Errorf("half-open: %v", m)
		}
		visit(tg, Visit{Model: "b"}, health.End{Verdict: health.Throttled, Until: time.Now().Add(time.Minute)})
		if m = tg.Report(time.Now()).GetModels()[1]; m.GetCircuit() != routerv1.ModelHealth_CIRCUIT_COOLING || m.GetShare() != 0 ||
			time.Until(m.GetRetryTime().AsTime()) != time.Minute {
			t.Errorf("cooling: %v", m)
		}
	})
}

const hour = 3600_000_000_000

// A reload keeps what is known and judges by the new configuration; a new
// credential or address lets an open circuit be tried at once.
func TestReloadAndHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []health.Event
		made := 0
		kinds := map[string]Kind{"p": {New: func(provider.Target) (provider.Adapter, error) { made++; return &adapter{}, nil }}}
		build := func(key string, c health.Config, before ...*Target) *Target {
			t.Helper()
			cfg := []provider.Target{{Name: "east", Provider: "p", Models: provider.NewModels("*"), APIKey: secret.New(key), Health: c}}
			built, err := Build(cfg, kinds, before, func(e health.Event) { events = append(events, e) })
			if err != nil {
				t.Fatal(err)
			}
			return built[0]
		}
		first := build("old", health.Config{})
		for range 4 {
			visit(first, Visit{Model: "a"}, health.End{Verdict: health.Bad})
		}
		second := build("old", health.Config{Breaker: health.Breaker{MinCalls: 5, OpenFor: hour, MaxOpen: hour}}, first)
		if made != 1 || second.Adapter != first.Adapter {
			t.Error("a change of how health is judged drops connections")
		}
		visit(second, Visit{Model: "a"}, health.End{Verdict: health.Bad})
		if s := second.Monitors.Of("a").State(time.Now()); s != health.Open {
			t.Fatalf("%v after five failures, of which four came before the reload", s)
		}
		third := build("new", health.Config{}, second)
		if s := third.Monitors.Of("a").State(time.Now()); s != health.HalfOpen || made != 2 {
			t.Errorf("%v with a new credential", s)
		}
		if len(events) != 2 || events[0].Target != "east" || events[1].To != health.HalfOpen {
			t.Errorf("events %+v", events)
		}
	})
}
