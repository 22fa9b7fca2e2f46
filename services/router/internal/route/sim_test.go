package route

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// epoch is when simulations begin.
var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sim sends requests to simulated targets on a clock of its own. All of it
// follows from its seed.
type sim struct {
	now     time.Time
	rand    *rand.Rand
	entry   *Entry
	targets map[string]*simTarget
	ends    ends
	turns   map[string]int // first places
	failed  int            // requests whose first target failed
	d       Decision
	ask     func(n int) Question // what the n-th request asks; nil for a plain question
	count   int
}

// simTarget is how a target behaves.
type simTarget struct {
	latency time.Duration // give or take a fifth
	down    bool
}

// end is an attempt that ends at a time.
type end struct {
	at      time.Time
	monitor *health.Monitor
	end     health.End
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// newSim makes a route over targets named a, b, c… with these latencies.
func newSim(t testing.TB, seed uint64, r Route, latencies ...time.Duration) *sim {
	t.Helper()
	t.Logf("seed %d", seed)
	s := &sim{
		now: epoch, rand: rand.New(rand.NewPCG(seed, seed)), targets: map[string]*simTarget{}, turns: map[string]int{},
	}
	var all []*target.Target
	for i, latency := range latencies {
		name := string(rune('a' + i))
		s.targets[name] = &simTarget{latency: latency}
		all = append(all, &target.Target{
			Target:   provider.Target{Name: name, Provider: "openai", Models: provider.NewModels("m")},
			Monitors: health.NewGroup(health.For(name), health.WithClock(func() time.Time { return s.now })),
		})
		if len(r.Targets) <= i {
			r.Targets = append(r.Targets, Ref{Name: name, Weight: 1})
		}
	}
	if r.Model == "" {
		r.Model = "m"
	}
	table, err := NewTable([]Route{r}, Surroundings{Targets: all, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	s.entry = table.entries[0]
	return s
}

// run sends so many requests a second for a time, evenly.
func (s *sim) run(d time.Duration, perSecond int) {
	for until := s.now.Add(d); s.now.Before(until); {
		s.request()
		s.now = s.now.Add(time.Second / time.Duration(perSecond))
		for len(s.ends) > 0 && !s.ends[0].at.After(s.now) {
			e := heap.Pop(&s.ends).(end)
			e.monitor.End(e.end)
		}
	}
}

// request decides, and attempts in the order of the decision until one answers.
func (s *sim) request() {
	q := Question{Model: "m", Streamed: true}
	if s.ask != nil {
		q = s.ask(s.count)
	}
	s.count++
	q.Time = s.now
	s.entry.Candidates(q, &s.d)
	s.d.Decide()
	for i, c := range s.d.Order {
		if i == 0 {
			s.turns[c.Target.Name]++
		}
		if s.attempt(c) {
			return
		}
		if i == 0 {
			s.failed++
		}
	}
}

func (s *sim) attempt(c *Candidate) bool {
	ticket, ok := c.monitor.Admit(s.now)
	if !ok {
		return false
	}
	c.monitor.Begin(s.now)
	t := s.targets[c.Target.Name]
	took := time.Duration(float64(t.latency) * (.8 + .4*s.rand.Float64()))
	e := health.End{Verdict: health.Good, Streamed: true, Ticket: ticket, FirstContent: took, Duration: 2 * took}
	if t.down {
		took = 10 * time.Millisecond
		e = health.End{Verdict: health.Bad, Streamed: true, Ticket: ticket, Duration: took}
	}
	e.Time = s.now.Add(took)
	heap.Push(&s.ends, end{e.Time, c.monitor, e})
	return !t.down
}

// shares are the first places of each target since the last call.
func (s *sim) shares() map[string]float64 {
	total := 0
	for _, n := range s.turns {
		total += n
	}
	out := make(map[string]float64, len(s.turns))
	for name, n := range s.turns {
		out[name] = float64(n) / float64(total)
	}
	clear(s.turns)
	return out
}

// text writes shares in the order of the names.
func text(shares map[string]float64, targets int) string {
	out := ""
	for i := range targets {
		name := string(rune('a' + i))
		out += fmt.Sprintf(" %s %.1f %%", name, 100*shares[name])
	}
	return out
}
