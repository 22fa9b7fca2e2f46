package attempt

import (
	"math/rand/v2"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
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
	stop    step = iota + 1 // the request is at fault, or nobody waits for it
	advance                 // another target may do better
	retry                   // the same target may do better soon
)

func (s step) String() string {
	return [...]string{"", "stop", "next target", "retry"}[s]
}

// steps says what an error means. A reason that is not here means advance.
var steps = map[llmv1.ErrorReason]step{
	llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:          stop,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED:         stop,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: stop,
	llmv1.ErrorReason_ERROR_REASON_CANCELLED:                 stop,
	llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:         stop,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:     retry,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:      retry,
	llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:        retry,
}

func stepAfter(e *errs.Error) step {
	if s, ok := steps[e.Reason]; ok {
		return s
	}
	return advance
}

// blames says whether an error speaks against the target.
func blames(err error) bool {
	e := errs.From(err)
	if e == nil {
		return false
	}
	switch e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED,
		llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND: // clients can make up names of models
		return false
	}
	return stepAfter(e) != stop
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
