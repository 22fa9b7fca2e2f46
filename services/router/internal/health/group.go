package health

import (
	"maps"
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
	config atomic.Pointer[Config]

	mu        sync.RWMutex
	models    map[string]*Monitor
	observers []func(Event)
}

// maxModels bounds the monitors of a target whose clients may name any model;
// those beyond share one.
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

// NewGroup makes a group that has seen nothing.
func NewGroup(options ...Option) *Group {
	g := &Group{models: make(map[string]*Monitor), now: time.Now}
	g.Configure(Config{})
	for _, o := range options {
		o(g)
	}
	return g
}

// Configure changes how the models are judged; what was seen of them stays.
func (g *Group) Configure(c Config) { g.config.Store(&c) }

// Observe has f called with every change of state that this process saw itself.
// It must return at once and change no monitor.
func (g *Group) Observe(f func(Event)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.observers = append(g.observers, f)
}

// AllowRetry says whether the target may be asked once more after a failure.
// Yes counts as a retry.
func (g *Group) AllowRetry(time.Time) bool { return true }

// Of returns the monitor of a model.
func (g *Group) Of(model string) *Monitor {
	g.mu.RLock()
	m, ok := g.models[model]
	g.mu.RUnlock()
	if ok {
		return m
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.models) >= maxModels {
		model = otherModels
	}
	if m, ok := g.models[model]; ok {
		return m
	}
	m = NewMonitor()
	g.models[model] = m
	return m
}

// Models lists the models that were asked for, sorted.
func (g *Group) Models() []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.Sorted(maps.Keys(g.models))
}

// Seen sums what was seen of all of them.
func (g *Group) Seen() Seen {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var sum Seen
	for _, m := range g.models {
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
