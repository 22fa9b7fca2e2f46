package route

import (
	"math"
	"sync/atomic"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Canary gives one of a route's targets an exact share of the requests,
// whatever the strategy. The others get the rest, and the canary is asked only
// if all of them fail.
type Canary struct {
	// Target is its name, and Model the model that the route asks for there, where
	// the route lists the target with several.
	Target string `yaml:"target"`
	Model  string `yaml:"model"`
	// Percent is its share, from 0 to 100. Of requests of one conversation all or
	// none go there.
	Percent float64 `yaml:"percent"`
}

func (c *Canary) validate(v *config.Validator, r *Route) {
	if c == nil {
		return
	}
	if indexOf(r.Targets, c.Target, c.Model) < 0 {
		v.Fail("target", "%q is not one of the route's targets", c.Target).
			WithHelp("list it under targets; with {model: …} if it stands there more than once")
	}
	if !(c.Percent >= 0 && c.Percent <= 100) {
		v.Fail("percent", "must be from 0 to 100")
	}
}

// indexOf finds a target of a route; without a model the first of that name.
func indexOf(refs []Ref, name, model string) int {
	for i, r := range refs {
		if r.Name == name && (model == "" || r.Model == model) {
			return i
		}
	}
	return -1
}

// millionths is how finely shares are counted.
const millionths = 1_000_000

// turns counts the requests that a canary could have got.
type turns struct{ count atomic.Uint64 }

// take says whether the next request is one of so many millionths: of any run
// of requests, that share to within one.
func (t *turns) take(share uint64, commit bool) bool {
	var n uint64
	if commit {
		n = t.count.Add(1)
	} else {
		n = t.count.Load() + 1
	}
	return n*share/millionths != (n-1)*share/millionths
}

// canaryTurn says whether a request goes to the route's canary. A conversation
// that can be told from others stays on its side: then the share is that of
// conversations.
func (e *Entry) canaryTurn(d *Decision, commit bool) bool {
	if e.canary < 0 {
		return false
	}
	ready := false
	for _, c := range d.Order {
		if c.ref == e.canary {
			rank := usual
			if c.monitor != nil {
				rank, _ = healthy(c.monitor, d.question.Time)
			}
			ready = rank == usual
		}
	}
	if !ready {
		return false
	}
	share := uint64(math.Round(e.Canary.Percent * millionths / 100))
	if key, ok := e.canaryKey(&d.question); ok {
		return unit(mix(key^canarySalt))*millionths < float64(share)
	}
	return e.turns.take(share, commit)
}

// canarySalt keeps the choice of a canary apart from that of a target by the
// same conversation.
const canarySalt = 0x63616e617279

// canaryKey tells conversations apart: by their session, else by what the route
// is sticky by.
func (e *Entry) canaryKey(q *Question) (uint64, bool) {
	if q.Session != "" {
		return affinity(BySession, q)
	}
	if e.Sticky.On() {
		return affinity(e.Sticky.By, q)
	}
	return 0, false
}
