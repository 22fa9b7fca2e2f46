package httpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

type bodyTimeoutKey struct{}

// ReadBody reads the whole body of a request within the server's limits of
// size and time. Errors are of type *errs.Error.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	timeout, ok := r.Context().Value(bodyTimeoutKey{}).(time.Duration)
	controller := http.NewResponseController(w)
	if !ok || controller.SetReadDeadline(time.Now().Add(timeout)) != nil {
		return readAll(r) // a test's recorder has no deadlines
	}
	body, err := readAll(r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// The deadline stays and the connection goes, else net/http would
		// wait for the rest of the body before it answers.
		w.Header().Set("Connection", "close")
		return nil, err
	}
	_ = controller.SetReadDeadline(time.Time{}) // it could be set, so it can be cleared
	return body, err
}

func readAll(r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	// Trust an announced length up to a bound, so that it saves growing but
	// an announced gigabyte alone costs nothing.
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, 1<<20)) + bytes.MinRead)
	}
	if _, err := io.Copy(&buf, r.Body); err != nil {
		return nil, BodyError(err)
	}
	return buf.Bytes(), nil
}

// BodyError turns an error of reading a request body into an *errs.Error.
func BodyError(err error) *errs.Error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errs.New(llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE,
			"the request body is larger than %s", config.Bytes(tooLarge.Limit)).WithCause(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errs.New(llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED,
			"the request body took too long to arrive").WithCause(err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errs.New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "").WithCause(err)
	}
	if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_INTERNAL {
		return e
	}
	// What else breaks a body, such as bad chunking, is the client's doing.
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the request body cannot be read").WithCause(err)
}

// errorBody is the form of errors where no client dialect sets another.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code      string            `json:"code"`
	Message   string            `json:"message"`
	Field     string            `json:"field,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

// WriteError answers with an error as plain JSON: status by reason, public
// text only, Retry-After where known.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := errs.From(err)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	SetRetryAfter(h, e)
	w.WriteHeader(e.HTTPStatus())
	_ = json.NewEncoder(w).Encode(errorBody{errorDetail{ // the client has gone
		Code: e.ReasonName(), Message: e.Message, Field: e.Field, Metadata: e.Metadata, RequestID: RequestID(r.Context()),
	}})
}

// SetRetryAfter sets Retry-After, in whole seconds rounded up, if e says when
// to try again.
func SetRetryAfter(h http.Header, e *errs.Error) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}
