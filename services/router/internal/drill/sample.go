// Package drill makes targets fail on purpose for a bounded time, and measures
// how the router copes.
package drill

import (
	"slices"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// Sample is one request that has ended.
type Sample struct {
	// Began and Ended are when; First is when its first content came, zero if it
	// was not streamed.
	Began, Ended, First time.Time
	// Route holds the targets that its route names.
	Route []route.Ref
	// Asked are the targets of its attempts, in order, and Failed is how many of
	// those failed.
	Asked  []string
	Failed int
	// Served is the target that answered; empty if none did.
	Served string
	// Recovered is true if the answer was taken up after it had begun.
	Recovered bool
	// Reason is why it failed; unspecified if it did not.
	Reason llmv1.ErrorReason
	// Lost is how many tokens had been delivered of an answer that then failed.
	Lost int64
}

// result is what became of a request.
type result uint8

const (
	succeeded result = iota
	failed
	refused
	cancelled
)

// results are the reasons that do not count as failures: the gateway works as
// it should when it says so.
var results = map[llmv1.ErrorReason]result{
	llmv1.ErrorReason_ERROR_REASON_UNSPECIFIED:               succeeded,
	llmv1.ErrorReason_ERROR_REASON_CANCELLED:                 cancelled,
	llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:          refused,
	llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:            refused,
	llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:           refused,
	llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:         refused,
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED:         refused,
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:           refused,
	llmv1.ErrorReason_ERROR_REASON_NOT_FOUND:                 refused,
	llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED:              refused,
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:           refused,
	llmv1.ErrorReason_ERROR_REASON_UNPRICED:                  refused,
	llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED:             refused,
	llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:            refused,
	llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED:               refused,
	llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED:          refused,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED:         refused,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: refused,
}

// result says what became of the request. What a provider says of a request is
// its caller's fault, unless the drill may have put it into the provider's mouth.
func (s *Sample) result(struck bool) result {
	r, ok := results[s.Reason]
	switch {
	case !ok:
		return failed
	case struck && (s.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED || s.Reason == llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED):
		return failed
	default:
		return r
	}
}

// asks says whether an attempt was made on one of the targets.
func (s *Sample) asks(targets map[string]bool) bool {
	return slices.ContainsFunc(s.Asked, func(name string) bool { return targets[name] })
}

// concerns says whether the request's route has one of the targets.
func (s *Sample) concerns(targets map[string]bool) bool {
	return slices.ContainsFunc(s.Route, func(r route.Ref) bool { return targets[r.Name] })
}
