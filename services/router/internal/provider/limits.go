package provider

import "github.com/tollgate/tollgate/services/internal/platform/config"

// Rates are requests and tokens a minute; 0 is no limit.
type Rates struct {
	// RequestsPerMinute are attempts, retries included.
	RequestsPerMinute int64 `yaml:"requests_per_minute"`
	// TokensPerMinute are tokens of input and output together.
	TokensPerMinute int64 `yaml:"tokens_per_minute"`
}

// Limits are what a provider grants us on a target, all routers together.
type Limits struct {
	// Rates hold for all models together.
	Rates `yaml:",inline"`
	// Models are limits of models besides, by the target's own name of the model.
	Models map[string]Rates `yaml:"models"`
}

// validate reports every fault.
func (l Limits) validate(v *config.Validator, models Models) {
	l.Rates.validate(v)
	for name, r := range l.Models {
		at := v.At("models").Key(name)
		if !models.Any() && !models.reaches(name) {
			at.Fail("", "%q is not the target's own name of any of its models", name)
		}
		r.validate(at)
	}
}

func (r Rates) validate(v *config.Validator) {
	for path, n := range map[string]int64{"requests_per_minute": r.RequestsPerMinute, "tokens_per_minute": r.TokensPerMinute} {
		if n < 0 {
			v.Fail(path, "must not be negative; 0 is no limit")
		}
	}
}

// reaches says whether an upstream name is among those served.
func (m Models) reaches(upstream string) bool {
	for _, name := range m.alias {
		if name == upstream {
			return true
		}
	}
	return false
}
