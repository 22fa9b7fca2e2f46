package errs

import (
	"context"
	"errors"
	"maps"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// metadataField is the key of ErrorInfo.metadata that names the field.
const metadataField = "field"

// GRPCStatus gives the error its form on the wire: the public text with
// ErrorInfo, and BadRequest and RetryInfo where they apply.
func (e *Error) GRPCStatus() *status.Status {
	info := &errdetails.ErrorInfo{Reason: e.ReasonName(), Domain: Domain, Metadata: maps.Clone(e.Metadata)}
	details := []protoadapt.MessageV1{info}
	if e.Field != "" {
		if info.Metadata == nil {
			info.Metadata = make(map[string]string, 1)
		}
		info.Metadata[metadataField] = e.Field
		details = append(details, e.badRequest())
	}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	code := e.Code
	if code == codes.OK { // a zero Error must not read as success
		code = codes.Internal
	}
	st := status.New(code, e.Message)
	if detailed, err := st.WithDetails(details...); err == nil {
		return detailed
	}
	return st
}

func (e *Error) badRequest() *errdetails.BadRequest {
	violations := e.Violations
	if len(violations) == 0 {
		violations = []Violation{{Field: e.Field, Message: e.Message}}
	}
	out := &errdetails.BadRequest{}
	for _, v := range violations {
		out.FieldViolations = append(out.FieldViolations,
			&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Message})
	}
	return out
}

// From sees any error as an *Error: one that is in its chain, one decoded
// from a gRPC status of a Tollgate service, a cancelled or expired context,
// else INTERNAL. The text of foreign errors and statuses becomes the cause,
// never the message, for it may hold addresses. From(nil) is a nil *Error:
// test err first where the result is returned as an error.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := asError(err); ok {
		return e
	}
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) {
		if st := carrier.GRPCStatus(); st != nil && st.Code() != codes.OK {
			return fromStatus(st, err)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "").WithCause(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "").WithCause(err)
	}
	return Internal(err)
}

func fromStatus(st *status.Status, cause error) *Error {
	reason, ok := byCode[st.Code()]
	if !ok {
		reason = llmv1.ErrorReason_ERROR_REASON_INTERNAL
	}
	e := New(reason, "").WithCause(cause)
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			e.readInfo(d, st)
		case *errdetails.BadRequest:
			e.readBadRequest(d)
		case *errdetails.RetryInfo:
			e.RetryAfter = max(0, d.GetRetryDelay().AsDuration())
		}
	}
	return e
}

// readInfo takes reason and text of a status that a Tollgate service made. A
// reason that this version does not know keeps what the code gave.
func (e *Error) readInfo(info *errdetails.ErrorInfo, st *status.Status) {
	if info.GetDomain() != Domain {
		return
	}
	if known, ok := reasonByName(info.GetReason()); ok {
		e.Reason = known
	}
	e.Code, e.Message = st.Code(), st.Message()
	e.Metadata = maps.Clone(info.GetMetadata())
	e.Field = e.Metadata[metadataField]
	delete(e.Metadata, metadataField)
	if len(e.Metadata) == 0 {
		e.Metadata = nil
	}
}

func (e *Error) readBadRequest(d *errdetails.BadRequest) {
	if len(d.GetFieldViolations()) < 2 {
		return // Field and Message say it
	}
	for _, v := range d.GetFieldViolations() {
		e.Violations = append(e.Violations, Violation{Field: v.GetField(), Message: v.GetDescription()})
	}
}
