// Package errs holds the one error type that crosses a boundary of Tollgate.
// It keeps what a caller may read (reason, message, field) apart from what
// only the log may hold (the cause).
package errs

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Domain is the domain of the google.rpc.ErrorInfo that errors carry.
const Domain = "tollgate.dev"

// Error is an error with a public face. Make one with New; the With methods
// return changed copies, so that a shared error can be refined safely.
type Error struct {
	// Code is the gRPC code, from the table of reasons.
	Code codes.Code
	// Reason is the machine-readable reason.
	Reason llmv1.ErrorReason
	// Message is the public text: no internals, keys, prompts or addresses.
	Message string
	// Field is the dotted path of the request field at fault. May be empty.
	Field string
	// Violations lists every field at fault when there are several.
	Violations []Violation
	// RetryAfter tells when to try again. 0 when unknown.
	RetryAfter time.Duration
	// Metadata is public detail for machines, such as the scope of a limit.
	Metadata map[string]string

	cause error
}

// Violation is one field at fault.
type Violation struct {
	// Field is the dotted path, such as messages[0].role.
	Field string
	// Message says what is wrong with it.
	Message string
}

// New makes an error. An empty format gives the reason's standard text.
func New(reason llmv1.ErrorReason, format string, args ...any) *Error {
	r := lookup(reason)
	message := r.text
	if format != "" {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Code: r.code, Reason: reason, Message: message}
}

// Internal is New for a fault of ours: fixed public text, cause for the log.
func Internal(cause error) *Error {
	return New(llmv1.ErrorReason_ERROR_REASON_INTERNAL, "").WithCause(cause)
}

// Error returns the public text only.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause. It is for logs, never for callers.
func (e *Error) Unwrap() error { return e.cause }

// HTTPStatus returns the HTTP status of the error's reason.
func (e *Error) HTTPStatus() int { return HTTPStatus(e.Reason) }

// ReasonName returns the reason without its enum prefix, such as RATE_LIMITED.
func (e *Error) ReasonName() string { return reasonName(e.Reason) }

// LogValue gives logs the reason, the public text and the cause.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("reason", e.ReasonName()), slog.String("message", e.Message)}
	if e.Field != "" {
		attrs = append(attrs, slog.String("field", e.Field))
	}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// WithField names the request field at fault.
func (e *Error) WithField(path string) *Error {
	c := *e
	c.Field = path
	return &c
}

// WithViolations names every field at fault; the first becomes Field.
func (e *Error) WithViolations(violations ...Violation) *Error {
	c := *e
	c.Violations = violations
	if len(violations) > 0 {
		c.Field = violations[0].Field
	}
	return &c
}

// WithRetryAfter tells when to try again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// WithCause keeps what went wrong inside, for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// WithMetadata adds public detail for machines.
func (e *Error) WithMetadata(key, value string) *Error {
	c := *e
	c.Metadata = maps.Clone(e.Metadata)
	if c.Metadata == nil {
		c.Metadata = make(map[string]string, 1)
	}
	c.Metadata[key] = value
	return &c
}

// Is reports whether err, seen as From sees it, has the given reason.
func Is(err error, reason llmv1.ErrorReason) bool {
	e := From(err)
	return e != nil && e.Reason == reason
}

// asError finds an *Error in err's chain.
func asError(err error) (*Error, bool) {
	var e *Error
	return e, errors.As(err, &e) && e != nil
}

const reasonPrefix = "ERROR_REASON_"

func reasonName(r llmv1.ErrorReason) string { return strings.TrimPrefix(r.String(), reasonPrefix) }

func reasonByName(name string) (llmv1.ErrorReason, bool) {
	n, ok := llmv1.ErrorReason_value[reasonPrefix+name]
	return llmv1.ErrorReason(n), ok && n != 0
}
