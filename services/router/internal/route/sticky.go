package route

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Sticky keeps requests that belong together on one target, so that what its
// provider has cached of their beginning is used again.
type Sticky struct {
	// By says what belongs together: session, conversation, user or key.
	By string `yaml:"by"`
}

// What requests may have in common.
const (
	// BySession goes by the session that the caller names, else by the conversation.
	BySession = "session"
	// ByConversation goes by how the conversation begins.
	ByConversation = "conversation"
	// ByUser goes by the user that the key belongs to, else by the key.
	ByUser = "user"
	// ByKey goes by the key.
	ByKey = "key"
)

var affinities = []string{BySession, ByConversation, ByUser, ByKey}

// On says whether requests are kept together at all.
func (s Sticky) On() bool { return s.By != "" }

// UnmarshalConfig reads true, false, or a mapping.
func (s *Sticky) UnmarshalConfig(n *config.Node) {
	if n.IsScalar() {
		var on bool
		n.Decode(&on)
		*s = Sticky{}
		if on {
			s.By = BySession
		}
		return
	}
	type plain Sticky
	*s = Sticky{By: BySession}
	n.Decode((*plain)(s))
}

func (s Sticky) validate(v *config.Validator) {
	if s.On() && !slices.Contains(affinities, s.By) {
		v.Fail("by", "%q is not known", s.By).WithHelp("use %s", strings.Join(affinities, ", "))
	}
}

func (s Sticky) reason() string {
	return "requests of the same " + s.By + " stay on their target"
}

// keep puts those candidates that are as good as the first in the order of
// their hashes with what the request belongs to (rendezvous hashing: Thaler and
// Ravishankar, "Using name-based mappings to increase hit rates", 1998): if one
// leaves, only its requests move, each to the next in its own order. The hash
// takes part in a draw by weight, which gives each its share.
func (s Sticky) keep(d *Decision, candidates []*Candidate) {
	if !s.On() || d.outcome.first != byStrategy {
		return
	}
	if t, ok := d.Entry.strategy.(tiered); ok {
		candidates = candidates[:t.tier(candidates, d)]
	}
	key, ok := affinity(s.By, &d.question)
	if !ok || len(candidates) < 2 {
		return
	}
	for _, c := range candidates {
		c.key = drawing(mix(key^c.name), d.Entry.weight(c), false)
	}
	sortByKey(candidates)
	d.outcome.first = bySticky
}

// weight is a candidate's share of what belongs together.
func (e *Entry) weight(c *Candidate) float64 {
	return float64(max(1, e.Targets[c.ref].Weight)) * max(c.share, leastShare)
}
