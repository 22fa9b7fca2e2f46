package router

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// Caching says where answers are kept that routes let be kept.
type Caching struct {
	// Store is memory, or valkey for one that routers share.
	Store string `yaml:"store"`
	// MaxEntries and MaxBytes bound what lies in this process; what was used
	// least recently goes first.
	MaxEntries int          `yaml:"max_entries"`
	MaxBytes   config.Bytes `yaml:"max_bytes"`
	// TenantPercent is the share of it that one organisation may have.
	TenantPercent int `yaml:"tenant_percent"`
}

var defaultCaching = Caching{Store: inMemory, MaxEntries: 100_000, MaxBytes: 256 << 20, TenantPercent: 25}

// Validate reports every fault of the section.
func (c Caching) Validate(v *config.Validator) {
	if c.Store != inMemory && c.Store != inValkey {
		v.Fail("store", "%q is neither memory nor valkey", c.Store)
	}
	if c.MaxEntries <= 0 {
		v.Fail("max_entries", "must be more than 0")
	}
	if c.MaxBytes < 1<<20 {
		v.Fail("max_bytes", "must be at least 1MiB")
	}
	if c.TenantPercent < 1 || c.TenantPercent > 100 {
		v.Fail("tenant_percent", "must be from 1 to 100")
	}
}

// withCache gives the pipeline its cache.
func withCache(peers pipeline.Peers, c Caching, remote cache.Client, meter metric.Meter) (pipeline.Peers, error) {
	var store cache.Store
	var fill func() observe.Fill
	switch {
	case c.Store == inMemory:
		memory := cache.NewMemory(cache.Bounds{
			MaxEntries: c.MaxEntries, MaxBytes: c.MaxBytes.Int64(), TenantPercent: c.TenantPercent,
		}, time.Now)
		store, fill = memory, func() observe.Fill { return observe.Fill(memory.Stats()) }
	case remote == nil:
		return peers, fmt.Errorf("router.cache.store is valkey, and router.valkey is not set")
	default:
		store = cache.NewRemote(remote)
	}
	counter, err := observe.NewCacheMetrics(meter, fill)
	if err != nil {
		return peers, err
	}
	peers.Cache, peers.Counter = cache.NewExact(store), counter
	return peers, nil
}
