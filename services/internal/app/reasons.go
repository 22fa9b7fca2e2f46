package app

import (
	"google.golang.org/grpc/codes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

const (
	reasonNoPath    = llmv1.ErrorReason_ERROR_REASON_NOT_FOUND
	reasonCancelled = llmv1.ErrorReason_ERROR_REASON_CANCELLED
)

// gatewayReasons are the reasons of errors that the REST gateway itself makes.
var gatewayReasons = map[codes.Code]llmv1.ErrorReason{
	codes.InvalidArgument: llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
	codes.NotFound:        llmv1.ErrorReason_ERROR_REASON_NOT_FOUND,
	codes.Unimplemented:   llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED,
}
