package engine

import (
	"cmp"
	"slices"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// candidate is a match before overlaps are settled.
type candidate struct {
	rule       *policy.Bound
	order      int
	start, end int
	entity     string
	score      float64
}

// resolve leaves candidates that do not overlap, in the order of the text. The
// stronger action wins, then the more telling check; a masked match that
// reaches past the winner widens it, so that nothing masked shows.
func resolve(cands []candidate) []candidate {
	slices.SortStableFunc(cands, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rule.Action, a.rule.Action), cmp.Compare(a.order, b.order),
			cmp.Compare(b.end-b.start, a.end-a.start), cmp.Compare(a.start, b.start))
	})
	kept := cands[:0]
next:
	for _, c := range cands {
		for i := range kept {
			k := &kept[i]
			if c.start >= k.end || c.end <= k.start {
				continue
			}
			if c.rule.Action >= check.Mask {
				k.start, k.end = min(k.start, c.start), max(k.end, c.end)
			}
			continue next
		}
		kept = append(kept, c)
	}
	slices.SortFunc(kept, func(a, b candidate) int { return cmp.Compare(a.start, b.start) })
	return merge(kept)
}

// merge joins candidates that came to overlap when one was widened.
func merge(sorted []candidate) []candidate {
	out := sorted[:1]
	for _, c := range sorted[1:] {
		last := &out[len(out)-1]
		if c.start < last.end {
			if c.rule.Action >= check.Mask {
				last.end = max(last.end, c.end)
			}
			continue
		}
		out = append(out, c)
	}
	return out
}
