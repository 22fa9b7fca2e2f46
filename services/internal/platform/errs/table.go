package errs

import (
	"net/http"

	"google.golang.org/grpc/codes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// statusClientClosed is the status that access logs use for a caller who has
// gone; no client ever reads it. RFC 9110 has none for this.
const statusClientClosed = 499

// row is how a reason shows on each transport. text is the public text where
// nobody gave a better one.
type row struct {
	code codes.Code
	http int
	text string
}

// table is the one place that maps reasons. One choice is not obvious: an
// unknown path is 404 and not 501, because client libraries retry 5xx, and it
// does not get better by retrying.
var table = map[llmv1.ErrorReason]row{
	llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT:          {codes.InvalidArgument, http.StatusBadRequest, "the request is not valid"},
	llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:            {codes.InvalidArgument, http.StatusRequestEntityTooLarge, "the request body is too large"},
	llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:           {codes.Unauthenticated, http.StatusUnauthorized, "no valid credential was sent"},
	llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:         {codes.PermissionDenied, http.StatusForbidden, "the caller may not do this"},
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED:         {codes.PermissionDenied, http.StatusForbidden, "the key may not use this model"},
	llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:           {codes.NotFound, http.StatusNotFound, "no route serves this model"},
	llmv1.ErrorReason_ERROR_REASON_NOT_FOUND:                 {codes.NotFound, http.StatusNotFound, "the resource does not exist"},
	llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS:            {codes.AlreadyExists, http.StatusConflict, "the resource exists already"},
	llmv1.ErrorReason_ERROR_REASON_CONFLICT:                  {codes.FailedPrecondition, http.StatusConflict, "the resource is not in the state that this needs"},
	llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED:              {codes.ResourceExhausted, http.StatusTooManyRequests, "a rate limit was reached"},
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:           {codes.ResourceExhausted, http.StatusTooManyRequests, "a budget does not cover this request"},
	llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED:             {codes.FailedPrecondition, http.StatusBadRequest, "a guardrail policy stopped the request"},
	llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:            {codes.FailedPrecondition, http.StatusBadRequest, "a guardrail policy stopped the answer"},
	llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED:               {codes.InvalidArgument, http.StatusBadRequest, "the target does not support this request"},
	llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED:          {codes.InvalidArgument, http.StatusBadRequest, "the conversation is longer than the model can read"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED:         {codes.InvalidArgument, http.StatusBadRequest, "the provider refused the request"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:             {codes.Internal, http.StatusBadGateway, "the provider refused the gateway's credential"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:     {codes.ResourceExhausted, http.StatusTooManyRequests, "the provider limits the rate"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:      {codes.Unavailable, http.StatusBadGateway, "the provider is unavailable"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT:          {codes.DeadlineExceeded, http.StatusGatewayTimeout, "the provider did not answer in time"},
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED: {codes.FailedPrecondition, http.StatusBadRequest, "the provider's content filter stopped the request"},
	llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:        {codes.Aborted, http.StatusBadGateway, "the stream was interrupted"},
	llmv1.ErrorReason_ERROR_REASON_UNPRICED:                  {codes.FailedPrecondition, http.StatusBadRequest, "the model has no price, so no budget can cover it; an admin can add one under billing.prices"},
	llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE:               {codes.Unavailable, http.StatusServiceUnavailable, "the service is unavailable"},
	llmv1.ErrorReason_ERROR_REASON_OVERLOADED:                {codes.Unavailable, http.StatusServiceUnavailable, "the server is at its limit"},
	llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:         {codes.DeadlineExceeded, http.StatusGatewayTimeout, "the deadline passed"},
	llmv1.ErrorReason_ERROR_REASON_CANCELLED:                 {codes.Canceled, statusClientClosed, "the caller cancelled the request"},
	llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED:             {codes.Unimplemented, http.StatusNotFound, "this server does not offer the operation"},
	llmv1.ErrorReason_ERROR_REASON_INTERNAL:                  {codes.Internal, http.StatusInternalServerError, "internal error"},
}

// lookup falls back to INTERNAL, so that a reason from a newer peer still maps.
func lookup(reason llmv1.ErrorReason) row {
	if r, ok := table[reason]; ok {
		return r
	}
	return table[llmv1.ErrorReason_ERROR_REASON_INTERNAL]
}

// HTTPStatus returns the HTTP status of a reason; 500 for an unknown one.
func HTTPStatus(reason llmv1.ErrorReason) int { return lookup(reason).http }

// Code returns the gRPC code of a reason; Internal for an unknown one.
func Code(reason llmv1.ErrorReason) codes.Code { return lookup(reason).code }

// byCode gives the reason of a status that carries none of ours.
var byCode = map[codes.Code]llmv1.ErrorReason{
	codes.Canceled:           llmv1.ErrorReason_ERROR_REASON_CANCELLED,
	codes.InvalidArgument:    llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
	codes.OutOfRange:         llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
	codes.DeadlineExceeded:   llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED,
	codes.NotFound:           llmv1.ErrorReason_ERROR_REASON_NOT_FOUND,
	codes.AlreadyExists:      llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS,
	codes.PermissionDenied:   llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
	codes.ResourceExhausted:  llmv1.ErrorReason_ERROR_REASON_OVERLOADED,
	codes.FailedPrecondition: llmv1.ErrorReason_ERROR_REASON_CONFLICT,
	codes.Aborted:            llmv1.ErrorReason_ERROR_REASON_CONFLICT,
	codes.Unimplemented:      llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED,
	codes.Unavailable:        llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE,
	codes.Unauthenticated:    llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
}
