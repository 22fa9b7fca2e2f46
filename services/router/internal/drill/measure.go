package drill

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// Bounds of what is kept of a phase.
const (
	maxDurations = 1 << 16
	maxMarks     = 1 << 17
)

// reservoir keeps durations: all of them up to its bound, then an even sample
// (Vitter's algorithm R).
type reservoir struct {
	kept []time.Duration
	seen int64
}

func (r *reservoir) add(d time.Duration) {
	r.seen++
	if len(r.kept) < maxDurations {
		r.kept = append(r.kept, d)
		return
	}
	if at := rand.Int64N(r.seen); at < maxDurations {
		r.kept[at] = d
	}
}

func (r *reservoir) sorted() []time.Duration { return slices.Sorted(slices.Values(r.kept)) }

// quantile is the least of the durations that so many of all do not exceed;
// nil if there are none.
func quantile(sorted []time.Duration, q float64) *durationpb.Duration {
	if len(sorted) == 0 {
		return nil
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return lasting(sorted[max(0, at)])
}

func lasting(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

// mark is where one request was answered.
type mark struct {
	began            time.Time
	elsewhere, there bool // without an attempt on a target of the drill; by one
}

// A turn shows in a row of requests; a phase may end with a shorter one.
const (
	row      = 20
	shortRow = 5
)

// turning is when requests took another way: the beginning of the first one
// that did, and with it enough of the row that it begins. Requests that began
// before since are not looked at. It is zero if that never happened.
func turning(marks []mark, since time.Time, hit func(mark) bool, enough func(hits, of int) bool) time.Time {
	marks = slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.began.Before(since) })
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.began.UnixNano(), b.began.UnixNano()) })
	for i, first := range marks {
		rest := marks[i:min(i+row, len(marks))]
		if len(rest) < shortRow {
			break
		}
		hits := 0
		for _, m := range rest {
			if hit(m) {
				hits++
			}
		}
		if hit(first) && enough(hits, len(rest)) {
			return first.began
		}
	}
	return time.Time{}
}
