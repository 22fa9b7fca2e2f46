package route

import (
	"fmt"
	"strings"
)

// latestModel prefers the newest model of each family that is not retired, by
// the catalogue. Families stand in the order in which the route first lists
// one of theirs.
const latestModel = "latest-model"

type latestStrategy struct{}

func newLatestModel(*Entry) strategy { return latestStrategy{} }

func (latestStrategy) order(candidates []Candidate, d *Decision, _ bool) float64 {
	for i := range candidates {
		c := &candidates[i]
		newer, family := 0, i
		for j := range candidates {
			other := &candidates[j]
			if !sameFamily(c, other) {
				continue
			}
			family = min(family, j)
			if d.newer(other, c) {
				newer++
			}
		}
		if d.retired(c) {
			family += len(candidates) // behind everything that is not
		}
		c.Score = 1 / float64(1+newer)
		c.key = -float64(family) - 1 + c.Score
	}
	sortByKey(candidates)
	return 1
}

func sameFamily(a, b *Candidate) bool {
	if a.Known == nil || b.Known == nil {
		return a.Model == b.Model
	}
	return a.Known.Family == b.Known.Family
}

// retired says whether a model was to be switched off before now.
func (d *Decision) retired(c *Candidate) bool {
	return c.Known != nil && !c.Known.Retires.IsZero() && !c.Known.Retires.After(d.question.Time)
}

// newer says whether one model of a family replaces another.
func (d *Decision) newer(a, b *Candidate) bool {
	if a.Known == nil || b.Known == nil || a.Known == b.Known {
		return false
	}
	if x, y := d.retired(a), d.retired(b); x != y {
		return y
	}
	if a.Known.Latest != b.Known.Latest {
		return a.Known.Latest
	}
	return laterVersion(a.Known.Name, b.Known.Name) > 0
}

// laterVersion compares the versions in two names: the numbers in them, one
// after the other. Sizes, such as 70b, and dates are not versions.
func laterVersion(a, b string) int {
	for {
		x, restA, okA := nextVersion(a)
		y, restB, okB := nextVersion(b)
		switch {
		case !okA && !okB:
			return 0
		case !okB, okA && x > y:
			return 1
		case !okA, x < y:
			return -1
		}
		a, b = restA, restB
	}
}

// nextVersion reads the next number of at most three digits.
func nextVersion(s string) (n int, rest string, ok bool) {
	for {
		from := strings.IndexAny(s, "0123456789")
		if from < 0 {
			return 0, "", false
		}
		to := from
		n = 0
		for to < len(s) && s[to] >= '0' && s[to] <= '9' {
			n = n*10 + int(s[to]-'0')
			to++
		}
		size := to < len(s) && (s[to] == 'b' || s[to] == 'k')
		if rest = s[to:]; to-from <= 3 && !size {
			return n, rest, true
		}
		s = rest
	}
}

// tier implements tiered: those that offer the same model.
func (latestStrategy) tier(candidates []Candidate, _ *Decision) int {
	n := 1
	for n < len(candidates) && sameModel(&candidates[n], &candidates[0]) {
		n++
	}
	return n
}

func sameModel(a, b *Candidate) bool {
	return a.Known != nil && a.Known == b.Known || a.Model == b.Model
}

func (latestStrategy) reason(d *Decision, place int) string {
	c := &d.Order[place]
	switch {
	case c.Known == nil:
		return "the catalogue does not know the model: " + ordinal(place)
	case d.retired(c):
		return fmt.Sprintf("%s is retired since %s: %s", c.Known.Name, c.Known.Retires.Format("2006-01-02"), ordinal(place))
	case c.Score == 1:
		return fmt.Sprintf("%s is the newest of the family %s here: %s", c.Known.Name, c.Known.Family, ordinal(place))
	default:
		return fmt.Sprintf("the family %s has a newer one than %s: %s", c.Known.Family, c.Known.Name, ordinal(place))
	}
}
