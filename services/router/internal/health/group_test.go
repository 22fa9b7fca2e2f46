package health

import (
	"fmt"
	"testing"
	"time"
)

// Names that clients make up do not push out the models that are in use.
func TestModelsAreBounded(t *testing.T) {
	b := newBench(t, Config{})
	used, named := b.group.Of("used"), b.group.Keep("named")
	for i := range 3 * maxModels {
		b.calls(used, 1, Good)
		b.calls(b.group.Of(fmt.Sprintf("made-up-%d", i)), 1, Neutral)
		b.pass(time.Second)
	}
	if n := len(b.group.Models()); n > maxModels+1 {
		t.Errorf("%d monitors", n)
	}
	for i := range 2 * maxModels {
		b.group.Keep(fmt.Sprintf("configured-%d", i))
	}
	if b.group.Of("configured-500").model == otherModels {
		t.Error("a model of the configuration has no monitor of its own")
	}
	if b.group.Find("used") != used || b.group.Find("named") != named || b.group.Of(fmt.Sprintf("made-up-%d", 3*maxModels-1)).model == otherModels {
		t.Error("a model in use has no monitor of its own")
	}
}

func TestFollowTakesOverWithoutEvents(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	m.Follow(Open, b.now.Add(7*time.Second))
	b.want(m, Open)
	b.pass(7 * time.Second)
	b.want(m, HalfOpen)
	m.Follow(Open, b.now.Add(9*time.Second))
	m.Follow(HalfOpen, time.Time{})
	b.want(m, HalfOpen)
	m.Follow(Closed, time.Time{})
	b.want(m, Closed)
	if s := m.Share(b.now); s > 0.11 {
		t.Errorf("share %v after it closed", s)
	}
	m.Follow(Ejected, b.now.Add(time.Second))
	b.want(m, Ejected)
	m.Follow(Closed, time.Time{})
	b.want(m, Closed)
	m.Follow(Cooling, b.now.Add(time.Second))
	b.want(m, Cooling)
	if len(b.events) != 0 {
		t.Errorf("events %v", b.events)
	}
}

func TestDisabledBreakerNeverOpens(t *testing.T) {
	b := newBench(t, Config{})
	open, cooling := b.group.Of("open"), b.group.Of("cooling")
	b.calls(open, 10, Bad)
	cooling.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Minute)})
	b.group.Configure(Config{Breaker: Breaker{Disabled: true}})
	for _, m := range []*Monitor{open, cooling} {
		b.calls(m, 50, Bad)
		b.calls(m, 1, Denied)
		m.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Minute)})
		b.group.Fail(b.now, "", "no answer", time.Minute)
		b.want(m, Closed)
	}
}
