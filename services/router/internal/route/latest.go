package route

import (
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/catalog"
)

// latestModel prefers the newest model of each family that is not retired, by
// the catalogue. Families stand in the order in which the route first lists
// one of theirs.
const latestModel = "latest-model"

type latestStrategy struct {
	// of says by the index of Route.Targets where the first of the same family
	// stands, and how many of the family are newer, retired ones included.
	of []age
}

type age struct{ family, newer int }

// newLatestModel looks at those targets whose model does not depend on the
// request: for it all others have the same.
func newLatestModel(e *Entry) strategy {
	s := &latestStrategy{make([]age, len(e.Targets))}
	for i := range e.deployments {
		a := e.deployments[i].Known
		s.of[i].family = i
		for j := range e.deployments {
			switch b := e.deployments[j].Known; {
			case a == nil && b == nil, a != nil && b != nil && a.Family == b.Family:
				s.of[i].family = min(s.of[i].family, j)
				if newer(b, a) {
					s.of[i].newer++
				}
			}
		}
	}
	return s
}

func (s *latestStrategy) order(candidates []*Candidate, d *Decision, _ bool) float64 {
	n := float64(len(s.of))
	for _, c := range candidates {
		c.key = -float64(s.of[c.ref].family)*n - float64(s.of[c.ref].newer)
		if d.retired(c) {
			c.key -= n * n // behind everything that is not
		}
	}
	sortByKey(candidates)
	for i, c := range candidates {
		c.Score = 1
		if i > 0 && s.of[c.ref].family == s.of[candidates[i-1].ref].family {
			c.Score = candidates[i-1].Score
			if s.of[c.ref].newer != s.of[candidates[i-1].ref].newer {
				c.Score /= 2
			}
		}
	}
	return 1
}

// retired says whether a model was to be switched off before now.
func (d *Decision) retired(c *Candidate) bool {
	return c.Known != nil && !c.Known.Retires.IsZero() && !c.Known.Retires.After(d.question.Time)
}

// newer says whether one model of a family replaces another.
func newer(a, b *catalog.Model) bool {
	switch {
	case a == b:
		return false
	case a.Latest != b.Latest:
		return a.Latest
	default:
		return laterVersion(a.Name, b.Name) > 0
	}
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
func (*latestStrategy) tier(candidates []*Candidate, _ *Decision) int {
	n := 1
	for n < len(candidates) && sameModel(candidates[n], candidates[0]) {
		n++
	}
	return n
}

func sameModel(a, b *Candidate) bool {
	return a.Known != nil && a.Known == b.Known || a.Model == b.Model
}

func (*latestStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
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
