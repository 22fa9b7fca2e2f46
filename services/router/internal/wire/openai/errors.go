package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// face is how a reason looks to a client of this format.
type face struct{ kind, code string }

// faces are the reasons whose type or code is not their status's.
var faces = map[llmv1.ErrorReason]face{
	llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:          {"invalid_request_error", "invalid_value"},
	llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:            {"invalid_request_error", "request_too_large"},
	llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:           {"authentication_error", "invalid_api_key"},
	llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:         {"permission_error", "permission_denied"},
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED:         {"permission_error", "model_not_allowed"},
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:           {"invalid_request_error", "model_not_found"},
	llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED:              {"rate_limit_error", "rate_limit_exceeded"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:     {"rate_limit_error", "rate_limit_exceeded"},
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:           {"insufficient_quota", "insufficient_quota"},
	llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED:          {"invalid_request_error", "context_length_exceeded"},
	llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED:             {"invalid_request_error", "content_filter"},
	llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:            {"invalid_request_error", "content_filter"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: {"invalid_request_error", "content_filter"},
}

func faceOf(e *errs.Error) face {
	if f, ok := faces[e.Reason]; ok {
		return f
	}
	code := strings.ToLower(e.ReasonName())
	switch status := e.HTTPStatus(); {
	case status == http.StatusNotFound:
		return face{"not_found_error", code}
	case status >= http.StatusInternalServerError:
		return face{"server_error", code}
	default:
		return face{"invalid_request_error", code}
	}
}

// AppendError writes an error as a body or as the data of a stream's event.
func AppendError(dst []byte, err error) []byte {
	e := errs.From(err)
	f := faceOf(e)
	dst = append(dst, `{"error":{"message":`...)
	dst = appendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, f.kind)
	dst = append(dst, `,"param":`...)
	if e.Field != "" {
		dst = appendString(dst, e.Field)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, f.code)
	return append(dst, `}}`...)
}

// DecodeError reads a provider's answer that is not a success. The text of the
// provider is kept as the cause only: it may hold a prompt, a key or an address.
func DecodeError(status int, header http.Header, body []byte) error {
	s := &scanner{data: body}
	var failure error
	if s.peek() == '{' {
		for s.open('{'); s.next('}'); {
			if string(s.key()) == "error" {
				failure = s.errorObject(status)
				continue
			}
			s.skip()
		}
	}
	e := errs.From(failure)
	if failure == nil || s.err != nil {
		e = classify(status, providerError{})
	}
	if after := retryAfter(header, time.Now()); after > 0 {
		e = e.WithRetryAfter(after)
	}
	return e
}

// providerError is what an error object says.
type providerError struct{ kind, code, param, message string }

// errorObject reads an error object; some providers send a bare text.
func (s *scanner) errorObject(status int) error {
	var p providerError
	switch s.peek() {
	case 'n':
		s.skip()
		return nil
	case '{':
		for s.open('{'); s.next('}'); {
			switch string(s.key()) {
			case "type":
				p.kind = strings.Clone(s.optionalValue(s.optionalText()))
			case "message":
				p.message = strings.Clone(s.optionalValue(s.optionalText()))
			case "param":
				p.param = strings.Clone(s.optionalValue(s.optionalText()))
			case "code":
				if s.peek() == '"' {
					p.code = strings.Clone(s.value(s.text()))
				} else if n, ok := s.integer(); ok {
					p.code = strconv.FormatInt(n, 10)
				}
			default:
				s.skip()
			}
		}
	default:
		p.message = strings.Clone(s.optionalValue(s.optionalText()))
	}
	return classify(status, p)
}

// classify says what an error means: by its code, then its type, then the
// status, for compatible servers share the statuses but not the codes.
func classify(status int, p providerError) *errs.Error {
	if status < http.StatusBadRequest { // inside a 200, the code may be a status
		if n, err := strconv.Atoi(p.code); err == nil && n >= 400 && n < 600 {
			status = n
		}
	}
	e := errs.New(reasonOf(status, p), "")
	if e.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED {
		// The caller can mend it, so say what is safe to say.
		for _, detail := range []string{p.code, p.param} {
			if detail = printable(detail); detail != "" && detail != "?" {
				e.Message += ": " + detail
			}
		}
	}
	return e.WithCause(&upstreamError{status: status, kind: p.kind, code: p.code})
}

func reasonOf(status int, p providerError) llmv1.ErrorReason {
	switch p.code {
	case "context_length_exceeded", "string_above_max_length":
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	case "content_filter", "content_policy_violation":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
	case "rate_limit_exceeded":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	case "insufficient_quota", "invalid_api_key", "billing_not_active", "account_deactivated":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	}
	if status < http.StatusBadRequest {
		switch p.kind {
		case "rate_limit_error", "rate_limit_exceeded":
			return llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		case "invalid_request_error":
			return llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
		}
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	}
	return reasonByStatus(status, p.message)
}

func reasonByStatus(status int, message string) llmv1.ErrorReason {
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
	case status == http.StatusBadRequest && strings.Contains(message, "maximum context length"):
		// Servers that have no codes, such as vLLM, say it in words.
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	case status >= http.StatusInternalServerError, status < http.StatusBadRequest:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	default:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	}
}

// upstreamError is the cause of a provider's refusal, without its text.
type upstreamError struct {
	status     int
	kind, code string
}

// Error implements error.
func (e *upstreamError) Error() string {
	return "the provider answered " + strconv.Itoa(e.status) + " " + printable(e.kind) + " " + printable(e.code)
}

// printable keeps codes that look like codes, so that nothing else gets into a log.
func printable(code string) string {
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

// retryAfter reads when to try again: the header in milliseconds that some
// providers send, or seconds, or a date. A day at most; 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 24 * time.Hour
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
