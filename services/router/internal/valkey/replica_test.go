package valkey

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// followed is the circuits that a replica was told of.
type followed struct {
	mu     sync.Mutex
	states map[string]health.State
	calls  int
	until  time.Time
}

func (f *followed) follow(target, model string, s health.State, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[target+"/"+model], f.until = s, until
	f.calls++
}

func (f *followed) state(name string) health.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states[name]
}

func configFor(s *valkeytest.Server) Config {
	return Config{Addr: s.Addr, Password: secret.New(s.Password)}
}

// join starts a replica.
func join(t testing.TB, cfg Config) (*Replica, *followed) {
	t.Helper()
	client, err := Open(cfg, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	heard := &followed{states: map[string]health.State{}}
	r := Join(client, heard.follow, slog.New(slog.DiscardHandler))
	r.Start()
	t.Cleanup(r.Close)
	return r, heard
}

// eventually waits for something that takes a moment.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func together(t testing.TB, replicas ...*Replica) {
	t.Helper()
	for i, r := range replicas {
		eventually(t, 10*time.Second, fmt.Sprintf("replica %d does not share", i), r.client.Up)
	}
}

func limits(rpm, tpm int64) provider.Limits {
	return provider.Limits{Rates: provider.Rates{RequestsPerMinute: rpm, TokensPerMinute: tpm}}
}

const askers = 16

// storm has many ask at once until stop, and counts what they were granted.
func storm(gates []*quota.Gate, granted *atomic.Int64, slowest *atomic.Int64, pause time.Duration, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range askers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				r, err := gates[i%len(gates)].Reserve(context.Background(), "m", 10)
				for took := int64(time.Since(begin)); ; {
					have := slowest.Load()
					if took <= have || slowest.CompareAndSwap(have, took) {
						break
					}
				}
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				granted.Add(1)
				r.Settle(10)
				time.Sleep(pause)
			}
		})
	}
	return &wg
}

// Two replicas that ask as fast as they can are granted the limit, all of it and
// no more.
func TestReplicasGrantTheLimitExactly(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, _ := join(t, configFor(server))
	together(t, a, b)
	for _, tc := range []struct {
		name string
		l    provider.Limits
		want int64
	}{
		{"requests", limits(500, 0), 500},
		{"tokens", limits(0, 3005), 300},
		{"models", provider.Limits{Rates: provider.Rates{RequestsPerMinute: 400}, Models: map[string]provider.Rates{"m": {TokensPerMinute: 2500}}}, 250},
	} {
		t.Run(tc.name, func(t *testing.T) {
			gates := []*quota.Gate{a.Book().Gate(tc.name, tc.l), b.Book().Gate(tc.name, tc.l)}
			var granted, slowest atomic.Int64
			stop := make(chan struct{})
			wg := storm(gates, &granted, &slowest, 0, stop)
			eventually(t, 20*time.Second, "the limit is not used up", func() bool { return granted.Load() >= tc.want })
			time.Sleep(50 * time.Millisecond)
			close(stop)
			wg.Wait()
			if got := granted.Load(); got != tc.want {
				t.Errorf("%d were granted, want %d", got, tc.want)
			}
			_, err := gates[0].Reserve(context.Background(), "m", 10)
			if e := errs.From(err); e == nil || e.RetryAfter < 30*time.Second || e.RetryAfter > 61*time.Second {
				t.Errorf("refused with %v, retry after %v", err, e.RetryAfter)
			}
		})
	}
}

func TestSettlingReachesTheOthers(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, _ := join(t, configFor(server))
	together(t, a, b)
	l := limits(0, 1000)
	here, there := a.Book().Gate("east", l), b.Book().Gate("east", l)
	r, err := here.Reserve(t.Context(), "m", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.Reserve(t.Context(), "m", 1); err == nil {
		t.Fatal("granted beyond the limit")
	}
	r.Settle(400)
	eventually(t, 2*time.Second, "what was given back is not there", func() bool {
		_, err := there.Reserve(t.Context(), "m", 600)
		return err == nil
	})
	if _, err := here.Reserve(t.Context(), "m", 1); err == nil {
		t.Error("granted beyond the limit")
	}
}

// Valkey goes away and comes back, empty, under load. No call waits longer than
// once for the timeout; each replica goes on with its share; and all together
// never exceed the limit.
func TestOutageUnderLoad(t *testing.T) {
	for _, tc := range []struct {
		name     string
		off, on  func(*valkeytest.Server, testing.TB)
		slowest  time.Duration
		settings Config
	}{
		{name: "killed", off: (*valkeytest.Server).Stop, on: (*valkeytest.Server).Restart, slowest: time.Second},
		{name: "silent", off: (*valkeytest.Server).Freeze, on: (*valkeytest.Server).Thaw, slowest: time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := valkeytest.Start(t)
			a, _ := join(t, configFor(server))
			b, _ := join(t, configFor(server))
			together(t, a, b)
			eventually(t, 5*time.Second, "they have not met", func() bool { return a.Book().Replicas() == 2 && b.Book().Replicas() == 2 })
			const limit = 6000
			gates := []*quota.Gate{a.Book().Gate("east", limits(limit, 0)), b.Book().Gate("east", limits(limit, 0))}
			var granted, slowest atomic.Int64
			stop := make(chan struct{})
			wg := storm(gates, &granted, &slowest, 4*time.Millisecond, stop)
			eventually(t, 10*time.Second, "nothing is granted", func() bool { return granted.Load() > limit/20 })
			tc.off(server, t)
			eventually(t, 5*time.Second, "nobody notices", func() bool { return !a.client.Up() && !b.client.Up() })
			before := granted.Load()
			eventually(t, 5*time.Second, "nothing is granted during the outage", func() bool { return granted.Load() > before+limit/100 })
			tc.on(server, t)
			together(t, a, b)
			eventually(t, 20*time.Second, "what is left is not granted", func() bool { return granted.Load() > limit*9/10 })
			time.Sleep(500 * time.Millisecond) // whether more is
			close(stop)
			wg.Wait()
			// What one was granted that the other has not seen when Valkey goes, the
			// other may grant again: a few of those under way.
			if got := granted.Load(); got > limit+askers {
				t.Errorf("%d were granted, the limit is %d", got, limit)
			}
			if took := time.Duration(slowest.Load()); took > tc.slowest {
				t.Errorf("somebody waited for %v", took)
			}
			t.Logf("granted %d of %d, the slowest waited %v", granted.Load(), limit, time.Duration(slowest.Load()))
		})
	}
}

// A router starts without Valkey, alone, and finds it later.
func TestStartsWithout(t *testing.T) {
	server := valkeytest.Start(t)
	server.Stop(t)
	cfg := configFor(server)
	cfg.Replicas = 4
	a, _ := join(t, cfg)
	g := a.Book().Gate("east", limits(40, 0))
	granted := 0
	for range 50 {
		if _, err := g.Reserve(t.Context(), "m", 1); err == nil {
			granted++
		}
	}
	if granted != 10 {
		t.Errorf("%d of 40 were granted to one of four", granted)
	}
	server.Restart(t)
	together(t, a)
	b, _ := join(t, configFor(server))
	together(t, b)
	other, all := b.Book().Gate("east", limits(40, 0)), 0
	for range 50 {
		if _, err := other.Reserve(t.Context(), "m", 1); err == nil {
			all++
		}
	}
	if all != 30 {
		t.Errorf("the other was granted %d: what was granted without Valkey does not count", all)
	}
}

func event(model string, to health.State, lasts time.Duration) health.Event {
	e := health.Event{Target: "east {1}", Model: model, To: to, Time: time.Now()}
	if lasts > 0 {
		e.Until = e.Time.Add(lasts)
	}
	return e
}

func TestCircuitsAreShared(t *testing.T) {
	server := valkeytest.Start(t)
	a, heardA := join(t, configFor(server))
	b, heardB := join(t, configFor(server))
	together(t, a, b)
	time.Sleep(2 * probeInterval) // until they listen; what comes before is found by the next beat
	e := event("m/1", health.Open, time.Minute)
	begin := time.Now()
	a.Observe(e)
	eventually(t, time.Second, "the other does not know", func() bool { return heardB.state("east {1}/m/1") == health.Open })
	t.Logf("agreed after %v", time.Since(begin))
	if d := heardB.until.Sub(e.Until).Abs(); d > 200*time.Millisecond {
		t.Errorf("it lasts until %v there, %v here", heardB.until, e.Until)
	}
	late, heardLate := join(t, configFor(server))
	together(t, late)
	eventually(t, 2*time.Second, "who comes later does not know", func() bool { return heardLate.state("east {1}/m/1") == health.Open })
	a.Observe(event("m/1", health.Closed, 0))
	eventually(t, time.Second, "the other does not know that it has closed", func() bool {
		return heardB.state("east {1}/m/1") == health.Closed && heardLate.state("east {1}/m/1") == health.Closed
	})
	time.Sleep(2 * beatInterval)
	heardA.mu.Lock()
	defer heardA.mu.Unlock()
	if heardA.calls != 0 {
		t.Error("a replica follows itself")
	}
	heardB.mu.Lock()
	defer heardB.mu.Unlock()
	if heardB.calls != 2 {
		t.Errorf("%d calls for two changes", heardB.calls)
	}
}

// What happened while Valkey was away is told when it is back.
func TestCircuitsAfterAnOutage(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, heard := join(t, configFor(server))
	together(t, a, b)
	a.Observe(event("before", health.Open, time.Minute))
	eventually(t, 2*time.Second, "the other does not know", func() bool { return heard.state("east {1}/before") == health.Open })
	server.Stop(t)
	eventually(t, 5*time.Second, "nobody notices", func() bool { return !a.client.Up() && !b.client.Up() })
	a.Observe(event("during", health.Open, time.Minute))
	server.Restart(t)
	together(t, a, b)
	eventually(t, time.Second, "the other does not know", func() bool { return heard.state("east {1}/during") == health.Open })
	late, heardLate := join(t, configFor(server))
	together(t, late)
	eventually(t, 2*time.Second, "what was forgotten is not said again", func() bool { return heardLate.state("east {1}/before") == health.Open })
}

func TestKeysExpireAndAreNamespaced(t *testing.T) {
	server := valkeytest.Start(t)
	cfg := configFor(server)
	cfg.Prefix = "prod"
	a, _ := join(t, cfg)
	together(t, a)
	if _, err := a.Book().Gate("east {1}", limits(5, 0)).Reserve(t.Context(), "m", 1); err != nil {
		t.Fatal(err)
	}
	a.Observe(event("m", health.Open, time.Minute))
	var keys []string
	eventually(t, 2*time.Second, "keys are missing", func() bool {
		r := a.client.inner.Do(t.Context(), a.client.inner.B().Keys().Pattern("*").Build())
		keys, _ = r.AsStrSlice()
		return len(keys) == 3
	})
	for _, key := range keys {
		if key[:6] != "prod:{" {
			t.Errorf("key %q", key)
		}
		ttl, err := a.client.inner.Do(t.Context(), a.client.inner.B().Ttl().Key(key).Build()).AsInt64()
		if err != nil || ttl <= 0 || ttl > 125 {
			t.Errorf("key %q lasts for %d s: %v", key, ttl, err)
		}
	}
}

func TestWrongPasswordIsAway(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, Config{Addr: server.Addr, Password: secret.New("guessed"), Timeout: config.Duration(50 * time.Millisecond)})
	time.Sleep(100 * time.Millisecond)
	if a.client.Up() {
		t.Error("any password will do")
	}
	if _, err := a.Book().Gate("east", limits(4, 0)).Reserve(t.Context(), "m", 1); err != nil {
		t.Errorf("alone: %v", err)
	}
}
