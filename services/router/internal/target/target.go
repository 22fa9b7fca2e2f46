// Package target holds the targets as they run: configuration, adapter, health.
package target

import (
	"fmt"
	"reflect"

	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Target is a provider deployment that can be called.
type Target struct {
	provider.Target
	// Adapter calls it.
	Adapter provider.Adapter
	// Lacks is what its provider cannot do.
	Lacks capability.Set
	// Health is what was seen of it.
	Health *Health
}

// Kind is a provider that targets may have.
type Kind struct {
	New   provider.Factory
	Lacks capability.Set
}

// Build makes the targets of a configuration. One whose configuration is the
// same as before keeps its adapter, with its connections, and its health; a
// changed one keeps its health only.
func Build(cfg []provider.Target, kinds map[string]Kind, before []*Target) ([]*Target, error) {
	old := make(map[string]*Target, len(before))
	for _, t := range before {
		old[t.Name] = t
	}
	built := make([]*Target, 0, len(cfg))
	for _, c := range cfg {
		kind, ok := kinds[c.Provider]
		if !ok {
			return nil, fmt.Errorf("build target %s: no provider %q", c.Name, c.Provider)
		}
		c.Timeouts = c.Timeouts.WithDefaults()
		t := &Target{Target: c, Lacks: kind.Lacks, Health: &Health{}}
		if was := old[c.Name]; was != nil {
			t.Health = was.Health
			if reflect.DeepEqual(was.Target, c) {
				t.Adapter = was.Adapter
			}
		}
		if t.Adapter == nil {
			adapter, err := kind.New(c)
			if err != nil {
				return nil, fmt.Errorf("build target %s: %w", c.Name, err)
			}
			t.Adapter = adapter
		}
		built = append(built, t)
	}
	return built, nil
}
