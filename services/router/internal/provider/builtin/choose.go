package builtin

import (
	"slices"
	"strings"
)

// Bounds of an answer. A second sentence must be at least half as good as the
// first to be worth reading; a question of which less than leastFit is matched is
// not answered, below goodFit the answer says that it is only the closest.
const (
	mostUnits  = 4
	mostBytes  = 1100
	worthwhile = 0.45
	leastFit   = 0.3
	goodFit    = 0.45
	redundancy = 0.7
)

// choose picks the units to quote, the best first: each the best that is left,
// less what it repeats, more if it goes on where a chosen one ends. It also says
// how much of the question they match, from 0 to 1.
func (x *index) choose() ([]scored, float64) {
	var chosen []scored
	size, top := 0, 0.0
	for len(chosen) < mostUnits {
		best, value := -1, 0.0
		for i := range x.units {
			if v := x.value(&x.units[i], chosen); v > value && !has(chosen, &x.units[i]) {
				best, value = i, v
			}
		}
		if best < 0 || value < worthwhile*top {
			break
		}
		top = max(top, value)
		u := x.units[best]
		if len(chosen) > 0 && size+len(u.text) > mostBytes {
			break
		}
		chosen, size = append(chosen, u), size+len(u.text)
	}
	return chosen, x.fit(chosen)
}

func has(chosen []scored, u *scored) bool {
	return slices.ContainsFunc(chosen, func(c scored) bool { return c.passage == u.passage && c.place == u.place })
}

func (x *index) value(u *scored, chosen []scored) float64 {
	v, repeats := u.score, 0.0
	for i := range chosen {
		c := &chosen[i]
		repeats = max(repeats, overlap(u.distinct, c.distinct))
		if c.passage == u.passage && c.block == u.block && u.place == c.place+1 {
			v *= 1.15
		}
	}
	if repeats > 0.8 { // the same, from an overlapping chunk
		return 0
	}
	return v * (1 - redundancy*repeats)
}

// overlap is the shared part of the smaller set.
func overlap(a, b map[string]bool) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return 0
	}
	n := 0
	for t := range a {
		if b[t] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}

// complete puts the sentence before in front of one that leans on it.
func (x *index) complete(chosen []scored) []scored {
	for i := range chosen {
		c := &chosen[i]
		if c.kind != sentence || !dangling(c.text) || c.place == 0 || len(chosen) > mostUnits {
			continue
		}
		for j := range x.units {
			u := &x.units[j]
			if u.passage == c.passage && u.block == c.block && u.place == c.place-1 && !has(chosen, u) && len(u.text) < 300 {
				chosen = append(chosen, *u)
				break
			}
		}
	}
	return chosen
}

// fit is the weighted share of the question's terms that the chosen units match.
func (x *index) fit(chosen []scored) float64 {
	all, matched := 0.0, 0.0
	for _, t := range x.q.terms {
		w, best := x.q.weight[t]*x.idf[t], 0.0
		for i := range chosen {
			best = max(best, chosen[i].matched[t])
		}
		all, matched = all+w, matched+w*best
	}
	if all == 0 {
		return 0
	}
	return matched / all
}

// quote is a run of units from one block of one passage, in reading order.
type quote struct {
	passage int
	lead    *scored // the line that introduces the list, if the units are items
	units   []scored
}

// arrange brings the chosen units into the order in which they are read: the
// passage with the best unit first, and inside a passage as it was written.
func (x *index) arrange(chosen []scored) []quote {
	order := map[int]int{}
	for _, c := range chosen {
		if _, ok := order[c.passage]; !ok {
			order[c.passage] = len(order)
		}
	}
	sorted := slices.Clone(chosen)
	slices.SortStableFunc(sorted, func(a, b scored) int {
		if a.passage != b.passage {
			return order[a.passage] - order[b.passage]
		}
		return a.place - b.place
	})
	var quotes []quote
	for _, u := range sorted {
		n := len(quotes) - 1
		if u.lead >= 0 {
			if n < 0 || quotes[n].lead == nil || quotes[n].lead.place != u.lead || quotes[n].passage != u.passage {
				quotes = append(quotes, quote{passage: u.passage, lead: x.leadOf(&u)})
				n++
			}
			if !has(quotes[n].units, &u) { // its lead may have brought it in
				quotes[n].units = append(quotes[n].units, u)
			}
			continue
		}
		if items := x.itemsOf(&u); len(items) > 0 {
			lead := u
			quotes = append(quotes, quote{passage: u.passage, lead: &lead, units: items})
			continue
		}
		if n < 0 || !quotes[n].continues(&u) {
			quotes = append(quotes, quote{passage: u.passage})
			n++
		}
		quotes[n].units = append(quotes[n].units, u)
	}
	return quotes
}

// continues says whether a unit can follow in the same paragraph or list.
func (q *quote) continues(u *scored) bool {
	last := q.units[len(q.units)-1]
	return q.lead == nil && q.passage == u.passage && last.block == u.block && last.kind == u.kind && last.code == ""
}

// itemsOf gives the items that a line introduces, if they are short enough to be quoted whole.
func (x *index) itemsOf(lead *scored) []scored {
	if !strings.HasSuffix(lead.text, ":") || lead.code != "" {
		return nil
	}
	var items []scored
	size := 0
	for _, u := range x.units {
		if u.passage == lead.passage && u.lead == lead.place {
			items, size = append(items, u), size+len(u.text)
		}
	}
	if size > mostBytes/2 {
		return nil
	}
	return items
}
