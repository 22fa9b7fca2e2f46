package route

import (
	"fmt"
	"math/bits"
)

// bias brings what rules prefer and reweight into the candidates' standing. A
// preference outweighs canaries, provisioned capacity and weights of 0, but not
// a target's health.
func (d *Decision) bias() {
	if d.ruling.preferred == 0 && d.ruling.reweighing == 0 {
		return
	}
	scales := d.ruling.reweighing != 0 && d.Entry.kind.scales
	for _, c := range d.Order {
		switch {
		case c.tier == 0:
		case c.rank < probed:
			c.rank = picked
			if d.outcome.first == byStrategy || d.outcome.first == byCanary {
				d.outcome.first = byRule
			}
		default:
			c.tier = 0 // it stands where its health puts it
		}
		if scales {
			c.share *= d.factor(c)
		}
	}
}

// reweigh changes the scores of a strategy that does not share by itself.
func (d *Decision) reweigh(candidates []*Candidate) {
	if d.ruling.reweighing == 0 || d.Entry.kind.scales {
		return
	}
	for _, c := range candidates {
		c.Score *= d.factor(c)
		c.key = c.Score
	}
	sortByKey(candidates)
}

// factor is what rules multiply a candidate's share or score by.
func (d *Decision) factor(c *Candidate) float64 {
	product := 1.
	for reweighing := d.ruling.reweighing; reweighing != 0; reweighing &= reweighing - 1 {
		product *= d.Entry.custom.rules[bits.TrailingZeros64(reweighing)].factors[c.ref]
	}
	return product
}

// preferredBy says which rule put a candidate first.
func (d *Decision) preferredBy(c *Candidate) string {
	if c.pickedBy == 0 {
		return ""
	}
	return fmt.Sprintf("preferred by rule %s; ", d.Entry.custom.rules[c.pickedBy-1].Name)
}
