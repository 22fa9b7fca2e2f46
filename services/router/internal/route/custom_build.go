package route

import (
	"fmt"

	"github.com/tollgate/tollgate/services/router/internal/route/expr"
)

// custom are the rules of a route, ready for use: conditions are compiled, and
// targets are places in the route's list.
type custom struct {
	rules []customRule
	costs bool // some condition looks at costs
}

type customRule struct {
	*Rule
	when    *expr.Condition // nil holds always
	barred  []bool          // by the index of Route.Targets, as below; nil for none
	tiers   []uint16        // 1 for the first that is preferred; 0 for none
	factors []float64
	set     *Defaults
	targets bool // it does something to targets
}

// newCustom makes rules that Validate has found good; nil if there are none.
func newCustom(e *Entry) (*custom, error) {
	if len(e.Rules) == 0 {
		return nil, nil
	}
	places := make([]place, len(e.Targets))
	for i, ref := range e.Targets {
		places[i] = place{&e.deployments[i].Target.Target, e.modelOf(ref, e.deployments[i].Target.Models)}
	}
	c := &custom{rules: make([]customRule, len(e.Rules))}
	for i := range e.Rules {
		made, err := newCustomRule(&e.Rules[i], places)
		if err != nil {
			return nil, err
		}
		c.rules[i] = made
		c.costs = c.costs || made.when != nil && made.when.UsesCost()
	}
	return c, nil
}

func newCustomRule(rule *Rule, places []place) (customRule, error) {
	r := customRule{Rule: rule}
	if rule.When != "" {
		when, err := expr.Compile(rule.When)
		if err != nil {
			return r, fmt.Errorf("rule %s: %w", rule.Name, err)
		}
		r.when = when
	}
	if len(rule.Forbid)+len(rule.Only) > 0 {
		r.barred = indexes(rule.Forbid, places)
		if len(rule.Only) > 0 {
			for i, allowed := range indexes(rule.Only, places) {
				r.barred[i] = r.barred[i] || !allowed
			}
		}
	}
	if len(rule.Prefer) > 0 {
		r.tiers = make([]uint16, len(places))
		for n := len(rule.Prefer) - 1; n >= 0; n-- {
			for i, chosen := range indexes(rule.Prefer[n:n+1], places) {
				if chosen {
					r.tiers[i] = uint16(n + 1)
				}
			}
		}
	}
	if len(rule.Reweight) > 0 {
		r.factors = make([]float64, len(places))
		for i, p := range places {
			r.factors[i] = 1
			if factor, ok := rule.Reweight[p.target.Name]; ok {
				r.factors[i] = factor
			}
		}
	}
	if !rule.Set.empty() {
		r.set = &rule.Set.Defaults
	}
	r.targets = r.barred != nil || r.tiers != nil || r.factors != nil
	return r, nil
}

// over puts defaults over others: what the first do not set is taken from the second.
func (d *Defaults) over(base *Defaults) *Defaults {
	merged := *d
	merged.Temperature = or(d.Temperature, base.Temperature)
	merged.TopP = or(d.TopP, base.TopP)
	merged.TopK = or(d.TopK, base.TopK)
	merged.MaxOutputTokens = or(d.MaxOutputTokens, base.MaxOutputTokens)
	merged.Seed = or(d.Seed, base.Seed)
	merged.PresencePenalty = or(d.PresencePenalty, base.PresencePenalty)
	merged.FrequencyPenalty = or(d.FrequencyPenalty, base.FrequencyPenalty)
	merged.Stop = stops(d.Stop, base.Stop)
	return &merged
}
