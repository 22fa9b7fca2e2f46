package route

import "fmt"

// bias brings what rules prefer and reweight into the candidates' standing. A
// preference outweighs canaries, provisioned capacity and weights of 0, but not
// a target's health.
func (d *Decision) bias() {
	if d.ruling.applied == 0 {
		return
	}
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
		if d.Entry.kind.scales {
			c.share *= c.factor
		}
	}
}

// reweigh changes the scores of a strategy that does not share by itself.
func (d *Decision) reweigh(candidates []*Candidate) {
	if !d.ruling.reweighted || d.Entry.kind.scales {
		return
	}
	for _, c := range candidates {
		c.Score *= c.factor
		c.key = c.Score
	}
	sortByKey(candidates)
}

// preferredBy says which rule put a candidate first.
func (d *Decision) preferredBy(c *Candidate) string {
	if c.pickedBy == 0 {
		return ""
	}
	return fmt.Sprintf("preferred by rule %s; ", d.Entry.custom.rules[c.pickedBy-1].Name)
}
