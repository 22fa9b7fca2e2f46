// Package route decides which targets a request may go to, and in which order
// they are tried.
package route

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Route says who answers for a model, and under which rules. It is a list
// element of the configuration.
type Route struct {
	// Model is what clients ask for: a name, or a pattern in which "*" stands
	// for any text. An exact name wins over a pattern, a longer pattern over a
	// shorter one.
	Model string `yaml:"model"`
	// Strategy orders the targets; empty means priority.
	Strategy string `yaml:"strategy"`
	// Targets may answer.
	Targets []Ref `yaml:"targets"`
	// Policy is the guardrail policy, with or without "policies/"; empty means default.
	Policy string `yaml:"policy"`
	// Collections enrich the prompt, with or without "collections/".
	Collections []string `yaml:"collections"`
	// Template phrases the context, with or without "templates/".
	Template string `yaml:"template"`
	// ContextTokens is the most that context may have; 0 means the rag service's default.
	ContextTokens int32 `yaml:"context_tokens"`
	// MaxOutputTokens is held for a request that sets no limit; 0 means router.limits.output_tokens.
	MaxOutputTokens int64 `yaml:"max_output_tokens"`
	// DropUnsupported lets parameters go that a target cannot be told, instead of
	// refusing the request; the answer lists them.
	DropUnsupported bool `yaml:"drop_unsupported"`
	// Residency is the jurisdiction that the route's requests must not leave, and
	// Compliance the class that its targets must have; empty for none. Keys and
	// callers can narrow it further.
	Residency  string `yaml:"residency"`
	Compliance string `yaml:"compliance"`
	// Rules are the operator's own.
	Rules []Rule `yaml:"rules"`
	// Defaults apply where the client sets nothing, on every target alike.
	Defaults Defaults `yaml:"defaults"`
	// Instructions are put before the client's own.
	Instructions Instructions `yaml:"instructions"`
	// Cache keeps answers and gives them again; nil keeps none.
	Cache *Cache `yaml:"cache"`
	// PromptCache is auto where marks of what providers may keep in their prompt
	// cache are placed for clients that place none.
	PromptCache string `yaml:"prompt_cache"`
	// Shadow sends some requests to another target as well; nil sends none.
	Shadow *Shadow `yaml:"shadow"`
	// Sticky keeps requests that belong together on one target.
	Sticky Sticky `yaml:"sticky"`
	// UseCase is what the route is for: it chooses what counts under the strategy
	// score, which Score says itself; nil leaves that to UseCase.
	UseCase string `yaml:"use_case"`
	Score   *Score `yaml:"score"`
	// Tasks are the targets for what requests may be for, by the task's name.
	Tasks map[string]Task `yaml:"tasks"`
	// Canary gives one target an exact share; nil for none.
	Canary *Canary `yaml:"canary"`
	// Hedge asks another target beside one that lets us wait.
	Hedge Hedge `yaml:"hedge"`
	// Recovery goes on with streams that break off.
	Recovery Recovery `yaml:"recovery"`
	// Cascade says which answers are good enough not to ask the next candidate.
	Cascade Cascade `yaml:"cascade"`
	// FailoverOn lists what leads to the next target that else would be returned.
	FailoverOn Failovers `yaml:"failover_on"`
	// WhenUnhealthy says what happens when no target is healthy: degraded, the
	// default, asks them with a few requests a second, refuse asks none.
	WhenUnhealthy string `yaml:"when_unhealthy"`
}

// Ref is a target in a route: its name, or a mapping.
type Ref struct {
	// Name is the target's name.
	Name string `yaml:"name"`
	// Model is the model to ask for there, as the target's models list it;
	// empty means the name that the client used.
	Model string `yaml:"model"`
	// Weight is the target's share under strategies that share; 1 if not given.
	// With 0 it is tried only after the others.
	Weight int `yaml:"weight"`
	// Quality is how good its answers are, above 0 and at most 1, for the strategy
	// score; 0 takes what the catalogue says.
	Quality float64 `yaml:"quality"`
}

// UnmarshalConfig reads a name or a mapping.
func (r *Ref) UnmarshalConfig(n *config.Node) {
	*r = Ref{Weight: 1}
	if n.IsScalar() {
		r.Name = n.Text()
		return
	}
	type plain Ref
	n.Decode((*plain)(r))
}

const maxWeight = 10000

// Validate reports every fault of the routes at v, which stands at the list.
func Validate(v *config.Validator, routes []Route, targets []provider.Target) {
	seen := make(map[string]int, len(routes))
	for i, r := range routes {
		at := v.Index(i)
		if first, ok := seen[r.Model]; ok && r.Model != "" {
			at.Fail("model", "%q has a route already: routes[%d]", r.Model, first)
		}
		seen[r.Model] = i
		r.validate(at, targets)
	}
}

func (r Route) validate(v *config.Validator, targets []provider.Target) {
	if r.Model == "" {
		v.Fail("model", `is required: a model's name, a pattern such as "gpt-*", or "*" for any`)
	}
	if _, ok := strategies[r.strategy()]; !ok {
		v.Fail("strategy", "%q is not a strategy", r.Strategy).WithHelp("use %s", strings.Join(Strategies(), ", "))
	}
	if len(r.Targets) == 0 {
		v.Fail("targets", "is required: at least one target")
	}
	if r.ContextTokens < 0 {
		v.Fail("context_tokens", "must not be negative")
	}
	if r.MaxOutputTokens < 0 {
		v.Fail("max_output_tokens", "must not be negative")
	}
	r.validatePlace(v, targets)
	r.validateRules(v.At("rules"), targets)
	r.Defaults.validate(v.At("defaults"))
	r.Cache.validate(v.At("cache"))
	r.Shadow.validate(v.At("shadow"), &r, targets)
	if r.PromptCache != "" && r.PromptCache != PromptCacheAuto {
		v.Fail("prompt_cache", "%q is not known", r.PromptCache).WithHelp("use auto, or leave it out")
	}
	r.Sticky.validate(v.At("sticky"))
	validateWhenUnhealthy(v, r.WhenUnhealthy)
	r.Canary.validate(v.At("canary"), &r)
	validateUseCase(v, r.UseCase)
	r.Score.validate(v.At("score"))
	r.validateTasks(v)
	r.Instructions.validate(v.At("instructions"), targets)
	r.Hedge.validate(v.At("hedge"))
	r.Recovery.validate(v.At("recovery"))
	r.Cascade.validate(v.At("cascade"))
	r.FailoverOn.validate(v.At("failover_on"))
	total := 0
	for i, ref := range r.Targets {
		at := v.At("targets").Index(i)
		total += max(0, ref.Weight)
		if ref.Weight < 0 || ref.Weight > maxWeight {
			at.Fail("weight", "must be from 0 to %d", maxWeight)
		}
		if !(ref.Quality >= 0 && ref.Quality <= 1) {
			at.Fail("quality", "must be above 0 and at most 1")
		}
		if slices.Index(r.Targets, ref) != i {
			at.Fail("name", "%q stands twice in this route", ref.Name)
		}
		r.validateRef(at, ref, targets)
	}
	if (strategies[r.strategy()].weighs || r.Sticky.On()) && len(r.Targets) > 0 && total == 0 {
		v.Fail("targets", "all weights are 0")
	}
}

func (r Route) validateRef(v *config.Validator, ref Ref, targets []provider.Target) {
	i := slices.IndexFunc(targets, func(t provider.Target) bool { return t.Name == ref.Name })
	if i < 0 {
		known := make([]string, len(targets))
		for i, t := range targets {
			known[i] = t.Name
		}
		v.Fail("name", "no target is named %q", ref.Name).WithHelp("the targets are %s", strings.Join(known, ", "))
		return
	}
	models := targets[i].Models
	if ref.Model != "" {
		if _, ok := models.Upstream(ref.Model); !ok {
			v.Fail("model", "target %s does not list the model %q", ref.Name, ref.Model).
				WithHelp("its models are %s", strings.Join(models.Names(), ", "))
		}
		return
	}
	if isPattern(r.Model) || r.Model == "" {
		return // which models come is known only when they come
	}
	if _, ok := models.Upstream(r.Model); !ok {
		v.Fail("name", "target %s does not list the model %q", ref.Name, r.Model).
			WithHelp("name one of its models: {name: %s, model: …}", ref.Name)
	}
}

func (r Route) strategy() string {
	if r.Strategy == "" {
		return priority
	}
	return r.Strategy
}

// resource makes a resource name of a bare one; empty stays empty.
func resource(kind, name string) string {
	if name == "" || strings.HasPrefix(name, kind+"/") {
		return name
	}
	return kind + "/" + name
}
