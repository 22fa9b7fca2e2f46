package capacity

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A window's sum is that of what was added within its length, but for less
// than a slot at its old end.
func TestWindowSlides(t *testing.T) {
	type addition struct {
		at time.Time
		n  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		w, now := newWindow(time.Minute, 60), epoch
		var all []addition
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ms")) * time.Millisecond)
			n := int64(rapid.IntRange(0, 100).Draw(t, "n"))
			w.add(now, n)
			all = append(all, addition{now, n})
			least, most := int64(0), int64(0)
			for _, a := range all {
				if now.Sub(a.at) < 59*time.Second {
					least += a.n
				}
				if now.Sub(a.at) <= time.Minute {
					most += a.n
				}
			}
			if got := w.sum(now); got < least || got > most {
				t.Fatalf("sum %d, want %d to %d", got, least, most)
			}
		}
	})
}

func TestUtilizationCountsWhatIsUnderWay(t *testing.T) {
	m := New(&provider.Provisioned{TokensPerMinute: 1000, MaxUtilization: .5}, nil, epoch)
	m.Enter()
	if !m.HasRoom(epoch) {
		t.Error("an idle target is full")
	}
	m.Leave(epoch, 400) // 40 %
	if got := m.Utilization(epoch); got != .4 || !m.HasRoom(epoch) {
		t.Errorf("utilisation %v", got)
	}
	m.Enter() // expected to use 400 again
	if got := m.Utilization(epoch); got != .8 || m.HasRoom(epoch) {
		t.Errorf("utilisation with one under way %v", got)
	}
	m.Leave(epoch.Add(time.Second), 0)
	if later := epoch.Add(61 * time.Second); m.Utilization(later) != 0 {
		t.Errorf("after a minute %v", m.Utilization(later))
	}
}

func TestMeterOutlivesItsConfiguration(t *testing.T) {
	m := New(&provider.Provisioned{TokensPerMinute: 1000, MaxUtilization: .9}, nil, epoch)
	m.Enter()
	m.Leave(epoch, 500)
	again := New(&provider.Provisioned{TokensPerMinute: 2000, MaxUtilization: .9}, m, epoch)
	if again != m || again.Utilization(epoch) != .25 {
		t.Errorf("utilisation %v", again.Utilization(epoch))
	}
	if New(nil, m, epoch) != nil {
		t.Error("a target by the token is measured")
	}
	var none *Meter
	none.Enter()
	none.Leave(epoch, 1)
	if none.Advice("t", epoch) != "" {
		t.Error("advice on nothing")
	}
}

func TestAdvice(t *testing.T) {
	const dollar = int64(1e9)
	for _, c := range []struct {
		name           string
		hourly         float64
		tokens         int64 // used in the last hour, of 60,000
		worth, spilled int64
		after          time.Duration
		want           string
	}{
		{"cheaper on demand", 10, 15_000, 4 * dollar, 0, time.Hour, "about $4.00 instead of $10.00; it was used to 25 % and pays from 62 %"},
		{"never pays", 10, 30_000, 4 * dollar, 0, time.Hour, "does not pay even if it is fully used"},
		{"not used", 10, 0, 0, 0, time.Hour, "was not used in the last one"},
		{"pays", 10, 30_000, 12 * dollar, 5 * dollar, time.Hour, ""},
		{"more would pay", 10, 50_000, 12 * dollar, 11 * dollar, time.Hour, "provision more of t"},
		{"too early", 10, 15_000, 4 * dollar, 0, 59 * time.Minute, ""},
		{"no price", 0, 15_000, 4 * dollar, 0, time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(&provider.Provisioned{TokensPerMinute: 1000, MaxUtilization: .9, HourlyUSD: c.hourly}, nil, epoch)
			at := epoch.Add(30 * time.Minute)
			m.Enter()
			m.Leave(at, c.tokens)
			m.Chosen(at, c.worth)
			m.Spilled(at, c.spilled)
			got := m.Advice("t", epoch.Add(c.after))
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
