package openai

import (
	"net/http"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
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

// ErrorCode is the code of an error as a client of this format sees it.
func ErrorCode(e *errs.Error) string { return faceOf(e).code }

// AppendError writes an error as a body or as the data of a stream's event.
func AppendError(dst []byte, err error) []byte {
	e := errs.From(err)
	f := faceOf(e)
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonscan.AppendString(dst, f.kind)
	dst = append(dst, `,"param":`...)
	if e.Field != "" {
		dst = jsonscan.AppendString(dst, e.Field)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"code":`...)
	dst = jsonscan.AppendString(dst, f.code)
	return append(dst, `}}`...)
}

// DecodeError reads a provider's answer that is not a success. The text of the
// provider is kept as the cause only: it may hold a prompt, a key or an address.
func DecodeError(status int, header http.Header, body []byte) error {
	s := newScanner(body)
	var failure error
	if s.Peek() == '{' {
		for s.Open('{'); s.Next('}'); {
			if string(s.Key()) == "error" {
				failure = s.errorObject(status)
				continue
			}
			s.Skip()
		}
	}
	e := errs.From(failure)
	if failure == nil || s.Err != nil {
		e = classify(status, providerError{})
	}
	return refusal.WithRetryAfter(e, header)
}

// providerError is what an error object says.
type providerError struct{ kind, code, param, message string }

// errorObject reads an error object; some providers send a bare text.
func (s *scanner) errorObject(status int) error {
	var p providerError
	switch s.Peek() {
	case 'n':
		s.Skip()
		return nil
	case '{':
		for s.Open('{'); s.Next('}'); {
			switch string(s.Key()) {
			case "type":
				p.kind = strings.Clone(s.OptionalValue(s.OptionalText()))
			case "message":
				p.message = strings.Clone(s.OptionalValue(s.OptionalText()))
			case "param":
				p.param = strings.Clone(s.OptionalValue(s.OptionalText()))
			case "code":
				if s.Peek() == '"' {
					p.code = strings.Clone(s.Value(s.Text()))
				} else if n, ok := s.Integer(); ok {
					p.code = strconv.FormatInt(n, 10)
				}
			default:
				s.Skip()
			}
		}
	default:
		p.message = strings.Clone(s.OptionalValue(s.OptionalText()))
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
	return refusal.New(reasonOf(status, p), refusal.Detail{Status: status, Kind: p.kind, Code: p.code, Param: p.param})
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
	if status == http.StatusBadRequest && strings.Contains(p.message, "maximum context length") {
		// Servers that have no codes, such as vLLM, say it in words.
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	}
	return refusal.ByStatus(status)
}
