package grpcserver

import (
	"fmt"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Dependencies are what the interceptors need.
type Dependencies struct {
	// Log gets faults with their causes. Nil: the log of Telemetry, else none.
	Log *slog.Logger
	// Auth authenticates callers. Nil: nobody is asked who they are.
	Auth *auth.Authenticator
	// Telemetry traces and measures. May be nil.
	Telemetry *telemetry.Telemetry
}

// Chain is what stands between a caller and a handler, the same over the wire
// and in process: error mapping with recovery, authentication, validation.
type Chain struct {
	// Unary and Stream hold the interceptors, the first outermost.
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
	// Stats and LocalStats are the stats handlers, over the wire and in process;
	// nil without telemetry.
	Stats, LocalStats stats.Handler
}

// NewChain builds the chain of one service.
func NewChain(deps Dependencies) (*Chain, error) {
	log := deps.Log
	if log == nil && deps.Telemetry != nil {
		log = deps.Telemetry.Log()
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	validator, err := newValidator()
	if err != nil {
		return nil, fmt.Errorf("build validator: %w", err)
	}
	mapper := &errorMapper{log: log}
	c := &Chain{
		Unary:  []grpc.UnaryServerInterceptor{mapper.unary},
		Stream: []grpc.StreamServerInterceptor{mapper.stream},
	}
	if deps.Auth != nil {
		c.Unary = append(c.Unary, deps.Auth.UnaryServerInterceptor())
		c.Stream = append(c.Stream, deps.Auth.StreamServerInterceptor())
	}
	c.Unary = append(c.Unary, validator.unary)
	c.Stream = append(c.Stream, validator.stream)
	if deps.Telemetry != nil {
		c.Stats, c.LocalStats = deps.Telemetry.ServerHandler(), deps.Telemetry.LocalServerHandler()
	}
	return c, nil
}

// InprocOptions makes an inproc.Conn serve through the chain.
func (c *Chain) InprocOptions() []inproc.Option {
	return []inproc.Option{
		inproc.WithUnaryServerInterceptors(c.Unary...),
		inproc.WithStreamServerInterceptors(c.Stream...),
		inproc.WithServerStats(c.LocalStats),
	}
}

// Both returns a registrar that registers each service on all of the given
// ones, such as a Server and an inproc.Conn.
func Both(registrars ...grpc.ServiceRegistrar) grpc.ServiceRegistrar { return both(registrars) }

type both []grpc.ServiceRegistrar

// RegisterService implements grpc.ServiceRegistrar.
func (b both) RegisterService(desc *grpc.ServiceDesc, impl any) {
	for _, r := range b {
		r.RegisterService(desc, impl)
	}
}
