package httpserver

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/drain"
)

// gate counts the requests under way, and turns new ones away while the server
// shuts down.
type gate struct {
	draining atomic.Bool // /readyz says no
	shut     atomic.Bool // new requests are refused
	inside   atomic.Int64
}

// enter lets a request in; leave follows, if it was let in.
func (g *gate) enter() bool {
	g.inside.Add(1)
	if g.shut.Load() {
		g.inside.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.inside.Add(-1) }

// gated refuses requests once the gate is shut. The address stays open until
// the last one inside has ended: whoever still comes gets an answer with which
// a client or a load balancer knows to go elsewhere. Connections are used no
// further, but not closed between two requests either: a client that has just
// sent one could not know whether it was read.
func (s *Server) gated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.gate.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if !s.gate.enter() {
			WriteError(w, r, drain.Err)
			return
		}
		defer s.gate.leave()
		next.ServeHTTP(w, r)
	})
}

// drain lets requests end, until the time is over that ctx's cause allows.
func (s *Server) drain(ctx context.Context, server *http.Server, cancelRequests context.CancelCauseFunc) {
	s.gate.draining.Store(true)
	drain.Delay(ctx, s.cfg.DrainDelay.Std())
	s.gate.shut.Store(true)
	left := time.Until(drain.Until(ctx, s.cfg.DrainTimeout.Std()))
	empty := func() bool { return s.gate.inside.Load() == 0 }
	if !sleepUntil(left, empty) {
		// Tell the handlers first: they may still say why they stop.
		cancelRequests(drain.Err)
	}
	last, cancel := context.WithTimeout(context.Background(), drain.LastWords)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.log.Warn("requests were cut off at shutdown", "err", errors.Join(err, server.Close()))
	}
}

// lookEvery is how often a condition is looked at that is waited for.
const lookEvery = 10 * time.Millisecond

// sleepUntil waits for a condition, but no longer than so long; it says whether
// it has come about.
func sleepUntil(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); !done(); {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		time.Sleep(min(left, lookEvery))
	}
	return true
}
