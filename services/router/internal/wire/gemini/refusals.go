package gemini

import (
	"net/http"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// DecodeError reads a provider's answer that is not a success. The text of the
// provider is never kept: it may hold a prompt, a key or an address. A refused
// stream may answer with a list of one.
func DecodeError(status int, header http.Header, body []byte) error {
	s := newScanner(body)
	var failure error
	s.elements(func() {
		s.members(func(name []byte) {
			if string(name) == "error" {
				failure = s.errorObject(status)
				return
			}
			s.Skip()
		})
	})
	e := errs.From(failure)
	if failure == nil || s.Err != nil {
		e = (&providerError{}).classify(status)
	}
	return refusal.WithRetryAfter(e, header)
}

// providerError is what an error object says.
type providerError struct {
	code            int64
	status, message string
	reason, field   string
	retryAfter      time.Duration
}

// errorObject reads an error object.
func (s *scanner) errorObject(status int) error {
	if s.Peek() == 'n' {
		s.Skip()
		return nil
	}
	var p providerError
	s.members(func(name []byte) {
		switch string(name) {
		case "code":
			p.code, _ = s.Integer()
		case "status":
			p.status = strings.Clone(s.OptionalValue(s.OptionalText()))
		case "message":
			p.message = strings.Clone(s.OptionalValue(s.OptionalText()))
		case "details":
			s.elements(func() { s.errorDetail(&p) })
		default:
			s.Skip()
		}
	})
	return p.classify(status)
}

// errorDetail reads what a detail says, whatever its type: the members of the
// types that matter have different names.
func (s *scanner) errorDetail(p *providerError) {
	s.members(func(name []byte) {
		switch string(name) {
		case "reason":
			p.reason = strings.Clone(s.OptionalValue(s.OptionalText()))
		case "retryDelay":
			if d, err := time.ParseDuration(s.OptionalValue(s.OptionalText())); err == nil && d > 0 {
				p.retryAfter = min(d, 24*time.Hour)
			}
		case "fieldViolations":
			s.elements(func() {
				s.members(func(name []byte) {
					if string(name) == "field" && p.field == "" {
						p.field = strings.Clone(s.OptionalValue(s.OptionalText()))
						return
					}
					s.Skip()
				})
			})
		default:
			s.Skip()
		}
	})
}

// classify says what an error means: by its details, then its status, then the
// status of the answer.
func (p *providerError) classify(status int) *errs.Error {
	if status < http.StatusBadRequest && p.code >= 400 && p.code < 600 { // inside a 200
		status = int(p.code)
	}
	e := refusal.New(p.reasonOf(status), refusal.Detail{Status: status, Kind: p.status, Code: p.reason, Param: p.field})
	if p.retryAfter > 0 {
		e = e.WithRetryAfter(p.retryAfter)
	}
	return e
}

var byName = map[string]llmv1.ErrorReason{
	"UNAUTHENTICATED":    llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
	"PERMISSION_DENIED":  llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
	"NOT_FOUND":          llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, // another target may have the model
	"UNIMPLEMENTED":      llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
	"RESOURCE_EXHAUSTED": llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	"UNAVAILABLE":        llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	"INTERNAL":           llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	"ABORTED":            llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	"UNKNOWN":            llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	"DEADLINE_EXCEEDED":  llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
	"CANCELLED":          llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
}

func (p *providerError) reasonOf(status int) llmv1.ErrorReason {
	switch {
	case strings.HasPrefix(p.reason, "API_KEY_"), p.reason == "SERVICE_DISABLED", p.reason == "BILLING_DISABLED":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	case strings.Contains(p.message, "exceeds the maximum number of tokens"):
		// The API has no name for it, so that it must be told by the words.
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	}
	if p.status == "FAILED_PRECONDITION" && strings.Contains(p.message, "billing") {
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	}
	if reason, ok := byName[p.status]; ok {
		return reason
	}
	return refusal.ByStatus(status)
}
