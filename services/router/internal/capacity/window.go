// Package capacity measures how much of a provisioned target is used, and
// whether it pays.
package capacity

import "time"

// window sums what happened in a sliding time, in slots: what is older than the
// window is forgotten a slot at a time.
type window struct {
	slot  time.Duration
	sums  []int64
	total int64
	last  int64 // the slot of the latest sum, counted from the epoch
}

func newWindow(length time.Duration, slots int) window {
	return window{slot: length / time.Duration(slots), sums: make([]int64, slots)}
}

// advance forgets what is too old.
func (w *window) advance(now time.Time) {
	current := now.UnixNano() / int64(w.slot)
	if w.last == 0 || current-w.last >= int64(len(w.sums)) {
		clear(w.sums)
		w.total, w.last = 0, max(w.last, current)
		return
	}
	for w.last < current {
		w.last++
		i := w.last % int64(len(w.sums))
		w.total -= w.sums[i]
		w.sums[i] = 0
	}
}

func (w *window) add(now time.Time, n int64) {
	w.advance(now)
	w.sums[w.last%int64(len(w.sums))] += n
	w.total += n
}

func (w *window) sum(now time.Time) int64 {
	w.advance(now)
	return w.total
}
