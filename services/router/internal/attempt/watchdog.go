package attempt

import (
	"context"
	"sync/atomic"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// The timeouts, as errors.
var (
	errFirstToken = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "the provider sent no content in time")
	errIdle       = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "the provider's stream stood still")
	errTotal      = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "the provider did not finish in time")
)

// watchdog cancels an attempt that takes too long. One timer serves all its
// timeouts: a chunk only notes the time, and the timer, when it fires, looks
// whether that is long enough ago, or sets itself anew. Idle time counts only
// while the target is waited for: a slow client is not the target's fault.
type watchdog struct {
	timer    *time.Timer
	cancel   context.CancelCauseFunc
	began    time.Time
	timeouts provider.Timeouts
	streamed bool
	content  atomic.Bool
	waiting  atomic.Int64 // nanoseconds since began at which the wait began; -1 for no wait
}

func (w *watchdog) start(began time.Time, t provider.Timeouts, streamed bool, cancel context.CancelCauseFunc) {
	w.began, w.timeouts, w.streamed, w.cancel = began, t, streamed, cancel
	first := w.timeouts.Total.Std()
	if streamed {
		first = min(first, w.timeouts.FirstToken.Std())
	}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Reset(first)
}

func (w *watchdog) stop() { w.timer.Stop() }

// wait notes that the target is waited for from now on.
func (w *watchdog) wait() { w.waiting.Store(int64(time.Since(w.began))) }

// served notes that it is no longer.
func (w *watchdog) served() { w.waiting.Store(-1) }

// begun notes the first content: from now on idle time counts.
func (w *watchdog) begun() {
	w.content.Store(true)
	w.timer.Reset(min(w.timeouts.Idle.Std(), w.timeouts.Total.Std()-time.Since(w.began)))
}

func (w *watchdog) look() {
	now := time.Since(w.began)
	left := w.timeouts.Total.Std() - now
	if left <= 0 {
		w.cancel(errTotal)
		return
	}
	idle, why := w.patience(now)
	if idle <= 0 {
		w.cancel(why)
		return
	}
	w.timer.Reset(min(left, idle))
}

// patience is how much longer the target may stay silent.
func (w *watchdog) patience(now time.Duration) (time.Duration, *errs.Error) {
	switch {
	case !w.streamed:
		return w.timeouts.Total.Std(), errTotal
	case !w.content.Load():
		return w.timeouts.FirstToken.Std() - now, errFirstToken
	}
	since := w.waiting.Load()
	if since < 0 {
		return w.timeouts.Idle.Std(), errIdle
	}
	return time.Duration(since) + w.timeouts.Idle.Std() - now, errIdle
}
