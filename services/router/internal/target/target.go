// Package target holds the targets as they run: configuration, adapter, health.
package target

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/capacity"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/fault"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// Target is a provider deployment that can be called.
type Target struct {
	provider.Target
	// Adapter calls it.
	Adapter provider.Adapter
	// Dialect is the wire format that the adapter writes; empty if it reads the
	// canonical form.
	Dialect string
	// Lacks is what its provider cannot do, whatever the model; Wire is what its
	// wire format cannot express.
	Lacks, Wire capability.Set
	// Monitors watch its models.
	Monitors *health.Group
	// Capacity measures what is used of it, if it is provisioned; else nil.
	Capacity *capacity.Meter
	// Places bound how many attempts it takes at once; nil sets no bound.
	Places *concurrency.Limiter
	// Quota holds it to what its provider grants us; nil grants everything.
	Quota *quota.Gate
	// Faults is what a drill injects: whoever calls the adapter passes the
	// context through it.
	Faults *fault.Switch

	also       []string
	discoverer provider.Discoverer
	checks     *checks // nil for none
}

// Kind is a provider that targets may have.
type Kind struct {
	// New makes the adapter.
	New provider.Factory
	// Dialect is the wire format that it speaks; empty if it reads the canonical form.
	Dialect string
	// Also names other dialects whose requests it passes on as they are.
	Also []string
	// Lacks is what the provider cannot do, whatever the model.
	Lacks capability.Set
	// NeedsURL is set if only the target's base_url says where its API begins.
	NeedsURL bool
	// Unchecked is set if its adapter cannot find out whether the provider works:
	// it is no provider.Prober.
	Unchecked bool
	// Validate reports faults of a target that only this kind knows of; may be nil.
	Validate func(provider.Target, *config.Validator)
}

// Passes says whether requests of a dialect go through as the client wrote them.
func (t *Target) Passes(dialect string) bool {
	return dialect != "" && (dialect == t.Dialect || slices.Contains(t.also, dialect))
}

// MayOffer says whether the target's provider offers a model where the target
// computes; true as long as the provider has not said so.
func (t *Target) MayOffer(model string) bool {
	return t.discoverer == nil || t.offers(model)
}

func (t *Target) offers(model string) bool {
	known, offered := t.discoverer.Offers(model)
	return offered || !known
}

// Offerings is what the provider offers where the target computes; nil if that
// is not known.
func (t *Target) Offerings() []provider.Offering {
	if t.discoverer == nil {
		return nil
	}
	return t.discoverer.Offerings()
}

// Retire ends what targets do by themselves that served before and do not now. Requests under way are not disturbed.
func Retire(before, now []*Target) {
	used := make(map[io.Closer]bool, len(now))
	for _, t := range now {
		for _, c := range t.closers() {
			used[c] = true
		}
	}
	for _, t := range before {
		for _, c := range t.closers() {
			if !used[c] {
				_ = c.Close() // drops idle connections; what is left goes by itself
			}
		}
	}
}

// closers are what the target does by itself: checks before the adapter that
// they use.
func (t *Target) closers() []io.Closer {
	var all []io.Closer
	if t.checks != nil {
		all = append(all, t.checks)
	}
	if c, ok := t.Adapter.(io.Closer); ok {
		all = append(all, c)
	}
	return all
}

// wire is what a target's wire format cannot express, but for what its quirks add.
func wire(dialect string, q provider.Quirks) capability.Set {
	lacks := capability.Wire(dialect)
	if q.TopK {
		lacks &^= capability.TopK
	}
	if q.Reasoning == "reasoning" {
		lacks &^= capability.ReasoningBudget
	}
	switch q.Thinking {
	case "reasoning_details":
		lacks &^= capability.ThinkingHistory | capability.UnsignedThinking
	case "reasoning_content":
		lacks &^= capability.UnsignedThinking
	}
	return lacks
}

// Build makes the targets of a configuration. One whose configuration is the
// same as before keeps its adapter, with its connections, and its monitors; a
// changed one keeps its monitors only. Observers are told of changes of state.
func Build(cfg []provider.Target, kinds map[string]Kind, before []*Target, observers ...func(health.Event)) ([]*Target, error) {
	old := make(map[string]*Target, len(before))
	for _, t := range before {
		old[t.Name] = t
	}
	built := make([]*Target, 0, len(cfg))
	for _, c := range cfg {
		t, err := build(c, kinds, old[c.Name], observers)
		if err != nil {
			Retire(built, before)
			return nil, fmt.Errorf("build target %s: %w", c.Name, err)
		}
		built = append(built, t)
	}
	for _, t := range built { // only now, so that a fault above leaves nothing running
		t.check(old[t.Name])
	}
	return built, nil
}

// build makes one target; was is nil if there was none of its name.
func build(c provider.Target, kinds map[string]Kind, was *Target, observers []func(health.Event)) (*Target, error) {
	kind, ok := kinds[c.Provider]
	if !ok {
		return nil, fmt.Errorf("no provider %q", c.Provider)
	}
	c.Timeouts = c.Timeouts.WithDefaults()
	t := &Target{
		Target: c, Dialect: kind.Dialect, also: kind.Also,
		Lacks: kind.Lacks, Wire: wire(kind.Dialect, c.Quirks), Places: concurrency.New(c.Concurrency),
		Faults: &fault.Switch{}, Capacity: capacity.New(c.Provisioned, nil, time.Now()),
	}
	t.watch(was, observers)
	if was != nil {
		t.Places, t.Faults = was.Places, was.Faults
		t.Places.Configure(c.Concurrency)
		t.Capacity = capacity.New(c.Provisioned, was.Capacity, time.Now())
		if sameButHealth(was.Target, c) {
			t.Adapter = was.Adapter
		}
	}
	if t.Adapter == nil {
		adapter, err := kind.New(c)
		if err != nil {
			return nil, err
		}
		t.Adapter = adapter
	}
	t.discoverer, _ = t.Adapter.(provider.Discoverer)
	return t, nil
}
