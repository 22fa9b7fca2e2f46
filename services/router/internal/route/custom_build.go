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
	when      *expr.Condition // nil holds always
	barred    []int           // indexes in Route.Targets
	preferred []preference
	factors   []float64 // by the index of Route.Targets; nil for none
	set       *Defaults
	alone     *Defaults // set over the route's own
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
		made, err := newCustomRule(&e.Rules[i], &e.Defaults, places)
		if err != nil {
			return nil, err
		}
		c.rules[i] = made
		c.costs = c.costs || made.when != nil && made.when.UsesCost()
	}
	return c, nil
}

// preference is a target that a rule prefers, and its place among those, from 1.
type preference struct {
	ref  int
	tier uint16
}

func newCustomRule(rule *Rule, own *Defaults, places []place) (customRule, error) {
	r := customRule{Rule: rule}
	if rule.When != "" {
		when, err := expr.Compile(rule.When)
		if err != nil {
			return r, fmt.Errorf("rule %s: %w", rule.Name, err)
		}
		r.when = when
	}
	forbidden, allowed := indexes(rule.Forbid, places), indexes(rule.Only, places)
	for i := range places {
		if forbidden[i] || len(rule.Only) > 0 && !allowed[i] {
			r.barred = append(r.barred, i)
		}
		for n := range rule.Prefer {
			if indexes(rule.Prefer[n:n+1], places)[i] {
				r.preferred = append(r.preferred, preference{i, uint16(n + 1)})
				break
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
		r.set, r.alone = &rule.Set.Defaults, rule.Set.over(own)
	}
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
