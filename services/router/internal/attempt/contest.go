package attempt

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// errLost is why an attempt ends whose competitor was faster.
var errLost = errs.New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "another target answered first")

// contest is attempts side by side: the first that has content wins. Its
// methods but run are called by the request's goroutine; each attempt runs in
// one of its own, which ends the attempt if it has lost.
type contest struct {
	hunt    *hunt
	results chan result // has room for all
	stops   []context.CancelCauseFunc
	timer   *time.Timer

	mu   sync.Mutex
	over bool
}

// result is what came of an attempt: err is nil if it has an answer. Without an
// attempt it was not begun.
type result struct {
	lane    int // in stops
	attempt *Attempt
	refused *errs.Error
	err     error
}

// entering begins an attempt.
type entering func() (a *Attempt, refused *errs.Error, err error)

// contest lets an attempt run, and others beside it if it lets us wait.
func (h *hunt) contest(a *Attempt) (winner *Attempt, next step, wait time.Duration) {
	c := &contest{hunt: h, results: make(chan result, 1+h.job.Hedge.Most()), timer: time.NewTimer(h.patience(a.turn))}
	defer c.timer.Stop()
	h.drop(a.turn) // it may come again, but not now
	c.start(a.cancel, func() (*Attempt, *errs.Error, error) { return a, nil, nil })
	for running := 1; running > 0; {
		select {
		case <-c.timer.C:
			running += c.join()
		case r := <-c.results:
			running--
			switch {
			case r.attempt == nil:
				running += c.barred(r)
			case r.err == nil:
				c.close(r.lane)
				return r.attempt, 0, 0
			default:
				if next, wait = h.fail(r.attempt, r.err, running > 0); next == stop {
					c.close(r.lane)
					return nil, stop, 0
				}
			}
		}
	}
	return nil, next, wait
}

// patience is how long a target is waited for.
func (h *hunt) patience(t turn) time.Duration {
	c := h.job.Order[t.place]
	return h.job.Hedge.Wait(c.Target.Monitors.Of(c.Model).P95(h.op.name == opStream))
}

// join begins an attempt with the next target, if the request may have one more
// beside others, and says how many it has begun.
func (c *contest) join() int {
	h := c.hunt
	t, ok := h.next()
	if !ok || h.hedged >= h.job.Hedge.Most() || !h.job.Order[t.place].Target.Monitors.AllowRetry(time.Now()) {
		return 0
	}
	h.hedged++
	h.drop(t)
	c.timer.Reset(h.patience(t))
	ctx, cancel := context.WithCancelCause(h.ctx)
	in := h.entrant(t, RoleHedge)
	h.runner.metrics.Hedged(h.ctx, h.job.Order[t.place].Target.Name)
	in.free = func() { cancel(nil) }
	// It may have to wait for a place, which must not keep us from the others.
	c.start(cancel, func() (*Attempt, *errs.Error, error) {
		a, refused, err := h.enter(ctx, in)
		if a == nil {
			in.free()
		}
		return a, refused, err
	})
	return 1
}

// barred deals with an attempt that was not begun: the next takes its place,
// unless nothing can be begun at all.
func (c *contest) barred(r result) int {
	if r.refused == nil || c.hunt.ctx.Err() != nil {
		return 0
	}
	c.hunt.refuse(r.refused)
	c.hunt.hedged--
	return c.join()
}

// start lets an attempt run; stop cancels it.
func (c *contest) start(stop context.CancelCauseFunc, enter entering) {
	lane := len(c.stops)
	c.stops = append(c.stops, stop)
	go func() {
		r := c.run(enter)
		r.lane = lane
		c.mu.Lock()
		over := c.over
		if !over {
			c.results <- r
		}
		c.mu.Unlock()
		if over {
			r.lose()
		}
	}()
}

// run makes an attempt. It turns a panic into an error: nobody above would.
func (c *contest) run(enter entering) (r result) {
	defer func() {
		if p := recover(); p != nil {
			c.hunt.runner.log.Error("attempt panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			r.err = errs.Internal(fmt.Errorf("attempt panicked: %v", p))
		}
	}()
	if r.attempt, r.refused, r.err = enter(); r.attempt != nil {
		r.err = r.attempt.safely(c.hunt.op.try)
	}
	return r
}

// close ends all but one. They are cancelled at once; each is settled as soon
// as its target has let go.
func (c *contest) close(but int) {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	for lane, stop := range c.stops {
		if lane != but {
			stop(errLost)
		}
	}
	for {
		select {
		case r := <-c.results: // at the same moment
			r.lose()
		default:
			return
		}
	}
}

// lose ends an attempt that came too late. It is not to blame.
func (r result) lose() {
	if r.attempt != nil {
		r.attempt.End(End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED, Err: errLost})
	}
}
