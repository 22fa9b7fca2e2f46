package router

import (
	"maps"
	"slices"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/valkey"
)

// Target is a provider deployment: an element of the list `targets` at the top
// of the configuration.
type Target = provider.Target

// Route says who answers for a model: an element of the list `routes` at the
// top of the configuration.
type Route = route.Route

// Config is the section `router`.
type Config struct {
	// Targets and Routes stand at the top of the file, not in this section.
	// Without targets there is one, the built-in answerer; without routes every
	// target serves every model that it lists, in the order of the list.
	Targets []Target `yaml:"-"`
	Routes  []Route  `yaml:"-"`

	// RequestTimeout bounds a request, all attempts and the whole stream included.
	RequestTimeout config.Duration `yaml:"request_timeout"`
	// PeerTimeout bounds a call of another service: a hold, a check, an enrichment.
	PeerTimeout config.Duration `yaml:"peer_timeout"`
	// GuardrailUnavailable, BillingUnavailable and RagUnavailable say what happens
	// to requests while that service cannot be reached: closed refuses them, open
	// lets them pass without its work.
	GuardrailUnavailable Failure `yaml:"guardrail_unavailable"`
	BillingUnavailable   Failure `yaml:"billing_unavailable"`
	RagUnavailable       Failure `yaml:"rag_unavailable"`
	// ContextRules asks the rag service also about requests without collections
	// where the organisation has context rules, so that those apply everywhere.
	ContextRules bool `yaml:"context_rules"`
	// Models adds to what is known of models, and corrects it.
	Models []catalog.Entry `yaml:"models"`
	// Limits bound requests.
	Limits Limits `yaml:"limits"`
	// Attempts says how hard targets are tried.
	Attempts Attempts `yaml:"attempts"`
	// Spool keeps usage records until billing has them.
	Spool Spool `yaml:"spool"`
	// Responses are kept for previous_response_id.
	Responses Responses `yaml:"responses"`
	// Valkey is what several routers share; without an address each is alone.
	Valkey valkey.Config `yaml:"valkey"`
	// Cache keeps answers where a route says so.
	Cache Caching `yaml:"cache"`
}

// Failure is what happens while a dependency is unavailable.
type Failure string

// The ways to treat a failure.
const (
	// Closed refuses requests.
	Closed Failure = "closed"
	// Open lets them pass without the dependency's work.
	Open Failure = "open"
)

// Limits bound requests.
type Limits struct {
	// OutputTokens is what is held for an answer whose request and route set no limit.
	OutputTokens int64 `yaml:"output_tokens"`
	// ContextTokens is what is held for retrieved context whose route sets no limit.
	ContextTokens int64 `yaml:"context_tokens"`
	// InputMarginPercent is added to the estimated input of a hold.
	InputMarginPercent int64 `yaml:"input_margin_percent"`
	// Concurrency bounds how many requests run at once; the others wait or are
	// turned away, fairly between organisations.
	Concurrency concurrency.Config `yaml:"concurrency"`
	// Keys is how many keys' rates are remembered at once.
	Keys int `yaml:"keys"`
}

// Attempts says how hard targets are tried.
type Attempts struct {
	// Max bounds the attempts of one request over all targets.
	Max int `yaml:"max"`
	// Backoff is the most that the first retry waits; it doubles up to MaxBackoff.
	Backoff    config.Duration `yaml:"backoff"`
	MaxBackoff config.Duration `yaml:"max_backoff"`
	// MaxRetryAfter is the longest Retry-After that is waited for; with a longer
	// one the next target is tried.
	MaxRetryAfter config.Duration `yaml:"max_retry_after"`
}

// Spool keeps usage records until billing has them.
type Spool struct {
	// MaxBytes bounds the files; new requests are refused beyond.
	MaxBytes config.Bytes `yaml:"max_bytes"`
	// SegmentBytes is the size of one file.
	SegmentBytes config.Bytes `yaml:"segment_bytes"`
	// SyncInterval is how often writes are forced onto the disk; 0s means each
	// one. What was written survives the death of the process either way; the
	// interval bounds what the death of the machine can lose.
	SyncInterval config.Duration `yaml:"sync_interval"`
	// Window is how many records may await their acknowledgement.
	Window int `yaml:"window"`
	// DrainTimeout bounds how long a shutdown waits for acknowledgements; what
	// is left is sent after the next start.
	DrainTimeout config.Duration `yaml:"drain_timeout"`
}

// DefaultConfig answers every model with the built-in answerer, from the
// collection docs.
func DefaultConfig() Config {
	c := Config{
		RequestTimeout:       config.Duration(15 * time.Minute),
		PeerTimeout:          config.Duration(5 * time.Second),
		GuardrailUnavailable: Closed,
		BillingUnavailable:   Closed,
		RagUnavailable:       Open,
		ContextRules:         true,
		Limits:               Limits{OutputTokens: 4096, ContextTokens: 2048, InputMarginPercent: 25, Keys: 65536},
		Attempts: Attempts{
			Max: 20, Backoff: config.Duration(100 * time.Millisecond),
			MaxBackoff: config.Duration(5 * time.Second), MaxRetryAfter: config.Duration(5 * time.Second),
		},
		Spool: Spool{
			MaxBytes: 1 << 30, SegmentBytes: 4 << 20, SyncInterval: config.Duration(100 * time.Millisecond),
			Window: 1024, DrainTimeout: config.Duration(10 * time.Second),
		},
		Responses: defaultResponses,
		Cache:     defaultCaching,
	}
	return c.withTargets()
}

// withTargets fills in targets and routes that the file does not name.
func (c Config) withTargets() Config {
	if len(c.Targets) == 0 {
		c.Targets = []Target{{Name: "builtin", Provider: "builtin", Models: provider.NewModels("*")}}
	}
	if len(c.Routes) == 0 {
		all := Route{Model: "*", Strategy: "priority", Collections: []string{"docs"}}
		for _, t := range c.Targets {
			all.Targets = append(all.Targets, route.Ref{Name: t.Name, Weight: 1})
		}
		c.Routes = []Route{all}
	}
	return c
}

// Validate reports every fault of the section, at whose place v stands.
func (c Config) Validate(v *config.Validator) {
	positive := func(path string, value int64) {
		if value <= 0 {
			v.Fail(path, "must be more than 0")
		}
	}
	notNegative := func(path string, value int64) {
		if value < 0 {
			v.Fail(path, "must not be negative")
		}
	}
	positive("request_timeout", int64(c.RequestTimeout))
	positive("peer_timeout", int64(c.PeerTimeout))
	for path, f := range map[string]Failure{
		"guardrail_unavailable": c.GuardrailUnavailable, "billing_unavailable": c.BillingUnavailable,
		"rag_unavailable": c.RagUnavailable,
	} {
		if f != Closed && f != Open {
			v.Fail(path, "%q is neither closed nor open", string(f))
		}
	}
	catalog.Validate(v.At("models"), c.Models)
	positive("limits.output_tokens", c.Limits.OutputTokens)
	notNegative("limits.context_tokens", c.Limits.ContextTokens)
	notNegative("limits.input_margin_percent", c.Limits.InputMarginPercent)
	c.Limits.Concurrency.Validate(v.At("limits.concurrency"))
	positive("limits.keys", int64(c.Limits.Keys))
	if c.Attempts.Max < 1 || c.Attempts.Max > 1000 {
		v.Fail("attempts.max", "must be from 1 to 1000")
	}
	notNegative("attempts.backoff", int64(c.Attempts.Backoff))
	notNegative("attempts.max_backoff", int64(c.Attempts.MaxBackoff))
	notNegative("attempts.max_retry_after", int64(c.Attempts.MaxRetryAfter))
	positive("spool.segment_bytes", int64(c.Spool.SegmentBytes))
	if c.Spool.MaxBytes < 2*c.Spool.SegmentBytes {
		v.Fail("spool.max_bytes", "must be at least twice spool.segment_bytes")
	}
	notNegative("spool.sync_interval", int64(c.Spool.SyncInterval))
	positive("spool.window", int64(c.Spool.Window))
	notNegative("spool.drain_timeout", int64(c.Spool.DrainTimeout))
	c.Cache.Validate(v.At("cache"))
	c.Responses.Validate(v.At("responses"))
	c.Valkey.Validate(v.At("valkey"))
	for path, store := range map[string]string{"cache.store": c.Cache.Store, "responses.store": c.Responses.Store} {
		if store == inValkey && c.Valkey.Addr == "" {
			v.Fail(path, "is valkey, but router.valkey.addr is not set")
		}
	}
}

// ValidateTargets reports every fault of targets and routes; v stands at the
// top of the file.
func (c Config) ValidateTargets(v *config.Validator) {
	c.validateTargets(v, kinds())
}

// validateTargets knows which providers there are.
func (c Config) validateTargets(v *config.Validator, kinds map[string]target.Kind) {
	c = c.withTargets()
	known := slices.Sorted(maps.Keys(kinds))
	names := make(map[string]int, len(c.Targets))
	for i, t := range c.Targets {
		at := v.At("targets").Index(i)
		kind := kinds[t.Provider]
		t.Validate(at, known)
		if kind.NeedsURL && t.BaseURL == "" {
			at.Fail("base_url", "is required: where the provider's API begins, for example http://127.0.0.1:8000/v1")
		}
		if kind.Unchecked && t.Health.Check.Interval > 0 {
			at.Fail("health_check", "cannot be made: nothing tells cheaply whether %s works", t.Provider).
				WithHelp("leave it out: failures of requests are seen anyway")
		}
		if kind.Validate != nil {
			kind.Validate(t, at)
		}
		if first, ok := names[t.Name]; ok && t.Name != "" {
			at.Fail("name", "%q is the name of targets[%d] already", t.Name, first)
		}
		names[t.Name] = i
	}
	route.Validate(v.At("routes"), c.Routes, c.Targets)
}

// section is the configuration without targets and routes, for comparison.
type section struct {
	requestTimeout, peerTimeout config.Duration
	guardrail, billing, rag     Failure
	contextRules                bool
	limits                      Limits
	attempts                    Attempts
	spool                       Spool
	responses                   Responses
	cache                       Caching
}

func (c Config) section() section {
	return section{
		c.RequestTimeout, c.PeerTimeout, c.GuardrailUnavailable, c.BillingUnavailable, c.RagUnavailable,
		c.ContextRules, c.Limits, c.Attempts, c.Spool, c.Responses, c.Cache,
	}
}
