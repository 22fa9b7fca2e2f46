package engine

import (
	"hash/maphash"

	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// Key identifies a text under a policy for one tenant.
type Key struct {
	tenant, version string
	direction       policy.Direction
	kind            Kind
	length          int
	hash            [2]uint64
}

// Memory remembers what was found in texts. Implementations are bounded and
// safe for concurrent use. What it returns is not changed by anyone.
type Memory interface {
	Load(Key) ([]Finding, bool)
	Store(Key, []Finding)
}

const (
	// minRemembered: a shorter text is examined faster than looked up.
	minRemembered = 256
	// maxRemembered bounds the findings of one entry.
	maxRemembered = 64
)

// Two seeds, random for each process, make 128 bits that nobody outside can
// aim at.
var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(r *Request, p Part) Key {
	return Key{
		tenant: r.Tenant, version: r.Policy.Version, direction: r.Direction, kind: p.Kind, length: len(p.Text),
		hash: [2]uint64{maphash.String(seeds[0], p.Text), maphash.String(seeds[1], p.Text)},
	}
}
