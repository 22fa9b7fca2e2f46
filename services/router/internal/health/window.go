package health

import "time"

// steps is how many parts a window has: it slides by one of them at a time.
const steps = 10

// tally counts calls.
type tally struct{ calls, failed, slow uint32 }

// window sums the calls of the latest time in fixed memory. Someone else
// guards it.
type window struct {
	step int64 // nanoseconds of a part
	head int64 // the number of the newest part, counted from the epoch
	sum  tally
	part [steps]tally
}

// add counts a call. One that is reported late counts with the newest.
func (w *window) add(now int64, span time.Duration, failed, slow bool) {
	w.roll(now, span)
	p := &w.part[uint64(w.head)%steps]
	p.calls++
	w.sum.calls++
	if failed {
		p.failed++
		w.sum.failed++
	}
	if slow {
		p.slow++
		w.sum.slow++
	}
}

// roll drops what has become too old. A window of another length begins anew.
func (w *window) roll(now int64, span time.Duration) {
	step := max(int64(span)/steps, 1)
	number := now / step
	if step != w.step || number >= w.head+steps || number < w.head-steps {
		*w = window{step: step, head: number}
		return
	}
	for w.head < number {
		w.head++
		old := &w.part[uint64(w.head)%steps]
		w.sum.calls -= old.calls
		w.sum.failed -= old.failed
		w.sum.slow -= old.slow
		*old = tally{}
	}
}

// clear forgets all calls.
func (w *window) clear() { *w = window{step: w.step, head: w.head} }
