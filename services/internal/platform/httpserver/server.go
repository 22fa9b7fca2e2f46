// Package httpserver is the HTTP edge: limits, request ids, recovery,
// telemetry, health and readiness, and a shutdown that lets requests end. It
// sets no write timeout, since answers stream for minutes; handlers that
// write bound each write with http.ResponseController.
package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/platform/listen"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Dependencies are what the server needs besides its handler.
type Dependencies struct {
	// Log gets faults. Nil: the log of Telemetry, else none.
	Log *slog.Logger
	// Telemetry traces and measures. May be nil.
	Telemetry *telemetry.Telemetry
}

// Server is one HTTP server.
type Server struct {
	cfg       Config
	tls       *tls.Config
	log       *slog.Logger
	handler   http.Handler
	readiness readiness
	gate      gate
}

// New builds a server around handler. It does not listen yet.
func New(cfg Config, deps Dependencies, handler http.Handler) (*Server, error) {
	tlsConfig, err := cfg.TLS.Load()
	if err != nil {
		return nil, fmt.Errorf("build HTTP server: %w", err)
	}
	s := &Server{cfg: cfg, tls: tlsConfig, log: deps.Log}
	if s.log == nil && deps.Telemetry != nil {
		s.log = deps.Telemetry.Log()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	handler = s.recovering(s.limiting(named(handler)))
	if deps.Telemetry != nil {
		handler = deps.Telemetry.Middleware(handler)
	}
	s.handler = withoutQueryKey(s.probes(withRequestID(s.gated(handler))))
	return s, nil
}

// probes answers health checks before anything else: they are neither traced
// nor limited. It is no mux, which would leave its own pattern on the request.
func (s *Server) probes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			s.healthz(w, r)
		case "/readyz":
			s.readyz(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// AddReadiness makes /readyz depend on check, under a name that it shows. Add
// checks before Serve.
func (s *Server) AddReadiness(name string, check func(context.Context) error) {
	s.readiness.add(name, check)
}

// Handler returns the whole handler, for tests without a listener.
func (s *Server) Handler() http.Handler { return s.handler }

// Listen opens the configured address.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	return listen.On(ctx, s.cfg.Addr, s.tls != nil, s.cfg.InsecureListen)
}

// Serve answers requests until ctx ends; then /readyz says no, after DrainDelay
// new requests are refused, and those under way have DrainTimeout to end before
// their contexts do, with drain.Err as the cause. If the cause of ctx's end is a
// drain.Notice, that sets the limits. It takes over lis.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	if err := listen.Check(lis.Addr(), s.tls != nil, s.cfg.InsecureListen); err != nil {
		return errors.Join(err, lis.Close())
	}
	requests, cancelRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelRequests(nil)
	server := &http.Server{
		Handler:           s.handler,
		TLSConfig:         s.tls,
		Protocols:         protocols(),
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout.Std(),
		IdleTimeout:       s.cfg.IdleTimeout.Std(),
		MaxHeaderBytes:    int(s.cfg.MaxHeader),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.drain(ctx, server, cancelRequests)
	})
	err := s.serve(server, lis)
	if unwatch() { // Serve ended by itself
		return errors.Join(fmt.Errorf("serve HTTP: %w", err), server.Close())
	}
	<-stopped
	return nil
}

// protocols are HTTP/1 and HTTP/2, the latter without TLS too: AWS's SDK for
// Node speaks nothing else to Bedrock's runtime, whatever the endpoint's scheme.
func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

func (s *Server) serve(server *http.Server, lis net.Listener) error {
	if s.tls != nil {
		return server.ServeTLS(lis, "", "")
	}
	return server.Serve(lis)
}
