package attempt

import (
	"errors"
	"math/rand/v2"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Policy bounds how hard a request is tried.
type Policy struct {
	// Backoff is the most that the first retry waits; it doubles with each, up
	// to MaxBackoff. The wait is drawn evenly from nothing up to that: full jitter.
	Backoff, MaxBackoff time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for; a longer one
	// means the next target.
	MaxRetryAfter time.Duration
	// MaxAttempts bounds the attempts of one request over all targets.
	MaxAttempts int
}

// step is what follows a failed attempt.
type step uint8

const (
	stop    step = iota + 1 // nobody waits for the request, or the fault is ours
	reject                  // the request is at fault
	filter                  // a filter of the provider's stopped it
	larger                  // only a model that reads more may do better
	advance                 // another target may do better
	silence                 // likewise, and this target is not asked again
	retry                   // the same target may do better soon
)

func (s step) String() string {
	return [...]string{"", "stop", "stop", "stop", "larger model", "next target", "next target", "retry"}[s]
}

// class is what a reason means.
type class struct {
	step step
	// verdict is what it says about the target.
	verdict health.Verdict
}

// classes says what an error means.
var classes = map[llmv1.ErrorReason]class{
	llmv1.ErrorReason_ERROR_REASON_CANCELLED:                 {stop, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:         {stop, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_INTERNAL:                  {stop, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED:             {stop, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:          {reject, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:            {reject, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED:         {reject, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: {filter, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED:          {larger, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED:               {advance, health.Neutral},
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:           {advance, health.Neutral}, // clients can make up names of models
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:             {advance, health.Denied},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT:          {silence, health.Bad},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:     {retry, health.Throttled},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:      {retry, health.Bad},
	llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:        {retry, health.Bad},
}

// classOf is the class of an error; one whose reason has none speaks against
// the target, and another may do better.
func classOf(e *errs.Error) class {
	c, ok := classes[e.Reason]
	switch {
	case !ok:
		return class{advance, health.Bad}
	case c.step == retry && errors.Is(e, provider.ErrPersistent):
		c.step = silence
	}
	return c
}

// verdict is what an end says about the target, and when one that limits us
// wants to be asked again.
func verdict(end End, now time.Time) (v health.Verdict, until time.Time) {
	switch {
	case end.Outcome == billingv1.Outcome_OUTCOME_SUCCEEDED, end.Outcome == billingv1.Outcome_OUTCOME_BLOCKED:
		return health.Good, until
	case end.Outcome != billingv1.Outcome_OUTCOME_FAILED || end.Err == nil:
		return health.Neutral, until
	}
	e := errs.From(end.Err)
	if v = classOf(e).verdict; v == health.Throttled && e.RetryAfter > 0 {
		until = now.Add(e.RetryAfter)
	}
	return v, until
}

// wait is how long to wait before the n-th retry of a target, n from 0, and
// whether to retry at all.
func (p Policy) wait(e *errs.Error, n int) (time.Duration, bool) {
	if e.RetryAfter > p.MaxRetryAfter {
		return 0, false
	}
	ceiling := p.MaxBackoff
	if n < 30 && p.Backoff<<n < ceiling {
		ceiling = p.Backoff << n
	}
	jittered := time.Duration(0)
	if ceiling > 0 {
		jittered = time.Duration(rand.Int64N(int64(ceiling) + 1))
	}
	return max(jittered, e.RetryAfter), true
}
