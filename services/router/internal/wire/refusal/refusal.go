// Package refusal makes typed errors of what providers answer in place of an
// answer, whatever their wire format.
package refusal

import (
	"net/http"
	"strconv"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Detail is what a provider says of an error, without its text: that may hold
// a prompt, a key or an address.
type Detail struct {
	Status int
	// Kind and Code are the provider's own names; Param is the parameter at fault.
	Kind, Code, Param string
}

// New makes the error.
func New(reason llmv1.ErrorReason, d Detail) *errs.Error {
	e := errs.New(reason, "")
	if reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED {
		// The caller can mend it, so say what is safe to say.
		for _, detail := range []string{d.Code, d.Param} {
			if detail = Printable(detail); detail != "" && detail != "?" {
				e.Message += ": " + detail
			}
		}
	}
	return e.WithCause(&upstreamError{status: d.Status, kind: d.Kind, code: d.Code})
}

// Unreadable is the error of an answer that cannot be understood.
func Unreadable(cause error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the provider's answer cannot be understood").WithCause(cause)
}

// ByStatus says what a status means where the body says nothing better.
func ByStatus(status int) llmv1.ErrorReason {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusPaymentRequired:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	case status == http.StatusNotFound:
		// Another target may have the model.
		return llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	case status == http.StatusTooManyRequests:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
	case status >= http.StatusInternalServerError, status < http.StatusBadRequest:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	default:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	}
}

// WithRetryAfter adds when to try again, if the headers say so.
func WithRetryAfter(e *errs.Error, h http.Header) *errs.Error {
	now := time.Now()
	after := retryAfter(h, now)
	if after == 0 && e.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED {
		after = reset(h, now)
	}
	if after > 0 {
		return e.WithRetryAfter(after)
	}
	return e
}

// upstreamError is the cause of a provider's refusal, without its text.
type upstreamError struct {
	status     int
	kind, code string
}

// Error implements error.
func (e *upstreamError) Error() string {
	return "the provider answered " + strconv.Itoa(e.status) + " " + Printable(e.kind) + " " + Printable(e.code)
}

// Printable keeps codes that look like codes, so that nothing else gets into a log.
func Printable(code string) string {
	if len(code) > 64 {
		return "?"
	}
	for _, c := range []byte(code) {
		if c != '_' && c != '-' && c != '.' && c != '[' && c != ']' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "?"
		}
	}
	return code
}

// most is the longest that is believed.
const most = 24 * time.Hour

// retryAfter reads when to try again: the header in milliseconds that some
// providers send, or seconds, or a date. 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms >= 0 {
		return min(time.Duration(min(ms, float64(most/time.Millisecond))*float64(time.Millisecond)), most)
	}
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		return min(time.Duration(min(seconds, most.Seconds())*float64(time.Second)), most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}

// limits are the headers in which providers say what is left of a limit, and
// when it is whole again: OpenAI's as a duration, Anthropic's as a time.
var limits = []struct{ left, reset string }{
	{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
	{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
}

// reset is when every limit that is used up is whole again; 0 if none is. What
// is left of a limit may be too little, but then nobody says how much is needed.
func reset(h http.Header, now time.Time) time.Duration {
	var after time.Duration
	for _, l := range limits {
		if h.Get(l.left) != "0" {
			continue
		}
		value := h.Get(l.reset)
		if d, err := time.ParseDuration(value); err == nil {
			after = max(after, d)
		} else if at, err := time.Parse(time.RFC3339, value); err == nil {
			after = max(after, at.Sub(now))
		}
	}
	return min(after, most)
}
