package httpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one run of a readiness check.
const checkTimeout = 2 * time.Second

// readiness holds the named checks of /readyz.
type readiness struct {
	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

func (r *readiness) add(name string, check func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = map[string]func(context.Context) error{}
	}
	r.checks[name] = check
}

// run asks all checks at once; a check that ignores its context counts as
// failing, and is waited for no longer.
func (r *readiness) run(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	type result struct {
		name string
		err  error
	}
	r.mu.Lock()
	results := make(chan result, len(r.checks))
	out := make(map[string]error, len(r.checks))
	for name, check := range r.checks {
		out[name] = context.DeadlineExceeded
		go func() { results <- result{name, check(ctx)} }()
	}
	r.mu.Unlock()
	for range len(out) {
		select {
		case got := <-results:
			out[got.name] = got.err
		case <-ctx.Done():
			return out
		}
	}
	return out
}

type health struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, health{Status: "ok"})
}

// readyz names the checks and their state; why one fails is in the log only.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.gate.draining.Load() {
		writeHealth(w, http.StatusServiceUnavailable, health{Status: "draining"})
		return
	}
	out := health{Status: "ready", Checks: map[string]string{}}
	code := http.StatusOK
	for name, err := range s.readiness.run(r.Context()) {
		out.Checks[name] = "ok"
		if err != nil {
			s.log.WarnContext(r.Context(), "not ready", "check", name, "err", err)
			out.Checks[name], out.Status, code = "failing", "not ready", http.StatusServiceUnavailable
		}
	}
	writeHealth(w, code, out)
}

func writeHealth(w http.ResponseWriter, code int, body health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
