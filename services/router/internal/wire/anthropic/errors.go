package anthropic

import (
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// kinds are the types of errors by reason, where the status does not say it.
var kinds = map[llmv1.ErrorReason]string{
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:  "billing_error",
	llmv1.ErrorReason_ERROR_REASON_OVERLOADED:       "overloaded_error",
	llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED:    "not_found_error",
	llmv1.ErrorReason_ERROR_REASON_CANCELLED:        "api_error",
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT: "timeout_error",
}

func kindOfError(e *errs.Error) string {
	if kind, ok := kinds[e.Reason]; ok {
		return kind
	}
	switch status := e.HTTPStatus(); {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusNotFound:
		return "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status == http.StatusGatewayTimeout:
		return "timeout_error"
	case status >= http.StatusInternalServerError:
		return "api_error"
	default:
		return "invalid_request_error"
	}
}

// AppendError writes an error as a body or as the data of a stream's event. The
// reason and the field stand beside what the format has; SDKs pass them on.
func AppendError(dst []byte, err error) []byte {
	e := errs.From(err)
	message := e.Message
	if e.Field != "" && !strings.Contains(message, e.Field) {
		message = e.Field + ": " + message
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonscan.AppendString(dst, kindOfError(e))
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, message)
	dst = append(dst, `,"code":`...)
	dst = jsonscan.AppendString(dst, strings.ToLower(e.ReasonName()))
	if e.Field != "" {
		dst = append(dst, `,"param":`...)
		dst = jsonscan.AppendString(dst, e.Field)
	}
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
		e = classify(status, "", "")
	}
	return refusal.WithRetryAfter(e, header)
}

// errorObject reads an error object; nil for null.
func (s *scanner) errorObject(status int) error {
	if s.Peek() == 'n' {
		s.Skip()
		return nil
	}
	var kind, message string
	if s.Peek() == '{' {
		for s.Open('{'); s.Next('}'); {
			switch string(s.Key()) {
			case "type":
				kind = strings.Clone(s.OptionalValue(s.OptionalText()))
			case "message":
				message = strings.Clone(s.OptionalValue(s.OptionalText()))
			default:
				s.Skip()
			}
		}
	} else {
		message = strings.Clone(s.OptionalValue(s.OptionalText()))
	}
	return classify(status, kind, message)
}

// classify says what an error means: by its words where only they tell, by its
// type, then by the status. Inside a stream only the type is there.
func classify(status int, kind, message string) *errs.Error {
	d := refusal.Detail{Status: status, Kind: kind, Code: kind, Param: field(message)}
	return refusal.New(reasonOf(status, kind, message), d)
}

// field is the parameter that a message begins with, as "max_tokens: Field required".
func field(message string) string {
	name, _, ok := strings.Cut(message, ": ")
	if !ok || strings.ContainsAny(name, " `'\"") {
		return ""
	}
	return name
}

// tooLong are the words for a conversation that the model cannot read: there is
// no type for it.
var tooLong = []string{
	"prompt is too long", "exceed context limit", "exceeds the maximum number of tokens", "input is too long",
	"input length and `max_tokens` exceed",
}

// filtered are the words for what the provider's own filter stopped.
var filtered = []string{"content filtering policy", "content filter"}

func says(message string, phrases []string) bool {
	message = strings.ToLower(message)
	for _, phrase := range phrases {
		if strings.Contains(message, phrase) {
			return true
		}
	}
	return false
}

func reasonOf(status int, kind, message string) llmv1.ErrorReason {
	refused := status == http.StatusBadRequest || status < http.StatusBadRequest
	switch {
	case refused && says(message, tooLong):
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	case refused && says(message, filtered):
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
	case refused && says(message, []string{"credit balance is too low"}):
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH // the operator must pay
	}
	switch kind {
	case "rate_limit_error":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	case "authentication_error", "permission_error", "billing_error":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	case "not_found_error":
		return llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED // another target may have the model
	case "timeout_error":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
	case "overloaded_error", "api_error":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	case "invalid_request_error", "request_too_large":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	}
	return refusal.ByStatus(status)
}
