package bedrock

import (
	"errors"
	"net/http"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
)

// statuses are those that Bedrock answers an exception with, where they are not
// the status of the reason. By them SDKs decide whether to try again.
var statuses = map[string]int{
	"AccessDeniedException":         http.StatusForbidden,
	"InvalidSignatureException":     http.StatusForbidden,
	"ModelErrorException":           http.StatusFailedDependency,
	"ModelStreamErrorException":     http.StatusFailedDependency,
	"ModelTimeoutException":         http.StatusRequestTimeout,
	"ServiceQuotaExceededException": http.StatusBadRequest, // to try again cannot help
	"ServiceUnavailableException":   http.StatusServiceUnavailable,
	"ThrottlingException":           http.StatusTooManyRequests,
	"UnrecognizedClientException":   http.StatusForbidden,
	"ValidationException":           http.StatusBadRequest,
}

// exceptionOf is the name by which an SDK finds the type of an error.
func exceptionOf(e *errs.Error) string {
	switch {
	case errors.Is(e, auth.ErrSignature): // SDKs look for a wrong clock then
		return "InvalidSignatureException"
	case e.Reason == llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:
		return "RequestEntityTooLargeException"
	case e.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:
		return "ModelErrorException" // InternalServerException would be tried again
	}
	return converse.ErrorType(e)
}

func statusOf(e *errs.Error) int {
	if status, ok := statuses[exceptionOf(e)]; ok {
		return status
	}
	return e.HTTPStatus()
}

// writeError writes an error as the SDKs read it: its type in a header, and
// when to come back in the one that they look at.
func writeError(h http.Header, _ int, e *errs.Error) []byte {
	h.Set(converse.ErrorTypeHeader, exceptionOf(e))
	if e.RetryAfter > 0 {
		h.Set("X-Amz-Retry-After", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
	}
	return converse.AppendError(nil, e)
}
