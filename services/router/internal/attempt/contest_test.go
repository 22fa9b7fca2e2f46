package attempt

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// after is a target that answers after a while.
func after(d time.Duration, steps ...read) play {
	return func(ctx context.Context) ([]read, error) {
		select {
		case <-time.After(d):
			return steps, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// failsAfter is one that fails after a while.
func failsAfter(d time.Duration, p play) play {
	return func(ctx context.Context) ([]read, error) {
		if _, err := after(d)(ctx); err != nil {
			return nil, err
		}
		return p(ctx)
	}
}

func hedged(after time.Duration) route.Hedge {
	return route.Hedge{After: route.Patience{Time: config.Duration(after)}}
}

func TestHedging(t *testing.T) {
	ms := time.Millisecond
	hello := []read{start(), text("hello"), finish()}
	for _, tc := range []struct {
		name    string
		a, b, c play
		took    time.Duration // until the answer
		ends    string        // in order, with the role
		reason  error
	}{
		{name: "the first is in time", a: after(400*ms, hello...), took: 400 * ms, ends: "a"},
		{name: "the second is faster", a: after(5000*ms, hello...), b: after(100*ms, hello...), took: 600 * ms, ends: "a bhedge"},
		{name: "the first is faster after all", a: after(700*ms, hello...), b: after(1000*ms, hello...), took: 700 * ms, ends: "bhedge a"},
		{name: "the first fails before", a: failsAfter(100*ms, fails(notFound)), b: after(100*ms, hello...), took: 200 * ms, ends: "a b"},
		{name: "the first fails beside", a: failsAfter(600*ms, fails(down)), b: after(200*ms, hello...), took: 700 * ms, ends: "a bhedge"},
		{name: "the second fails", a: after(2000*ms, hello...), b: failsAfter(100*ms, fails(down)), took: 2000 * ms, ends: "bhedge a"},
		{name: "both fail", a: failsAfter(700*ms, fails(notFound)), b: failsAfter(100*ms, fails(notFound)), c: after(100*ms, hello...), took: 800 * ms, ends: "bhedge a c"},
		{name: "the second refuses the request", a: after(2000*ms, hello...), b: failsAfter(100*ms, fails(rejected)), took: 600 * ms, ends: "bhedge a", reason: errs.New(rejected, "")},
		{name: "the second panics", a: after(2000*ms, hello...), b: panics, took: 500 * ms, ends: "bhedge a", reason: errs.New(internal, "")},
		{name: "the first is silent for good", a: hangs, b: after(2900*ms, hello...), took: 3400 * ms, ends: "a bhedge"},
	} {
		for _, op := range []string{opGenerate, opStream} {
			if op == opGenerate && tc.a != nil && strings.Contains(tc.name, "silent") {
				continue // only a stream has a time for its first content
			}
			t.Run(tc.name+" "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &books{t: t}
					j := &Job{}
					plays := []play{tc.a, tc.b, tc.c}
					*j = *job(b)
					for i, name := range []string{"a", "b", "c"} {
						p := plays[i]
						if p == nil {
							p = func(context.Context) ([]read, error) { t.Errorf("%s was asked", name); return nil, nil }
						}
						j.Order = append(j.Order, deployed(newTarget(name, &adapter{plays: []play{p}}), "m"))
					}
					j.Hedge = hedged(500 * ms)
					begin := time.Now()
					a, err := ask(newRunner(policy), op, j)
					if took := time.Since(begin); took != tc.took {
						t.Errorf("took %v, want %v", took, tc.took)
					}
					if (err == nil) != (tc.reason == nil) || tc.reason != nil && !errs.Is(err, errs.From(tc.reason).Reason) {
						t.Fatalf("got %v, want %v", err, tc.reason)
					}
					synctest.Wait() // the loser is settled at once
					if a != nil {
						succeed(a)
					}
					if got := strings.Join(b.roles, " "); got != tc.ends {
						t.Errorf("ended %s, want %s", got, tc.ends)
					}
					checkEnds(t, b)
				})
			})
		}
	}
}

// The loser is metered, and nobody blames it.
func TestTheLoserIsCancelledAndNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		slow := newTarget("a", &adapter{plays: []play{answers(start(), later(time.Second, text("x")), finish())}})
		j := job(b, slow, newTarget("b", &adapter{plays: []play{answers(text("y"), finish())}}))
		j.Hedge = hedged(200 * time.Millisecond)
		s, err := newRunner(policy).Open(context.Background(), j)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(b.ends) != 1 || b.ends[0].Outcome != billingv1.Outcome_OUTCOME_CANCELLED || b.ends[0].Last {
			t.Errorf("the loser ended %+v", b.ends)
		}
		seen := slow.Monitors.Seen()
		if seen.Failures != 0 || seen.InFlight != 0 {
			t.Errorf("the loser was seen as %+v", seen)
		}
		if got, err := readAll(s); got != "y" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		succeed(s.Attempt)
	})
}

// A loser that does not let go keeps nobody waiting; its row comes when it does.
func TestALoserThatDoesNotLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		deaf := func(context.Context) ([]read, error) { time.Sleep(30 * time.Second); return nil, errs.New(down, "") }
		j := job(b, newTarget("a", &adapter{plays: []play{deaf}}), newTarget("b", &adapter{plays: []play{answers()}}))
		j.Hedge = hedged(time.Second)
		begin := time.Now()
		a, err := newRunner(policy).Generate(context.Background(), j)
		if err != nil || time.Since(begin) != time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		succeed(a)
		b.mu.Lock()
		if len(b.open) != 1 {
			t.Errorf("%d are open", len(b.open))
		}
		b.mu.Unlock()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		checkEnds(t, b)
		if b.ends[1].Outcome != billingv1.Outcome_OUTCOME_CANCELLED {
			t.Errorf("the loser ended %+v", b.ends[1])
		}
	})
}

func TestTheCallerGoesAwayFromBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		j := job(b, newTarget("a", &adapter{plays: []play{hangs}}), newTarget("b", &adapter{plays: []play{hangs}}))
		j.Hedge = hedged(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := newRunner(policy).Generate(ctx, j)
		synctest.Wait()
		if err == nil || len(b.ends) != 2 {
			t.Errorf("%v, %d ended", err, len(b.ends))
		}
		checkEnds(t, b)
	})
}

func TestHedgesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for most, want := range map[int]string{1: "a b", 2: "a b c"} {
			b := &books{t: t}
			j := job(b, newTarget("a", &adapter{plays: []play{after(9 * time.Second)}}),
				newTarget("b", &adapter{plays: []play{after(9 * time.Second)}}), newTarget("c", &adapter{plays: []play{after(9 * time.Second)}}))
			j.Hedge = hedged(time.Second)
			j.Hedge.Max = most
			a, err := newRunner(policy).Generate(context.Background(), j)
			if err != nil {
				t.Fatal(err)
			}
			succeed(a)
			synctest.Wait()
			if got := strings.Join(b.order, " "); got != want {
				t.Errorf("at most %d: asked %s, want %s", most, got, want)
			}
			checkEnds(t, b)
		}
		// A target that has used up its budget of retries is not asked beside another.
		b := &books{t: t}
		second := newTarget("b", &adapter{plays: []play{answers()}})
		for second.Monitors.AllowRetry(time.Now()) {
		}
		j := job(b, newTarget("a", &adapter{plays: []play{after(9 * time.Second)}}), second)
		j.Hedge = hedged(time.Second)
		a, err := newRunner(policy).Generate(context.Background(), j)
		if err != nil || len(b.order) != 1 {
			t.Errorf("%v after %v", err, b.order)
		}
		succeed(a)
	})
}

// The time that a target is waited for is what it mostly takes, once that is known.
func TestHedgesAfterThePercentile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newTarget("a", &adapter{plays: []play{after(9 * time.Second)}})
		m := first.Monitors.Of("upstream-a")
		for range 200 {
			ticket, _ := m.Admit(time.Now())
			m.Begin(time.Now())
			m.End(health.End{Verdict: health.Good, Time: time.Now(), Duration: 300 * time.Millisecond, Ticket: ticket})
		}
		p95 := m.P95(false)
		if p95 == 0 {
			t.Fatal("no percentile after 200 answers")
		}
		b := &books{t: t}
		j := job(b, first, newTarget("b", &adapter{plays: []play{answers()}}))
		j.Hedge = route.Hedge{After: route.Patience{P95: true}, Fallback: config.Duration(time.Minute)}
		begin := time.Now()
		a, err := newRunner(policy).Generate(context.Background(), j)
		if err != nil || time.Since(begin) != p95 {
			t.Errorf("%v after %v, the percentile is %v", err, time.Since(begin), p95)
		}
		succeed(a)
	})
}
