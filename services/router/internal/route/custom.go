package route

import (
	"math"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route/expr"
)

// Rule is a rule of the operator's own: what happens to requests for which a
// condition holds. Rules are asked in their order.
type Rule struct {
	// Name is unique in the route; decisions and traces show it.
	Name string `yaml:"name"`
	// When is a condition in CEL; empty holds always.
	When string `yaml:"when"`
	// Prefer puts targets first, in this order, as long as they are healthy.
	Prefer []Selector `yaml:"prefer"`
	// Forbid rules targets out; Only all others.
	Forbid []Selector `yaml:"forbid"`
	Only   []Selector `yaml:"only"`
	// Reweight multiplies the share or score of targets, by their names.
	Reweight map[string]float64 `yaml:"reweight"`
	// Set gives parameters.
	Set Parameters `yaml:"set"`
	// Stop leaves the rules that follow unasked.
	Stop bool `yaml:"stop"`
}

// Parameters are those that a rule sets.
type Parameters struct {
	Defaults `yaml:",inline"`
	// Override replaces what the client itself has set; without it the values
	// apply only where the client has set nothing.
	Override bool `yaml:"override"`
}

// Selector names targets of a route. All that is given must fit.
type Selector struct {
	// Name, Provider, Region and Model may be patterns, such as "us-*"; the model
	// is the one that the target is asked for.
	Name     string `yaml:"name"`
	Provider string `yaml:"provider"`
	Region   string `yaml:"region"`
	Model    string `yaml:"model"`
	// Residency and Compliance are as targets have them.
	Residency  string `yaml:"residency"`
	Compliance string `yaml:"compliance"`
	// Labels are labels of the target, whose values may be patterns.
	Labels map[string]string `yaml:"labels"`
}

// UnmarshalConfig reads a name or a mapping.
func (s *Selector) UnmarshalConfig(n *config.Node) {
	*s = Selector{}
	if n.IsScalar() {
		s.Name = n.Text()
		return
	}
	type plain Selector
	n.Decode((*plain)(s))
}

func (s *Selector) empty() bool {
	return s.Name == "" && s.Provider == "" && s.Region == "" && s.Model == "" && s.Residency == "" && s.Compliance == "" &&
		len(s.Labels) == 0
}

// fits says whether the selector names a target of a route, which is asked for
// a model there.
func (s *Selector) fits(t *provider.Target, model string) bool {
	fits := func(pattern, value string) bool { return pattern == "" || matches(pattern, value) }
	for name, pattern := range s.Labels {
		if value, ok := t.Labels[name]; !ok || !matches(pattern, value) {
			return false
		}
	}
	return fits(s.Name, t.Name) && fits(s.Provider, t.Provider) && fits(s.Region, t.Region) && fits(s.Model, model) &&
		(s.Residency == "" || t.Within(s.Residency, model)) && (s.Compliance == "" || t.Certified(s.Compliance))
}

// Bounds of rules.
const (
	maxRules   = 64 // as many as fit the bits of a word
	maxFactor  = 1000
	maxPrefers = 250
)

// validateRules reports every fault of the route's rules.
func (r Route) validateRules(v *config.Validator, targets []provider.Target) {
	if len(r.Rules) > maxRules {
		v.Fail("", "has %d rules; the most is %d", len(r.Rules), maxRules)
	}
	seen := make(map[string]int, len(r.Rules))
	for i := range r.Rules {
		rule, at := &r.Rules[i], v.Index(i)
		switch first, ok := seen[rule.Name]; {
		case strings.TrimSpace(rule.Name) == "":
			at.Fail("name", "is required: decisions show it")
		case ok:
			at.Fail("name", "%q is the name of rules[%d] already", rule.Name, first)
		}
		seen[rule.Name] = i
		rule.validate(at, r, targets)
	}
}

func (rule *Rule) validate(v *config.Validator, r Route, targets []provider.Target) {
	if rule.When != "" {
		if _, err := expr.Compile(rule.When); err != nil {
			v.Fail("when", "%s", err).WithHelp("its variables are %s", strings.Join(expr.Variables(), ", "))
		}
	}
	if rule.idle() {
		v.Fail("", "does nothing").WithHelp("give it prefer, forbid, only, reweight, set or stop")
	}
	rule.Set.validate(v.At("set"))
	if rule.Set.Override && rule.Set.empty() {
		v.Fail("set.override", "has nothing to override with")
	}
	if len(rule.Prefer) > maxPrefers {
		v.Fail("prefer", "must not have more than %d entries", maxPrefers)
	}
	places := r.places(targets)
	for name, list := range map[string][]Selector{"prefer": rule.Prefer, "forbid": rule.Forbid, "only": rule.Only} {
		for i := range list {
			switch at := v.At(name).Index(i); {
			case list[i].empty():
				at.Fail("", "is empty").WithHelp("name a target, or give its provider, region, model, residency, compliance or labels")
			case !selects(list[i:i+1], places):
				at.Fail("", "selects none of the route's targets")
			}
		}
	}
	for name, factor := range rule.Reweight {
		if !selects([]Selector{{Name: name}}, places) {
			v.At("reweight").Key(name).Fail("", "no target of the route is named %q", name)
		}
		if math.IsNaN(factor) || factor < 0 || factor > maxFactor {
			v.At("reweight").Key(name).Fail("", "must be from 0 to %d", maxFactor)
		}
	}
}

func (rule *Rule) idle() bool {
	return len(rule.Prefer)+len(rule.Forbid)+len(rule.Only)+len(rule.Reweight) == 0 && rule.Set.empty() && !rule.Stop
}

// place is a target of a route, with the model that it is asked for.
type place struct {
	target *provider.Target
	model  string
}

// places lists the targets of a route by the index of Route.Targets; nil stands
// for one that there is not. Where the model depends on the request, it is left open.
func (r Route) places(targets []provider.Target) []place {
	list := make([]place, len(r.Targets))
	for i, ref := range r.Targets {
		for j := range targets {
			if targets[j].Name == ref.Name {
				list[i] = place{&targets[j], r.modelOf(ref, targets[j].Models)}
			}
		}
	}
	return list
}

// nameAt is the name by which a target is asked for its model, as it lists it;
// empty if that is the client's own.
func (r Route) nameAt(ref Ref) string {
	if ref.Model == "" && !isPattern(r.Model) {
		return r.Model
	}
	return ref.Model
}

func (r Route) modelOf(ref Ref, models provider.Models) string {
	name := r.nameAt(ref)
	if upstream, ok := models.Upstream(name); ok {
		return upstream
	}
	return name
}

func selects(list []Selector, places []place) bool {
	for _, chosen := range indexes(list, places) {
		if chosen {
			return true
		}
	}
	return false
}

// indexes says of every target of a route whether one of the selectors names it.
func indexes(list []Selector, places []place) []bool {
	set := make([]bool, len(places))
	for i, p := range places {
		for j := range list {
			set[i] = set[i] || p.target != nil && list[j].fits(p.target, p.model)
		}
	}
	return set
}
