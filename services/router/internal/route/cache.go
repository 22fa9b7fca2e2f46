package route

import (
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Cache says which answers of a route are kept, and who gets them again.
type Cache struct {
	// TTL is how long an answer is kept.
	TTL config.Duration `yaml:"ttl"`
	// Mode is on, or caller: then only requests that ask for it use the cache.
	Mode string `yaml:"mode"`
	// Scope is with whom an answer is shared: organization, team, user or key.
	Scope string `yaml:"scope"`
	// MaxBytes bounds one answer; a larger one is not kept.
	MaxBytes config.Bytes `yaml:"max_bytes"`
	// Replay is how a kept answer is streamed: instant, or paced as it was written.
	Replay string `yaml:"replay"`
	// AnyTemperature keeps answers to requests that do not set the temperature to 0.
	AnyTemperature bool `yaml:"any_temperature"`
	// Tools keeps answers that call tools, Truncated those that reached their limit.
	Tools     bool `yaml:"tools"`
	Truncated bool `yaml:"truncated"`
	// SingleFlight lets a request share the answer of an identical one that is
	// under way, and Wait bounds for how long it waits for the first of it.
	SingleFlight bool            `yaml:"single_flight"`
	Wait         config.Duration `yaml:"wait"`
	// Ignore names what two requests may differ in and still get the same answer:
	// labels, end_user.
	Ignore []string `yaml:"ignore"`
}

// The values of Cache's fields.
const (
	CacheOn     = "on"
	CacheCaller = "caller"

	ScopeOrganization = "organization"
	ScopeTeam         = "team"
	ScopeUser         = "user"
	ScopeKey          = "key"

	ReplayInstant = "instant"
	ReplayPaced   = "paced"

	// PromptCacheAuto is the value of Route.PromptCache.
	PromptCacheAuto = "auto"

	IgnoreLabels  = "labels"
	IgnoreEndUser = "end_user"
)

// SetDefaults implements config.Defaulter.
func (c *Cache) SetDefaults() {
	*c = Cache{
		Mode: CacheOn, Scope: ScopeOrganization, MaxBytes: 256 << 10, Replay: ReplayInstant,
		AnyTemperature: true, SingleFlight: true, Wait: config.Duration(time.Minute),
	}
}

// Bounds of what is kept.
const (
	maxCacheTTL   = 30 * 24 * time.Hour
	maxCacheBytes = 4 << 20
)

func (c *Cache) validate(v *config.Validator) {
	if c == nil {
		return
	}
	if c.TTL <= 0 || c.TTL.Std() > maxCacheTTL {
		v.Fail("ttl", "is required: how long an answer is kept, for example 10m; at most %s", maxCacheTTL)
	}
	if c.MaxBytes < 1<<10 || c.MaxBytes > maxCacheBytes {
		v.Fail("max_bytes", "must be from 1KiB to 4MiB")
	}
	if c.SingleFlight && c.Wait <= 0 {
		v.Fail("wait", "must be more than 0").WithHelp("single_flight: false waits for nobody")
	}
	oneOf := func(field, value string, known ...string) {
		if !slices.Contains(known, value) {
			v.Fail(field, "%q is not known", value).WithHelp("use %s", strings.Join(known, ", "))
		}
	}
	oneOf("mode", c.Mode, CacheOn, CacheCaller)
	oneOf("scope", c.Scope, ScopeOrganization, ScopeTeam, ScopeUser, ScopeKey)
	oneOf("replay", c.Replay, ReplayInstant, ReplayPaced)
	for _, name := range c.Ignore {
		oneOf("ignore", name, IgnoreLabels, IgnoreEndUser)
	}
}

// Ignores says whether requests may differ in something and get the same answer.
func (c *Cache) Ignores(what string) bool { return slices.Contains(c.Ignore, what) }
