package route

import (
	"cmp"
	"math"
	"slices"
)

// why says what put the first candidate first.
type why uint8

const (
	byStrategy why = iota
	byCanary
	bySticky
	byProbe
	byTrial
	byRule
)

// outcome is what a decision comes to besides its order.
type outcome struct {
	roll  uint64 // this decision's number of the dice
	first why
	task  finding
}

// arrange puts the candidates into the order in which they are tried: by rank,
// and within a rank by the strategy.
func (d *Decision) arrange(commit bool) {
	e := d.Entry
	d.outcome, d.Confidence = outcome{roll: e.dice.roll(commit)}, 0
	if len(d.Order) == 0 {
		return
	}
	if d.Degraded {
		d.soonest()
		return
	}
	e.stand(d, commit)
	d.bias()
	sortByRank(d.Order)
	for from := 0; from < len(d.Order); {
		to := from + 1
		for to < len(d.Order) && d.Order[to].rank == d.Order[from].rank && d.Order[to].tier == d.Order[from].tier {
			to++
		}
		confidence := e.strategy.order(d.Order[from:to], d, commit && from == 0)
		d.reweigh(d.Order[from:to])
		if from == 0 {
			d.Confidence = confidence
			e.Sticky.keep(d, d.Order[:to])
		}
		if d.Order[from].rank == reserve {
			unscored(d.Order[from:to])
		}
		from = to
	}
	e.probe(d, commit)
	if commit && e.pays {
		d.note()
	}
	switch {
	case d.outcome.first == byTrial:
		d.Confidence = 0
	case len(d.Order) == 1 || d.Order[1].rank != d.Order[0].rank || d.outcome.first != byStrategy:
		d.Confidence = 1
	}
}

// unscored takes away scores that would count targets without a share among the
// others.
func unscored(candidates []*Candidate) {
	for i := range candidates {
		candidates[i].Score = 0
	}
}

// leads says whether candidates are those of the first rank.
func (d *Decision) leads(candidates []*Candidate) bool { return candidates[0] == d.Order[0] }

func sortByRank(candidates []*Candidate) {
	sorted := true
	for i, c := range candidates {
		c.key = -float64(c.rank)*(1<<16) - float64(c.tier)
		sorted = sorted && (i == 0 || c.key <= candidates[i-1].key)
	}
	if !sorted {
		sortByKey(candidates)
	}
}

// few is how many candidates there are usually at most.
const few = 32

// sortByKey puts the greatest key first; equals keep their order.
func sortByKey(candidates []*Candidate) {
	if len(candidates) > few {
		slices.SortStableFunc(candidates, func(a, b *Candidate) int { return cmp.Compare(b.key, a.key) })
		return
	}
	for i, c := range candidates {
		for ; i > 0 && candidates[i-1].key < c.key; i-- {
			candidates[i] = candidates[i-1]
		}
		candidates[i] = c
	}
}

// toFront moves the candidate at a place before all others.
func toFront(candidates []*Candidate, place int) {
	if place == 0 {
		return
	}
	first := candidates[place]
	copy(candidates[1:place+1], candidates[:place])
	candidates[0] = first
}

// clarity says how much better the best is than the next, of values of which
// less is better: 0 if they are the same, near 1 if it is far better, and 1 if
// there is no other.
func clarity(best, next float64) float64 {
	switch {
	case math.IsInf(next, 1):
		return 1
	case next <= best:
		return 0
	default:
		return (next - best) / next
	}
}
