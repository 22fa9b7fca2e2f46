package route

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/catalog"
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
	deployments []Deployment // by the index of Route.Targets
	strategy    strategy
	kind        kind
	world       Surroundings
	canary      int  // its index; -1 for none
	priced      bool // costs are needed for every decision
	pays        bool // some target is provisioned

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
	for n, ref := range r.Targets {
		i := slices.IndexFunc(w.Targets, func(t *target.Target) bool { return t.Name == ref.Name })
		if i < 0 {
			return nil, fmt.Errorf("no target is named %q", ref.Name)
		}
		e.deployments = append(e.deployments, e.deploy(n, w.Targets[i]))
		e.pays = e.pays || w.Targets[i].Capacity != nil
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
	e.canary = -1
	if e.Canary != nil {
		e.canary = indexOf(e.Targets, e.Canary.Target, e.Canary.Model)
	}
	e.priced = e.kind.priced || e.pays || e.custom != nil && e.custom.costs
	return e, nil
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
