package guardrail

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Config is the guardrail section of the configuration.
type Config struct {
	// Policies are added to the built-in policy "default"; one of that name
	// replaces it.
	Policies []Policy `yaml:"policies"`
	// MaxContent bounds one text. A longer one counts as not examined, and the
	// policy's fail mode decides.
	MaxContent config.Bytes `yaml:"max_content"`
	// RememberedVerdicts bounds the memory of texts already examined, in
	// entries of about 200 bytes; 0 switches it off.
	RememberedVerdicts int `yaml:"remembered_verdicts"`
}

// Policy is a named list of rules. See the fields of the package's own type:
// name, description, fail_mode and rules {check, action, direction, threshold,
// mask}.
type Policy = policy.Policy

// Rule ties a check to an action.
type Rule = policy.Rule

const (
	maxContentLimit = 64 << 20
	maxRemembered   = 10_000_000
)

// DefaultConfig works without a file: the built-in policy alone.
func DefaultConfig() Config {
	return Config{MaxContent: 8 << 20, RememberedVerdicts: 50_000}
}

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if c.MaxContent < 1 || c.MaxContent > maxContentLimit {
		v.Fail("max_content", "must be from 1 B to 64 MiB")
	}
	if c.RememberedVerdicts < 0 || c.RememberedVerdicts > maxRemembered {
		v.Fail("remembered_verdicts", "must be from 0 to %d", maxRemembered)
	}
	names := map[string]int{}
	for i := range c.Policies {
		at := v.At("policies").Index(i)
		for _, f := range c.Policies[i].Validate() {
			at.Fail(f.Path, "%s", f.Message)
		}
		if first, twice := names[c.Policies[i].Name]; twice {
			at.Fail("name", "policies[%d] has this name already", first)
		}
		names[c.Policies[i].Name] = i
	}
}
