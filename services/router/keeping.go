package router

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/recall"
)

// Responses says where answers to /v1/responses are kept, so that a later
// request can go on from them.
type Responses struct {
	// Store is memory, which nothing is too, or valkey for one that routers share.
	Store string `yaml:"store"`
	// TTL is how long a response is kept; 0s keeps none.
	TTL config.Duration `yaml:"ttl"`
	// MaxEntries and MaxBytes bound all that lies in this process; the oldest goes
	// first. One owner has a quarter of the bytes at most.
	MaxEntries int          `yaml:"max_entries"`
	MaxBytes   config.Bytes `yaml:"max_bytes"`
}

// Where things are kept.
const (
	inMemory = "memory"
	inValkey = "valkey"
)

var defaultResponses = Responses{Store: inMemory, TTL: config.Duration(24 * time.Hour), MaxEntries: 100_000, MaxBytes: 256 << 20}

// Validate reports every fault of the section.
func (r Responses) Validate(v *config.Validator) {
	switch r.Store {
	case "", inMemory, inValkey:
	default:
		v.Fail("store", "%q is neither memory nor valkey", r.Store)
	}
	if r.TTL < 0 {
		v.Fail("ttl", "must not be negative")
	}
	if r.TTL <= 0 || r.Store == inValkey {
		return
	}
	if r.MaxEntries <= 0 {
		v.Fail("max_entries", "must be more than 0")
	}
	if r.MaxBytes <= 0 {
		v.Fail("max_bytes", "must be more than 0")
	}
}

// newKeeper makes what keeps responses; nil keeps none.
func newKeeper(r Responses, shared recall.Client) (openai.Keeper, error) {
	switch {
	case r.TTL <= 0:
		return nil, nil
	case r.Store != inValkey:
		return recall.NewMemory(recall.Options{
			TTL: r.TTL.Std(), MaxEntries: r.MaxEntries, MaxBytes: r.MaxBytes.Int64(),
		}, time.Now), nil
	case shared == nil:
		return nil, fmt.Errorf("router.responses.store is valkey, and router.valkey is not set")
	}
	return recall.NewRemote(shared, r.TTL.Std()), nil
}
