package httpserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// HeaderRequestID carries the id of a request in the answer.
const HeaderRequestID = "X-Tollgate-Request-Id"

type requestIDKey struct{}

// RequestID returns the id of the request under way, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// withRequestID gives each request a fresh id. Clients cannot choose it, so
// that ids in logs and ledgers stay unique.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "req_" + rand.Text()
		w.Header().Set(HeaderRequestID, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// limiting caps the body; a read beyond it fails with *http.MaxBytesError,
// which BodyError turns into BODY_TOO_LARGE.
func (s *Server) limiting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxBody.Int64())
		ctx := context.WithValue(r.Context(), bodyTimeoutKey{}, s.cfg.ReadBodyTimeout.Std())
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// named gives the request's span the name of the route that the mux inside
// chose. The mux notes it on the very request that it is given.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if r.Pattern != "" { // "/path" or "METHOD /path"
				path := r.Pattern[strings.Index(r.Pattern, "/"):]
				trace.SpanFromContext(r.Context()).SetName(r.Method + " " + path)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// recovering turns a panic into an error answer, or, when the answer has
// begun, cuts the connection: an answer that was broken off must not look
// complete.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if fault == http.ErrAbortHandler {
				panic(fault) // how net/http is told to cut the connection
			}
			s.log.ErrorContext(r.Context(), "handler panicked",
				"request_id", RequestID(r.Context()), "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			if watched.begun {
				panic(http.ErrAbortHandler)
			}
			WriteError(w, r, errs.Internal(nil))
		}()
		next.ServeHTTP(watched, r)
	})
}

// watchedWriter notes whether the answer has begun. http.ResponseController
// reaches through it with Unwrap.
type watchedWriter struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (w *watchedWriter) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.begun = true
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *watchedWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, for code that does not use
// http.ResponseController.
func (w *watchedWriter) Flush() {
	w.begun = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // nothing to flush then
}

// Unwrap serves http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
