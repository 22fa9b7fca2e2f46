package health

import (
	"testing"
	"time"
)

func TestChecksOpenAndLetTry(t *testing.T) {
	b := newBench(t, Config{})
	m, other := b.group.Of("a"), b.group.Of("b")
	b.group.Fail(b.now, "", "no answer", 20*time.Second)
	b.want(m, Open)
	b.want(other, Open)
	b.want(b.group.Of("new"), Open)
	b.pass(10 * time.Second)
	b.group.Fail(b.now, "", "no answer", 20*time.Second)
	b.pass(20*time.Second - 1)
	b.want(m, Open)
	b.pass(1)
	b.want(m, HalfOpen) // the checks have stopped
	b.want(b.group.Of("newer"), Closed)
	b.group.Fail(b.now, "", "no answer", 20*time.Second)
	b.pass(time.Second)
	b.group.Recover(b.now, "")
	b.want(m, HalfOpen)
	b.calls(m, 3, Good)
	b.want(m, Closed)
	b.group.Fail(b.now, "a", "gone", 20*time.Second)
	b.want(m, Open)
	b.want(b.group.Of("newest"), Closed)
	b.group.Recover(b.now, "a")
	b.want(m, HalfOpen)
}

// A circuit that calls have opened is tried early once; if that fails, it is
// not what the check sees that is broken.
func TestGoodCheckLetsTryOnce(t *testing.T) {
	b := newBench(t, Config{})
	m := b.group.Of("a")
	b.calls(m, 10, Bad)
	b.group.Recover(b.now, "")
	b.want(m, HalfOpen)
	b.calls(m, 1, Bad)
	b.group.Recover(b.now, "")
	b.want(m, Open)
	b.pass(9 * time.Second)
	b.group.Recover(b.now, "")
	b.want(m, Open)
	b.group.Fail(b.now, "", "no answer", 30*time.Second) // keeps its own time
	b.pass(time.Second)
	b.want(m, HalfOpen)
}

func TestReconsiderLetsTryAtOnce(t *testing.T) {
	b := newBench(t, Config{})
	denied, cooling := b.group.Of("a"), b.group.Of("b")
	b.calls(denied, 1, Denied)
	cooling.End(End{Verdict: Throttled, Time: b.now, Until: b.now.Add(time.Minute)})
	b.group.Reconsider(b.now)
	b.want(denied, HalfOpen)
	b.want(cooling, Closed)
}
