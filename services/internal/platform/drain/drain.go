// Package drain says how a shutdown goes: how long it may take, and what those
// are told whom it cuts off.
package drain

import (
	"context"
	"errors"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Notice is the cause of a context's end when the machine is about to be taken
// away: all must be done by then, however long a drain may take otherwise.
type Notice struct {
	// Time is when the machine goes.
	Time time.Time
	// Reason says why, for the log.
	Reason string
}

// Error implements error.
func (n *Notice) Error() string { return n.Reason }

// reserve is what is kept of the time that a notice leaves, for what follows
// when the last request has ended: usage goes to the ledger.
const reserve = 5 * time.Second

// Until is when requests must have ended, if the drain begins now: when ctx's
// end was a notice, as late as that allows, else after the timeout.
func Until(ctx context.Context, timeout time.Duration) time.Time {
	now := time.Now()
	var notice *Notice
	if !errors.As(context.Cause(ctx), &notice) {
		return now.Add(timeout)
	}
	left := notice.Time.Sub(now)
	return now.Add(max(left-reserve, left/2, 0))
}

// Delay waits while load balancers notice that a server is not ready any more,
// and new requests are still served: for so long, or as long as ctx's cause allows.
func Delay(ctx context.Context, delay time.Duration) {
	time.Sleep(min(delay, time.Until(Until(ctx, delay))))
}

// Err is what requests are told that a shutdown refuses or cuts off.
var Err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the gateway is shutting down").WithRetryAfter(time.Second)

// LastWords is how long those that were cut off have to say so.
const LastWords = time.Second
