// Package providertest is a provider for tests: it speaks OpenAI's wire format
// on a loopback port, answers by fixed rules, and misbehaves on request. Which
// way it misbehaves is chosen by the model's name.
package providertest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Models that misbehave. Any other name behaves well.
const (
	RateLimited      = "rate-limited"       // 429
	RateLimitedAfter = "rate-limited-after" // 429 with Retry-After: 1
	FailOnce         = "fail-once"          // 500, then well
	Unavailable      = "unavailable"        // 503
	Unauthorized     = "unauthorized"       // 401
	Missing          = "missing"            // 404
	Reset            = "reset"              // the connection is reset before an answer
	Silent           = "silent"             // no answer at all
	SlowFirstToken   = "slow-first-token"   // headers at once, content after Server.Delay
	Cut              = "cut"                // the connection ends within the answer
	Stall            = "stall"              // the stream stands still within the answer
	Malformed        = "malformed"          // a chunk that is not JSON within the answer
	NoDone           = "no-done"            // the stream ends without [DONE]
	NoUsage          = "no-usage"           // no usage, whatever was asked for
	ErrorInStream    = "error-in-stream"    // an error object within a stream that began well
	HTML             = "html"               // a web page with status 200
	Redirect         = "redirect"           // 307 to another address
	ContextExceeded  = "context-exceeded"   // 400 context_length_exceeded
	ContentFilter    = "content-filter"     // 400 content_filter
	Rejected         = "rejected"           // 400 with code and param
	UnknownFields    = "unknown-fields"     // members that no client knows
	Truncated        = "truncated"          // a whole answer that is cut
)

// Recorded is a request that the server saw.
type Recorded struct {
	Path   string
	Header http.Header
	Body   []byte
	Model  string
	Stream bool

	ended     chan struct{}
	cancelled time.Time
}

// Server is the provider. Its fields may be set before the first request.
type Server struct {
	*httptest.Server
	// Delay is how long SlowFirstToken waits; 200ms.
	Delay time.Duration
	// Pace is the time between two chunks; none.
	Pace time.Duration
	// Answer writes the text of an answer; nil answers "You said: " and the
	// last user message's text.
	Answer func(*Recorded) string
	// Key is the credential that is asked for; empty asks for none.
	Key string

	connections atomic.Int64

	mu       sync.Mutex
	requests []*Recorded
	failed   map[string]bool
	stopping context.Context // ends the handlers that wait
}

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{Delay: 200 * time.Millisecond, failed: make(map[string]bool), stopping: ctx}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.recorded(s.chat))
	mux.HandleFunc("POST /v1/embeddings", s.recorded(s.embed))
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "")
	})
	s.Server = httptest.NewUnstartedServer(mux)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(func() {
		stop()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// BaseURL is where the API begins.
func (s *Server) BaseURL() string { return s.URL + "/v1" }

// Connections is how many connections clients have opened.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Requests lists what the server has seen, the oldest first.
func (s *Server) Requests() []*Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Recorded(nil), s.requests...)
}

// Last returns the latest request; nil before the first.
func (s *Server) Last() *Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return nil
	}
	return s.requests[len(s.requests)-1]
}

// AwaitCancelled waits until the client has given the request up, and says when it did.
func (r *Recorded) AwaitCancelled(timeout time.Duration) (time.Time, bool) {
	select {
	case <-r.ended:
		return r.cancelled, !r.cancelled.IsZero()
	case <-time.After(timeout):
		return time.Time{}, false
	}
}

// recorded wraps a handler so that it is seen in Requests.
func (s *Server) recorded(handle func(http.ResponseWriter, *http.Request, *Recorded)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		rec := &Recorded{Path: r.URL.Path, Header: r.Header.Clone(), Body: body, ended: make(chan struct{})}
		var head struct {
			Model  string `json:"model"`
			Stream bool   `json:"stream"`
		}
		if err := json.Unmarshal(body, &head); err != nil {
			writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_json", "")
			return
		}
		rec.Model, rec.Stream = head.Model, head.Stream
		s.mu.Lock()
		s.requests = append(s.requests, rec)
		s.mu.Unlock()
		defer func() {
			if r.Context().Err() != nil && s.stopping.Err() == nil {
				rec.cancelled = time.Now()
			}
			close(rec.ended)
		}()
		if s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key {
			writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "")
			return
		}
		handle(w, r, rec)
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{
		map[string]any{"id": "gpt-4o-mini", "object": "model", "created": created, "owned_by": "openai"},
	}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writeError answers as the provider does: with a text that repeats the prompt
// and names what only the provider should know.
func writeError(w http.ResponseWriter, status int, kind, code, param string) {
	detail := map[string]any{"message": LeakyText, "type": kind, "code": code, "param": nil}
	if param != "" {
		detail["param"] = param
	}
	writeJSON(w, status, map[string]any{"error": detail})
}

// LeakyText is in every error of the server; a gateway must not show it.
const LeakyText = "Incorrect API key provided: sk-leaked; see http://10.1.2.3/internal"

// once says whether this is the first time that a model was asked.
func (s *Server) once(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.failed[model]
	s.failed[model] = true
	return first
}

// wait waits, or until the client or the server has gone.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-s.stopping.Done():
	}
	return false
}

// refuse misbehaves before an answer; it says whether it did.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, model string) bool {
	switch model {
	case RateLimited:
		writeError(w, http.StatusTooManyRequests, "requests", "rate_limit_exceeded", "")
	case RateLimitedAfter:
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusTooManyRequests, "requests", "rate_limit_exceeded", "")
	case FailOnce:
		if !s.once(model) {
			return false
		}
		writeError(w, http.StatusInternalServerError, "server_error", "", "")
	case Unavailable:
		http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
	case Unauthorized:
		writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "")
	case Missing:
		writeError(w, http.StatusNotFound, "invalid_request_error", "model_not_found", "")
	case ContextExceeded:
		writeError(w, http.StatusBadRequest, "invalid_request_error", "context_length_exceeded", "messages")
	case ContentFilter:
		writeError(w, http.StatusBadRequest, "invalid_request_error", "content_filter", "")
	case Rejected:
		writeError(w, http.StatusBadRequest, "invalid_request_error", "unsupported_parameter", "max_tokens")
	case Reset:
		panic(http.ErrAbortHandler)
	case Silent:
		s.wait(r.Context(), time.Hour)
	case HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>"+strings.Repeat("sign in ", 100)+"</body></html>")
	case Redirect:
		http.Redirect(w, r, s.URL+"/elsewhere", http.StatusTemporaryRedirect)
	default:
		return false
	}
	return true
}
