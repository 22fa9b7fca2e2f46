package fault

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestPlanEnds(t *testing.T) {
	p := NewPlan(Faults{Share: 1, Latency: time.Second}, noon)
	if !p.Active(noon.Add(-1)) || p.Active(noon) {
		t.Error("a plan does not end at its time")
	}
	if _, hit := p.Strike(noon); hit || p.Struck() != 0 || !p.First().IsZero() {
		t.Error("an exchange is hit after the end")
	}
	s, hit := p.Strike(noon.Add(-2))
	if !hit || s.Latency != time.Second || s.Name != "latency" || !p.First().Equal(noon.Add(-2)) {
		t.Errorf("%v %+v", hit, s)
	}
	p.Strike(noon.Add(-1))
	if p.Struck() != 2 || !p.First().Equal(noon.Add(-2)) {
		t.Errorf("%d were hit, the first at %v", p.Struck(), p.First())
	}
	p.Stop()
	p.Stop()
	if _, hit := p.Strike(noon.Add(-1)); hit {
		t.Error("an exchange is hit after the stop")
	}
}

func TestShares(t *testing.T) {
	p := NewPlan(Faults{Share: .25, Statuses: []Status{{500, 1}, {503, 3}}}, noon)
	const n = 40000
	got := map[int]int{}
	for range n {
		if s, hit := p.Strike(noon.Add(-1)); hit {
			got[s.Status]++
		}
	}
	for code, want := range map[int]float64{500: n * .25 * .25, 503: n * .25 * .75} {
		if f := float64(got[code]); f < want*.93 || f > want*1.07 {
			t.Errorf("%d times %d, want about %.0f", got[code], code, want)
		}
	}
	if len(got) != 2 || int64(got[500]+got[503]) != p.Struck() {
		t.Errorf("%v of %d", got, p.Struck())
	}
	none := NewPlan(Faults{Share: 0, Blackhole: true}, noon)
	if _, hit := none.Strike(noon.Add(-1)); hit {
		t.Error("a share of nothing hits")
	}
}

func TestDrawOfStatuses(t *testing.T) {
	p := NewPlan(Faults{Share: 1, Statuses: []Status{{500, 1}, {503, 3}}}, noon)
	for at, want := range map[float64]int{0: 500, .24: 500, .25: 503, .99: 503, 1: 503} {
		p.chance = func() float64 { return at }
		if got := p.status(); got != want {
			t.Errorf("%v draws %d, want %d", at, got, want)
		}
	}
}

func TestSleepEndsWithTheFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("cause")
		for _, c := range []struct {
			name      string
			stop, end time.Duration // of the plan, and of the context
			sleep     time.Duration
			want      time.Duration
			err       error
		}{
			{"to the end", 0, 0, time.Second, time.Second, nil},
			{"stopped", 2 * time.Second, 0, 5 * time.Second, 2 * time.Second, nil},
			{"its time is over", 0, 0, time.Hour, time.Minute, nil},
			{"given up", 0, 3 * time.Second, time.Hour, 3 * time.Second, cause},
		} {
			start := time.Now()
			p := NewPlan(Faults{Share: 1}, start.Add(time.Minute))
			ctx, cancel := context.WithCancelCause(context.Background())
			var timers sync.WaitGroup
			after := func(d time.Duration, f func()) {
				if d > 0 {
					timers.Add(1)
					time.AfterFunc(d, func() { f(); timers.Done() })
				}
			}
			after(c.stop, p.Stop)
			after(c.end, func() { cancel(cause) })
			err := p.Sleep(ctx, c.sleep)
			if took := time.Since(start); took != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s: %s, %v", c.name, took, err)
			}
			timers.Wait()
			cancel(nil)
		}
	})
}

func TestSwitch(t *testing.T) {
	var off *Switch
	ctx := context.Background()
	if off.Plan() != nil || off.Context(ctx) != ctx {
		t.Error("no switch is on")
	}
	var s Switch
	if s.Context(ctx) != ctx || FromContext(ctx) != nil {
		t.Error("a switch is on from the beginning")
	}
	p, other := NewPlan(Faults{}, noon), NewPlan(Faults{}, noon)
	s.Set(p)
	if FromContext(s.Context(ctx)) != p {
		t.Error("the plan does not travel")
	}
	s.Clear(other)
	if s.Plan() != p {
		t.Error("another plan was cleared")
	}
	s.Clear(p)
	if s.Plan() != nil {
		t.Error("the plan stays")
	}
}

// Without a drill a request pays for one look at a pointer.
func TestNoDrillCostsNothing(t *testing.T) {
	var s Switch
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() { ctx = s.Context(ctx); FromContext(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNoDrill(b *testing.B) {
	var s Switch
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), noon, noon))
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		FromContext(s.Context(ctx))
	}
}
