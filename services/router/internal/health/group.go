package health

import (
	"maps"
	"slices"
	"sync"
)

// Group holds the monitors of a target, one for each model. It is safe for
// concurrent use, and outlives the target's configuration.
type Group struct {
	mu     sync.RWMutex
	models map[string]*Monitor
}

// maxModels bounds the monitors of a target whose clients may name any model;
// those beyond share one.
const maxModels = 256

// otherModels is what the monitor of those is called.
const otherModels = "*"

// NewGroup makes a group that has seen nothing.
func NewGroup() *Group { return &Group{models: make(map[string]*Monitor)} }

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
