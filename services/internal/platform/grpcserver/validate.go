package grpcserver

import (
	"context"
	"errors"
	"strings"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// sharedValidator compiles the rules of each message type once per process.
var sharedValidator = sync.OnceValues(func() (protovalidate.Validator, error) { return protovalidate.New() })

// Validate checks a message against the rules in its contract. A violation is
// an error with reason INVALID_ARGUMENT that names every field at fault.
func Validate(msg proto.Message) error {
	v, err := newValidator()
	if err != nil {
		return errs.Internal(err)
	}
	return v.check(msg)
}

type validator struct {
	rules protovalidate.Validator
}

func newValidator() (*validator, error) {
	rules, err := sharedValidator()
	if err != nil {
		return nil, err
	}
	return &validator{rules: rules}, nil
}

func (v *validator) check(req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	err := v.rules.Validate(msg)
	if err == nil {
		return nil
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return errs.Internal(err) // a rule that does not compile
	}
	violations := make([]errs.Violation, 0, len(invalid.Violations))
	texts := make([]string, 0, len(invalid.Violations))
	for _, found := range invalid.Violations {
		one := errs.Violation{
			Field:   protovalidate.FieldPathString(found.Proto.GetField()),
			Message: found.Proto.GetMessage(),
		}
		violations = append(violations, one)
		if one.Field == "" {
			texts = append(texts, one.Message)
		} else {
			texts = append(texts, one.Field+": "+one.Message)
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", strings.Join(texts, "; ")).
		WithViolations(violations...)
}

func (v *validator) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := v.check(req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// PlainlyValid is for services whose streams carry many small messages.
type PlainlyValid interface {
	// PlainlyValid says that a message keeps every rule of its contract, without
	// the general validator, which takes microseconds. It may say no of a valid
	// message, never yes of another: a no is left to the rules, and so is what
	// to say of it.
	PlainlyValid(msg any) bool
}

func (v *validator) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	plain, _ := srv.(PlainlyValid)
	return handler(srv, &validatedStream{ServerStream: stream, validator: v, plain: plain})
}

// validatedStream checks each message as it is received.
type validatedStream struct {
	grpc.ServerStream
	validator *validator
	plain     PlainlyValid
}

// RecvMsg implements grpc.ServerStream.
func (s *validatedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if s.plain != nil && s.plain.PlainlyValid(m) {
		return nil
	}
	return s.validator.check(m)
}
