package attempt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// A target that fails is left alone once its circuit is open, and comes back
// when it works again.
func TestCircuitSparesAFailingTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ill, well := &adapter{plays: []play{fails(down)}}, &adapter{plays: []play{answers(text("hello"), finish())}}
		a, b := newTarget("a", ill), newTarget("b", well)
		ask := func() string {
			books := &books{t: t}
			got, err := newRunner(policy).Generate(context.Background(), job(books, a, b))
			if err != nil {
				t.Fatal(err)
			}
			succeed(got)
			return got.Candidate.Target.Name
		}
		for range 20 {
			if name := ask(); name != "b" {
				t.Fatalf("%s answers", name)
			}
		}
		asked := ill.asked
		if asked < 10 || asked > 12 {
			t.Errorf("asked %d times before the circuit opened", asked)
		}
		for range 20 {
			ask()
		}
		if ill.asked != asked {
			t.Errorf("asked %d times although the circuit is open", ill.asked-asked)
		}
		ill.plays = []play{answers(text("hello"), finish())}
		time.Sleep(6 * time.Second)
		for range 3 {
			if name := ask(); name != "a" {
				t.Errorf("%s answers when a may be probed", name)
			}
		}
		if s := a.Monitors.Of("upstream-a").State(time.Now()); s != health.Closed {
			t.Errorf("after three good probes %v", s)
		}
	})
}

// The first contents of three streams close a circuit, long before their ends.
func TestStreamsCloseACircuitWhenTheyBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &adapter{plays: []play{answers(text("hello"), later(time.Second, text("you")), finish())}}
		a := newTarget("a", slow)
		m := a.Monitors.Of("upstream-a")
		m.Follow(health.Open, time.Now())
		for n := range 3 {
			if s := m.State(time.Now()); s != health.HalfOpen {
				t.Fatalf("%v after %d", s, n)
			}
			s, err := newRunner(policy).Open(context.Background(), job(&books{t: t}, a))
			if err != nil {
				t.Fatal(err)
			}
			defer succeed(s.Attempt)
		}
		if s := m.State(time.Now()); s != health.Closed {
			t.Errorf("%v while three streams run", s)
		}
	})
}

// A credential that is refused is not shown again until it is time.
func TestRefusedCredentialIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ill := &adapter{plays: []play{fails(authFailed)}}
		a := newTarget("a", ill)
		for range 5 {
			_, err := newRunner(policy).Generate(context.Background(), job(&books{t: t}, a))
			if ill.asked != 1 || err == nil {
				t.Fatalf("asked %d times: %v", ill.asked, err)
			}
		}
	})
}

// While a target cools down, a request that has no other waits for it if that
// is soon, and is told when to come again if not.
func TestCoolingTargetIsWaitedForOrRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &adapter{plays: []play{fails(limited), answers(text("hello"), finish())}}
		a := newTarget("a", busy)
		m := a.Monitors.Of("upstream-a")
		m.End(health.End{Verdict: health.Throttled, Time: time.Now(), Until: time.Now().Add(time.Minute)})
		_, err := newRunner(policy).Generate(context.Background(), job(&books{t: t}, a))
		if !errs.Is(err, limited) || errs.From(err).RetryAfter != time.Minute || busy.asked != 0 {
			t.Errorf("%v after %v; asked %d times", err, errs.From(err).RetryAfter, busy.asked)
		}
		time.Sleep(57 * time.Second)
		begin := time.Now()
		busy.plays = busy.plays[1:]
		got, err := newRunner(policy).Generate(context.Background(), job(&books{t: t}, a))
		if err != nil {
			t.Fatal(err)
		}
		succeed(got)
		if waited := time.Since(begin); waited < 3*time.Second || waited > 4*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}
