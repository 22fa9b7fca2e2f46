package health

import (
	"math/bits"
	"time"
)

// spread counts how long answers took, in parts whose width grows with them:
// eight for each doubling, from 131 µs up to two hours. When it has counted
// enough it halves all counts, so that the past fades.
type spread struct {
	p95   time.Duration // 0 as long as too few were counted
	total float32
	since int // additions since p95 was found
	parts [26 * perDoubling]float32
}

const (
	unitBits    = 17 // of nanoseconds: the narrowest part is 131 µs wide
	perDoubling = 8
	fewest      = 10  // counts without which p95 says nothing
	most        = 512 // counts at which all are halved
	findEvery   = 8   // additions after which p95 is found anew
)

// part is the index of a time's part: below eight units they are one wide, and
// above, each doubling has eight.
func part(d time.Duration) int {
	units := uint64(max(d, 0)) >> unitBits
	if units < perDoubling {
		return int(units)
	}
	shift := bits.Len64(units) - 4 // the leading 1 and three more bits are left
	return min(shift*perDoubling+int(units>>shift), 26*perDoubling-1)
}

// bounds is where a part begins, and how wide it is.
func bounds(i int) (from, width time.Duration) {
	if i < perDoubling {
		return time.Duration(i) << unitBits, 1 << unitBits
	}
	shift := i/perDoubling - 1
	return time.Duration(perDoubling+i%perDoubling) << (shift + unitBits), 1 << (shift + unitBits)
}

// add counts a time, and says whether it found p95 anew.
func (s *spread) add(d time.Duration) bool {
	s.parts[part(d)]++
	s.total++
	s.since++
	if s.total >= most {
		s.total = 0
		for i := range s.parts {
			s.parts[i] /= 2
			s.total += s.parts[i]
		}
	}
	if s.total < fewest || s.since < findEvery && s.p95 != 0 {
		return false
	}
	s.p95, s.since = s.quantile(0.95), 0
	return true
}

// quantile is the time that a share of the answers did not exceed.
func (s *spread) quantile(q float32) time.Duration {
	above := s.total * (1 - q) // counts that lie above it
	for i := len(s.parts) - 1; i >= 0; i-- {
		if n := s.parts[i]; n > 0 && n >= above {
			from, width := bounds(i)
			return from + time.Duration(float32(width)*(1-above/n))
		}
		above -= s.parts[i]
	}
	return 0
}
