// Package billing is the service that keeps accounts, prices, budgets and the
// ledger. It serves the billing and the account contract.
package billing

import (
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/billing/internal/store"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// What happens to requests whose model has no price.
const (
	// UnpricedSuspense lets them pass; their usage stands in suspense without an amount.
	UnpricedSuspense = "suspense"
	// UnpricedReject refuses them.
	UnpricedReject = "reject"
)

// Config is the section "billing" of the configuration.
type Config struct {
	// Database is postgres://… or the path of an SQLite file; empty is billing.db in the data directory.
	Database secret.String `yaml:"database"`
	// Durability of SQLite: normal survives the death of the process, full the loss of power too.
	Durability string `yaml:"durability"`
	// Pepper is the key under which keys are hashed; empty is a random one, kept in the data directory.
	Pepper secret.String `yaml:"pepper"`
	// Unpriced is suspense or reject: what happens to requests whose model has no price.
	Unpriced string `yaml:"unpriced"`
	// Prices are the operator's own; they stand above the shipped catalogue.
	Prices []price.Entry `yaml:"prices"`
	// Holds tunes reservations.
	Holds HoldsConfig `yaml:"holds"`
	// Refresh is how often budgets are read again, for changes by other replicas.
	Refresh config.Duration `yaml:"refresh"`
}

// HoldsConfig tunes reservations.
type HoldsConfig struct {
	// TTL is how long a hold lives that nobody settles or releases, unless the request asks otherwise.
	TTL config.Duration `yaml:"ttl"`
	// MaxTTL is the longest that a request may ask for.
	MaxTTL config.Duration `yaml:"max_ttl"`
	// Sweep is how often expired holds are released.
	Sweep config.Duration `yaml:"sweep"`
}

// DefaultConfig works without any setting.
func DefaultConfig() Config {
	return Config{
		Durability: string(store.Normal),
		Unpriced:   UnpricedSuspense,
		Holds: HoldsConfig{
			TTL: config.Duration(15 * time.Minute), MaxTTL: config.Duration(24 * time.Hour), Sweep: config.Duration(5 * time.Second),
		},
		Refresh: config.Duration(5 * time.Second),
	}
}

// Validate reports everything wrong with the section.
func (c Config) Validate(v *config.Validator) {
	if c.Durability != string(store.Normal) && c.Durability != string(store.Full) {
		v.Fail("durability", "is %q", c.Durability).WithHelp("write normal or full")
	}
	if c.Unpriced != UnpricedSuspense && c.Unpriced != UnpricedReject {
		v.Fail("unpriced", "is %q", c.Unpriced).WithHelp("write suspense or reject")
	}
	if !c.Pepper.IsZero() && len(c.Pepper.Reveal()) < 16 {
		v.Fail("pepper", "has less than 16 characters")
	}
	if c.Holds.TTL <= 0 {
		v.Fail("holds.ttl", "must be above 0")
	}
	if c.Holds.MaxTTL < c.Holds.TTL {
		v.Fail("holds.max_ttl", "is shorter than holds.ttl")
	}
	if c.Holds.Sweep <= 0 {
		v.Fail("holds.sweep", "must be above 0")
	}
	if c.Refresh <= 0 {
		v.Fail("refresh", "must be above 0")
	}
	if len(c.Prices) > 0 {
		_, faults := price.NewBook(c.Prices)
		for _, fault := range faults {
			v.Fail("prices"+fault.Path, "%s", fault.Message)
		}
	}
}
