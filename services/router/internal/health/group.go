package health

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Group holds the monitors of a target, one for each model. It is safe for
// concurrent use, and outlives the target's configuration.
type Group struct {
	target string
	now    func() time.Time
	random func() float64
	config atomic.Pointer[Config]

	budget  budget
	trickle trickle

	mu         sync.Mutex                          // guards changes of what follows
	models     atomic.Pointer[map[string]*Monitor] // never changed, only replaced
	observers  atomic.Pointer[[]func(Event)]       // likewise
	announcing sync.Mutex
	failing    string // why the active check fails; empty if it does not
	// failingUntil is when that is out of date.
	failingUntil time.Time
}

// maxModels bounds the monitors of a target whose clients may name any model;
// those beyond share one. What the configuration names is not bounded.
const maxModels = 256

// otherModels is what the monitor of those is called.
const otherModels = "*"

// Option changes what NewGroup makes.
type Option func(*Group)

// For names the target in events.
func For(target string) Option { return func(g *Group) { g.target = target } }

// WithConfig sets how the models are judged; without it the defaults hold.
func WithConfig(c Config) Option { return func(g *Group) { g.Configure(c) } }

// WithClock sets the clock for what nobody passes a time to.
func WithClock(now func() time.Time) Option { return func(g *Group) { g.now = now } }

// WithRandom sets what times are lengthened by: a number from 0 to 1.
func WithRandom(f func() float64) Option { return func(g *Group) { g.random = f } }

// NewGroup makes a group that has seen nothing.
func NewGroup(options ...Option) *Group {
	g := &Group{now: time.Now, random: rand.Float64}
	g.models.Store(&map[string]*Monitor{})
	g.observers.Store(&[]func(Event){})
	g.Configure(Config{})
	for _, o := range options {
		o(g)
	}
	return g
}

// Configure changes how the models are judged; what was seen of them stays. A
// breaker that is disabled lets go of what it holds back.
func (g *Group) Configure(c Config) {
	c = c.WithDefaults()
	g.config.Store(&c)
	if !c.Breaker.Disabled {
		return
	}
	for _, m := range *g.models.Load() {
		m.release("the breaker was disabled")
	}
}

// Observe has f called with every change of state that this process saw itself.
// It must return at once and ask nothing of the monitors.
func (g *Group) Observe(f func(Event)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := append(slices.Clone(*g.observers.Load()), f)
	g.observers.Store(&all)
}

// Of returns the monitor of a model.
func (g *Group) Of(model string) *Monitor {
	if m, ok := (*g.models.Load())[model]; ok {
		return m
	}
	return g.add(model, false)
}

// Keep is Of for a model that the configuration names: its monitor stays for
// good, and whoever holds it holds the right one.
func (g *Group) Keep(model string) *Monitor { return g.add(model, true) }

// Find returns the monitor of a model, or nil if nobody has asked for it yet.
func (g *Group) Find(model string) *Monitor { return (*g.models.Load())[model] }

func (g *Group) add(model string, keep bool) *Monitor {
	g.mu.Lock()
	known := maps.Clone(*g.models.Load())
	if _, ok := known[model]; !ok && !keep && len(known) >= maxModels && !forgetOne(known, g.now()) {
		model = otherModels
	}
	if m, ok := known[model]; ok {
		m.kept = m.kept || keep
		g.mu.Unlock()
		return m
	}
	m, failing, until := newMonitor(g, model), g.failing, g.failingUntil
	m.kept = keep
	known[model] = m
	g.models.Store(&known)
	g.mu.Unlock()
	if now := g.now(); failing != "" && now.Before(until) {
		m.fail(now, failing, until.Sub(now))
	}
	return m
}

// forgetOne drops the monitor that has been idle for longest, so that names that
// clients make up do not push out the models that are used.
func forgetOne(models map[string]*Monitor, now time.Time) bool {
	oldest, name, found := now.Add(-time.Minute), "", false
	for model, m := range models {
		s := m.Seen()
		if m.kept || s.InFlight > 0 || m.State(now) != Closed {
			continue
		}
		latest := s.LastSuccess
		if s.LastFailure.After(latest) {
			latest = s.LastFailure
		}
		if latest.Before(oldest) {
			oldest, name, found = latest, model, true
		}
	}
	delete(models, name)
	return found
}

// Models lists the models that were asked for, sorted.
func (g *Group) Models() []string { return slices.Sorted(maps.Keys(*g.models.Load())) }

// Seen sums what was seen of all of them.
func (g *Group) Seen() Seen {
	var sum Seen
	for _, m := range *g.models.Load() {
		s := m.Seen()
		sum.Attempts, sum.Failures, sum.InFlight = sum.Attempts+s.Attempts, sum.Failures+s.Failures, sum.InFlight+s.InFlight
		if s.LastSuccess.After(sum.LastSuccess) {
			sum.LastSuccess = s.LastSuccess
		}
		if s.LastFailure.After(sum.LastFailure) {
			sum.LastFailure = s.LastFailure
		}
		sum.MeanFirstContent = max(sum.MeanFirstContent, s.MeanFirstContent)
	}
	return sum
}
