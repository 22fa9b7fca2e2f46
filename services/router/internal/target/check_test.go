package target

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prober is an adapter that can be asked whether it works.
type prober struct {
	provider.Adapter
	err    atomic.Pointer[error]
	hangs  atomic.Bool
	asked  atomic.Int64
	models []string
}

func (p *prober) fails(err error) { p.err.Store(&err) }

func (p *prober) Probe(ctx context.Context, model string) error {
	p.asked.Add(1)
	p.models = append(p.models, model)
	if p.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := p.err.Load(); err != nil {
		return *err
	}
	return nil
}

// checked builds a target that is checked every ten seconds.
func checked(t *testing.T, p *prober, c health.Check, before ...*Target) *Target {
	t.Helper()
	c.Interval = config.Duration(10 * time.Second)
	kinds := map[string]Kind{"p": {New: func(provider.Target) (provider.Adapter, error) { return p, nil }}}
	cfg := []provider.Target{{Name: "east", Provider: "p", Models: provider.NewModels("*"), Health: health.Config{Check: c}}}
	built, err := Build(cfg, kinds, before)
	if err != nil {
		t.Fatal(err)
	}
	return built[0]
}

func refuses(reason llmv1.ErrorReason) error { return errs.New(reason, "") }

const (
	down    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	denied  = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	limited = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	missing = llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND
)

func TestFailingChecksOpenAndGoodOnesLetTry(t *testing.T) {
	for name, fail := range map[string]func(*prober){
		"down":       func(p *prober) { p.fails(refuses(down)) },
		"denied":     func(p *prober) { p.fails(refuses(denied)) },
		"hangs":      func(p *prober) { p.hangs.Store(true) },
		"other text": func(p *prober) { p.fails(errors.New("dial tcp: refused")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &prober{}
				tg := checked(t, p, health.Check{})
				defer Retire([]*Target{tg}, nil)
				m := tg.Monitors.Of("a")
				state := func(want health.State) {
					t.Helper()
					synctest.Wait()
					if got := m.State(time.Now()); got != want {
						t.Fatalf("%v, want %v", got, want)
					}
				}
				time.Sleep(30 * time.Second)
				state(health.Closed)
				fail(p)
				asked := p.asked.Load()
				for p.asked.Load() < asked+2 { // two in a row are believed
					state(health.Closed)
					time.Sleep(time.Second)
				}
				time.Sleep(5 * time.Second) // one that hangs takes so long
				state(health.Open)
				if tg.Monitors.Of("new").State(time.Now()) != health.Open {
					t.Error("a model that nobody asked for before is not known to be down")
				}
				p.hangs.Store(false)
				p.err.Store(nil)
				time.Sleep(11 * time.Second)
				state(health.HalfOpen)
			})
		})
	}
}

func TestChecksThatSayNothingBad(t *testing.T) {
	for _, reason := range []llmv1.ErrorReason{limited, missing, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED} {
		synctest.Test(t, func(t *testing.T) {
			p := &prober{}
			p.fails(refuses(reason))
			tg := checked(t, p, health.Check{Failures: 1})
			defer Retire([]*Target{tg}, nil)
			m := tg.Monitors.Of("a")
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := m.State(time.Now()); got != health.Closed || p.asked.Load() < 5 {
				t.Errorf("%v: %v after %d checks", reason, got, p.asked.Load())
			}
		})
	}
}

func TestCheckOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &prober{}
		p.fails(refuses(missing))
		tg := checked(t, p, health.Check{Failures: 1, Model: "a"})
		other := tg.Monitors.Of("b")
		time.Sleep(10 * time.Second)
		Retire([]*Target{tg}, nil)
		if tg.Monitors.Of("a").State(time.Now()) != health.Open || other.State(time.Now()) != health.Closed || p.models[0] != "a" {
			t.Errorf("a is %v, b %v; asked for %v", tg.Monitors.Of("a").State(time.Now()), other.State(time.Now()), p.models)
		}
	})
}

// Checks go on over a reload that does not touch them, and end with their target.
func TestChecksEndWithTheirTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &prober{}
		first := checked(t, p, health.Check{})
		second := checked(t, p, health.Check{}, first)
		Retire([]*Target{first}, []*Target{second})
		if second.checks != first.checks {
			t.Error("a reload begins new checks")
		}
		third := checked(t, p, health.Check{Failures: 7}, second)
		Retire([]*Target{second}, []*Target{third})
		p.hangs.Store(true)
		time.Sleep(time.Minute)
		if n := p.asked.Load(); n < 5 || n > 7 {
			t.Errorf("%d checks in a minute", n)
		}
		Retire([]*Target{third}, nil) // ends one that hangs
		asked := p.asked.Load()
		time.Sleep(time.Minute)
		if p.asked.Load() != asked {
			t.Error("checks go on")
		}
	})
}

func TestNoChecksByDefault(t *testing.T) {
	kinds := map[string]Kind{"p": {New: func(provider.Target) (provider.Adapter, error) { return &prober{}, nil }}}
	built, err := Build([]provider.Target{{Name: "east", Provider: "p"}}, kinds, nil)
	if err != nil || built[0].checks != nil {
		t.Errorf("%+v, %v", built, err)
	}
}
