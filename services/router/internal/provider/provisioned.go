package provider

import "github.com/tollgate/tollgate/services/internal/platform/config"

// Provisioned is capacity that is paid for by the hour, whether it is used or not.
type Provisioned struct {
	// TokensPerMinute is what it can do, input and output together.
	TokensPerMinute int64 `yaml:"tokens_per_minute"`
	// HourlyUSD is what an hour costs, or HourlyNanoUSD in nano-USD; 0 gives no
	// advice on whether it pays.
	HourlyUSD     float64 `yaml:"hourly_usd"`
	HourlyNanoUSD int64   `yaml:"hourly_nanousd"`
	// MaxUtilization is how much of it is used before requests go elsewhere.
	MaxUtilization float64 `yaml:"max_utilization"`
}

// SetDefaults implements config.Defaulter.
func (p *Provisioned) SetDefaults() { *p = Provisioned{MaxUtilization: .9} }

// Hourly is what an hour costs, nano-USD.
func (p *Provisioned) Hourly() int64 {
	if p.HourlyNanoUSD > 0 {
		return p.HourlyNanoUSD
	}
	return int64(p.HourlyUSD*1e9 + .5)
}

func (p *Provisioned) validate(v *config.Validator) {
	if p == nil {
		return
	}
	if p.TokensPerMinute <= 0 {
		v.Fail("tokens_per_minute", "is required: what the capacity can do, input and output together")
	}
	if !(p.HourlyUSD >= 0 && p.HourlyUSD <= 1e6) {
		v.Fail("hourly_usd", "must be from 0 to 1000000")
	}
	if p.HourlyNanoUSD < 0 {
		v.Fail("hourly_nanousd", "must not be negative")
	}
	if p.HourlyUSD > 0 && p.HourlyNanoUSD > 0 {
		v.Fail("hourly_nanousd", "says the same as hourly_usd; set one of them")
	}
	if !(p.MaxUtilization > 0 && p.MaxUtilization <= 1) {
		v.Fail("max_utilization", "must be above 0 and at most 1")
	}
}
