package app

import (
	"context"
	"net/http"

	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
)

// refusal is where a stream of REST is written to. The gateway gives an error
// that comes before the first message the HTTP status of its gRPC code, which
// several reasons share; here it gets that of its reason.
type refusal struct {
	http.ResponseWriter
	err *errs.Error // what the stream ended by
}

type refusalKey struct{}

func refusingStreams(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &refusal{ResponseWriter: w}
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), refusalKey{}, answer)))
	})
}

// restStreamError says how a stream's error is written, and notes it for the
// status, should nothing have been written yet.
func restStreamError(ctx context.Context, err error) *status.Status {
	e := restReason(ctx, err)
	if answer, ok := ctx.Value(refusalKey{}).(*refusal); ok {
		answer.err = e
	}
	return e.GRPCStatus()
}

// WriteHeader implements http.ResponseWriter.
func (w *refusal) WriteHeader(code int) {
	if w.err != nil {
		code = w.err.HTTPStatus()
		httpserver.SetRetryAfter(w.Header(), w.err)
	}
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap serves http.ResponseController.
func (w *refusal) Unwrap() http.ResponseWriter { return w.ResponseWriter }
