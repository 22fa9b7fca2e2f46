package converse

import (
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// ErrorTypeHeader is the header in which AWS names an error.
const ErrorTypeHeader = "X-Amzn-Errortype"

// exceptions are AWS's names of the reasons whose name is not their status's.
var exceptions = map[llmv1.ErrorReason]string{
	llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:      "UnrecognizedClientException",
	llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:    "AccessDeniedException",
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED:    "AccessDeniedException",
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:      "ServiceQuotaExceededException",
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:      "ResourceNotFoundException",
	llmv1.ErrorReason_ERROR_REASON_NOT_FOUND:            "ResourceNotFoundException",
	llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED:         "ThrottlingException",
	llmv1.ErrorReason_ERROR_REASON_OVERLOADED:           "ThrottlingException",
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT:     "ModelTimeoutException",
	llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:    "ModelTimeoutException",
	llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:   "ModelStreamErrorException",
	llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED:        "UnknownOperationException",
	llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE:          "ServiceUnavailableException",
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE: "ServiceUnavailableException",

	llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED: "ThrottlingException",
}

// ErrorType is AWS's name of an error, which stands in a header.
func ErrorType(e *errs.Error) string {
	if name := exceptions[e.Reason]; name != "" {
		return name
	}
	if e.HTTPStatus() >= http.StatusInternalServerError {
		return "InternalServerException"
	}
	return "ValidationException"
}

// AppendError writes an error as a body.
func AppendError(dst []byte, e *errs.Error) []byte {
	dst = append(dst, `{"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	return append(dst, '}')
}

// streamed are the exceptions that a stream may end with.
func streamed(e *errs.Error) string {
	switch name := ErrorType(e); name {
	case "ThrottlingException":
		return "throttlingException"
	case "ServiceUnavailableException":
		return "serviceUnavailableException"
	case "ModelStreamErrorException", "ModelTimeoutException":
		return "modelStreamErrorException"
	case "InternalServerException":
		return "internalServerException"
	default:
		return "validationException"
	}
}

// DecodeError reads a provider's answer that is not a success: by the name of
// the exception, in a header or in the body, or else by the status. Its text is
// looked at and not kept: it may hold a prompt, a key or an address.
func DecodeError(status int, header http.Header, body []byte) error {
	name, message := exceptionBody(body)
	if h := header.Get(ErrorTypeHeader); h != "" {
		name = h
	}
	e := failure(status, shortName(name), message)
	return refusal.WithRetryAfter(e, header)
}

// shortName takes off what AWS may put around a name: a namespace before '#',
// an address behind ':'.
func shortName(name string) string {
	if at := strings.IndexByte(name, ':'); at >= 0 {
		name = name[:at]
	}
	return strings.TrimSpace(name[strings.LastIndexByte(name, '#')+1:])
}

// DecodeException reads an exception within a stream.
func DecodeException(m eventstream.Message) error {
	_, message := exceptionBody(m.Payload)
	return failure(0, shortName(string(m.Type)), message)
}

func exceptionBody(body []byte) (name, message string) {
	s := jsonscan.Scanner{Data: body}
	if s.Peek() != '{' {
		return "", ""
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "__type", "code":
			if text := s.OptionalValue(s.OptionalText()); name == "" {
				name = strings.Clone(text)
			}
		case "message", "Message":
			message = strings.Clone(s.OptionalValue(s.OptionalText()))
		default:
			s.Skip()
		}
	}
	return name, message
}

// failure makes the typed error of an exception; status is 0 within a stream.
func failure(status int, name, message string) *errs.Error {
	return refusal.New(reasonOf(status, strings.ToLower(name), message), refusal.Detail{Status: status, Code: name})
}

func reasonOf(status int, name, message string) llmv1.ErrorReason {
	switch name {
	case "throttlingexception", "modelnotreadyexception", "toomanyrequestsexception", "servicequotaexceededexception":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	case "accessdeniedexception", "unrecognizedclientexception", "expiredtokenexception", "invalidsignatureexception",
		"incompletesignatureexception", "missingauthenticationtokenexception", "invalidclienttokenid", "notauthorized", "optinrequired":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	case "resourcenotfoundexception", "unknownoperationexception":
		return llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	case "modeltimeoutexception":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
	case "internalserverexception", "internalservererror", "internalfailure", "serviceunavailableexception", "serviceunavailable",
		"modelerrorexception", "modelstreamerrorexception", "internalstreamfailure", "modelstreamerror", "modelerror",
		"internaldependencyexception":
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	case "validationexception", "validationerror":
		return invalid(strings.ToLower(message))
	}
	if status == 0 {
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	}
	return refusal.ByStatus(status)
}

// invalid tells apart what AWS calls by one name, by the words that it uses.
func invalid(message string) llmv1.ErrorReason {
	has := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(message, text) {
				return true
			}
		}
		return false
	}
	switch {
	case has("input is too long", "prompt is too long", "too many input tokens", "maximum context length", "exceeds the maximum number of input tokens", "context window"):
		return llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
	case has("content filter", "blocked by our content"):
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
	case has("provided model identifier is invalid", "on-demand throughput isn", "model is not supported in this region", "doesn't support the model"):
		return llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	default:
		return llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	}
}
