package target

import (
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// Health counts what was seen of a target since the router started. Its zero
// value has seen nothing; it is safe for concurrent use.
type Health struct {
	attempts, failures, inFlight atomic.Int64
	lastSuccess, lastFailure     atomic.Int64 // UnixNano; 0 for never
	meanFirst                    atomic.Int64 // nanoseconds; 0 for not known
}

// Verdict is what an attempt says about its target.
type Verdict uint8

// The verdicts.
const (
	// Neutral: the caller went away, or the request was at fault.
	Neutral Verdict = iota
	// Good: the target answered.
	Good
	// Bad: the target failed.
	Bad
)

// Begin counts an attempt that starts.
func (h *Health) Begin() {
	h.attempts.Add(1)
	h.inFlight.Add(1)
}

// End counts its end. firstToken is 0 if there was none.
func (h *Health) End(v Verdict, now time.Time, firstToken time.Duration) {
	h.inFlight.Add(-1)
	switch v {
	case Good:
		h.lastSuccess.Store(now.UnixNano())
	case Bad:
		h.failures.Add(1)
		h.lastFailure.Store(now.UnixNano())
	}
	if firstToken > 0 {
		h.observe(int64(firstToken))
	}
}

// observe moves the mean by an eighth of the difference, as TCP does for round trips.
func (h *Health) observe(sample int64) {
	for {
		mean := h.meanFirst.Load()
		next := sample
		if mean != 0 {
			next = mean + (sample-mean)/8
		}
		if h.meanFirst.CompareAndSwap(mean, next) {
			return
		}
	}
}

// Report is the health as the API shows it.
func (h *Health) Report() *routerv1.TargetHealth {
	success, failure := h.lastSuccess.Load(), h.lastFailure.Load()
	out := &routerv1.TargetHealth{
		Attempts: h.attempts.Load(),
		Failures: h.failures.Load(),
		InFlight: h.inFlight.Load(),
	}
	switch {
	case success == 0 && failure == 0:
	case success >= failure:
		out.State = routerv1.TargetHealth_STATE_HEALTHY
	default:
		out.State = routerv1.TargetHealth_STATE_FAILING
	}
	if success != 0 {
		out.LastSuccessTime = timestamppb.New(time.Unix(0, success))
	}
	if failure != 0 {
		out.LastFailureTime = timestamppb.New(time.Unix(0, failure))
	}
	if mean := h.meanFirst.Load(); mean != 0 {
		out.MeanTimeToFirstToken = durationpb.New(time.Duration(mean))
	}
	return out
}
