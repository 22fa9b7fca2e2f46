package route

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/jurisdiction"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Table finds the route of a model. It does not change once it is made.
type Table struct {
	exact    map[string]*Entry
	patterns []*Entry // the longest first
	entries  []*Entry // in the order of the configuration
}

// Entry is a route, ready for use.
type Entry struct {
	Route
	targets  []*target.Target // by the index of Route.Targets
	strategy strategy
	kind     kind
	world    Surroundings

	monitors []*health.Monitor // by the same index; nil where the model depends on the request
	homes    []string          // jurisdictions of the targets' regions, likewise
	upstream []string          // the targets' own names of the model, likewise; empty where it depends on the request
	known    []*catalog.Model  // what is known of that
	rates    []Rate            // likewise, and nil without prices
	names    []uint64          // hashes of target and model, by the same index
	canary   int               // its index; -1 for none
	priced   bool              // costs are needed for every decision
	pays     bool              // some target is provisioned

	shadow  *Entry  // how the route's shadow is asked; nil for none
	custom  *custom // the operator's own rules; nil for none
	judge   *judge  // nil if every answer is good enough
	dice    *dice
	turns   turns
	prober  prober
	outputs outputs
}

// Surroundings are what routes look at besides the request. Without a catalogue
// nothing is known of models, and without prices nothing of costs.
type Surroundings struct {
	Targets []*target.Target
	Models  *catalog.Catalog
	Prices  Prices
	// Seed makes draws repeatable; 0 takes another each time.
	Seed uint64
}

// Prices says what requests cost.
type Prices interface {
	// Cost is what so many tokens cost with a model, nano-USD, and whether that
	// is known. It never waits.
	Cost(provider, model, region string, input, output int64) (int64, bool)
	// Of is Cost for one model, for those who ask often.
	Of(provider, model, region string) Rate
	// Learn waits until it is known what so much input costs, or that this has no
	// price, or for ctx.
	Learn(ctx context.Context, provider, model, region string, input int64)
}

// Rate is what one model costs; see Prices.Cost.
type Rate interface {
	Cost(input, output int64) (int64, bool)
}

// NewTable makes a table of routes that Validate has found good.
func NewTable(routes []Route, w Surroundings) (*Table, error) {
	t := &Table{exact: make(map[string]*Entry, len(routes))}
	for _, r := range routes {
		e, err := newEntry(r, w)
		if err != nil {
			return nil, fmt.Errorf("build route %q: %w", r.Model, err)
		}
		t.entries = append(t.entries, e)
		if isPattern(r.Model) {
			t.patterns = append(t.patterns, e)
		} else {
			t.exact[r.Model] = e
		}
	}
	slices.SortStableFunc(t.patterns, func(a, b *Entry) int { return cmp.Compare(literals(b.Model), literals(a.Model)) })
	return t, nil
}

// literals is how much of a pattern is text.
func literals(pattern string) int { return len(pattern) - strings.Count(pattern, "*") }

func newEntry(r Route, w Surroundings) (*Entry, error) {
	r.Policy = resource("policies", r.Policy)
	r.Template = resource("templates", r.Template)
	r.Collections = slices.Clone(r.Collections)
	for i, c := range r.Collections {
		r.Collections[i] = resource("collections", c)
	}
	r.Strategy = r.strategy()
	e := &Entry{Route: r, world: w}
	for _, ref := range r.Targets {
		i := slices.IndexFunc(w.Targets, func(t *target.Target) bool { return t.Name == ref.Name })
		if i < 0 {
			return nil, fmt.Errorf("no target is named %q", ref.Name)
		}
		e.targets = append(e.targets, w.Targets[i])
	}
	var err error
	if e.judge, err = newJudge(r.Cascade); err != nil {
		return nil, err
	}
	known, ok := strategies[r.Strategy]
	if !ok {
		return nil, fmt.Errorf("%q is not a strategy", r.Strategy)
	}
	e.kind, e.strategy, e.dice = known, known.make(e), newDice(w.Seed)
	rules, err := newCustom(e)
	if err != nil {
		return nil, err
	}
	e.custom = rules
	if e.shadow, err = newShadow(r, w); err != nil {
		return nil, err
	}
	e.prepare()
	return e, nil
}

// prepare looks up what is the same for all requests.
func (e *Entry) prepare() {
	n := len(e.Targets)
	e.homes, e.upstream, e.known = make([]string, n), make([]string, n), make([]*catalog.Model, n)
	e.monitors, e.rates, e.names = make([]*health.Monitor, n), make([]Rate, n), make([]uint64, n)
	for i, ref := range e.Targets {
		e.names[i] = uint64(hash(0).text(ref.Name).text(ref.Model))
		e.homes[i] = jurisdiction.Of(e.targets[i].Region)
		if model, ok := e.fixedModel(i); ok {
			e.upstream[i], e.known[i] = model, e.world.Models.Find(model)
			e.attach(i, model)
		}
		e.pays = e.pays || e.targets[i].Capacity != nil
	}
	e.canary = -1
	if e.Canary != nil {
		e.canary = indexOf(e.Targets, e.Canary.Target, e.Canary.Model)
	}
	e.priced = e.kind.priced || e.pays || e.custom != nil && e.custom.costs
}

// fixedModel is the i-th target's own name of the model, if it is the same for
// all requests.
func (e *Entry) fixedModel(i int) (string, bool) {
	name := e.Targets[i].Model
	if name == "" {
		name = e.Model
		if isPattern(name) {
			return "", false
		}
	}
	return e.targets[i].Models.Upstream(name)
}

// attach finds what watches and prices the only model of the i-th target.
func (e *Entry) attach(i int, model string) {
	t := e.targets[i]
	if t.Monitors != nil {
		e.monitors[i] = t.Monitors.Keep(model)
	}
	if e.world.Prices != nil {
		e.rates[i] = e.world.Prices.Of(t.Provider, model, t.Region)
	}
}

// monitor is what watches a model on the i-th target; nil if nobody does.
func (e *Entry) monitor(i int, model string) *health.Monitor {
	if m := e.monitors[i]; m != nil || e.targets[i].Monitors == nil {
		return m
	}
	return e.targets[i].Monitors.Of(model)
}

// Match finds the route of a model: an exact name before a pattern, a longer
// pattern before a shorter one.
func (t *Table) Match(model string) (*Entry, bool) {
	if e, ok := t.exact[model]; ok {
		return e, true
	}
	for _, e := range t.patterns {
		if matches(e.Model, model) {
			return e, true
		}
	}
	return nil, false
}
