// Package grpcserver builds the gRPC server of a service: TLS, limits, error
// mapping, authentication, validation, telemetry, health, reflection and a
// shutdown that lets calls under way end.
package grpcserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
)

// Server is a gRPC server under construction, then serving. It implements
// grpc.ServiceRegistrar; register before Serve.
type Server struct {
	cfg    Config
	secure bool
	chain  *Chain
	grpc   *grpc.Server
	health *health.Server

	streams context.Context // ends when streams under way must
	cut     context.CancelCauseFunc
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// New builds a server. It does not listen yet.
func New(cfg Config, deps Dependencies) (*Server, error) {
	tlsConfig, err := cfg.TLS.Load()
	if err != nil {
		return nil, fmt.Errorf("build gRPC server: %w", err)
	}
	chain, err := NewChain(deps)
	if err != nil {
		return nil, fmt.Errorf("build gRPC server: %w", err)
	}
	s := &Server{cfg: cfg, secure: tlsConfig != nil, chain: chain, health: health.NewServer()}
	s.streams, s.cut = context.WithCancelCause(context.Background())
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(chain.Unary...),
		grpc.ChainStreamInterceptor(append([]grpc.StreamServerInterceptor{s.cuttable}, chain.Stream...)...),
		grpc.MaxRecvMsgSize(int(cfg.MaxRecvMessage)),
		grpc.MaxSendMsgSize(int(cfg.MaxSendMessage)),
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		// Clients that ping every ten seconds between calls are welcome; the
		// library's default would close their connection.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if chain.Stats != nil {
		opts = append(opts, grpc.StatsHandler(chain.Stats))
	}
	if tlsConfig != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(tlsConfig)))
	}
	s.grpc = grpc.NewServer(opts...)
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc) // v1 and v1alpha
	return s, nil
}

// RegisterService implements grpc.ServiceRegistrar. The service counts as
// healthy until SetServing says otherwise.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
	s.health.SetServingStatus(desc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
}

// Chain returns the interceptors and stats handler of the server.
func (s *Server) Chain() *Chain { return s.chain }

// Inproc returns a new connection that serves through the same chain, so that
// services of the process skip the wire and nothing else. Register the
// services on it too, as with Both.
func (s *Server) Inproc(opts ...inproc.Option) *inproc.Conn {
	return inproc.New(append(s.chain.InprocOptions(), opts...)...)
}

// SetServing tells health checks whether a service can work; an empty name
// means the whole server.
func (s *Server) SetServing(service string, serving bool) {
	status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus(service, status)
}

// Listen opens the configured address.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	return listen.On(ctx, s.cfg.Addr, s.secure, s.cfg.InsecureListen)
}

// Serve answers calls until ctx ends; then health says not serving, after
// DrainDelay new calls are refused, and those under way have DrainTimeout to end
// before the contexts of streams do, with drain.Err as the cause. If the cause of
// ctx's end is a drain.Notice, that sets the limits. It takes over lis. A plain-text listener beyond loopback is refused.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	if err := listen.Check(lis.Addr(), s.secure, s.cfg.InsecureListen); err != nil {
		return errors.Join(err, lis.Close())
	}
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.drain(ctx)
	})
	err := s.grpc.Serve(lis)
	if unwatch() { // Serve ended by itself
		s.grpc.Stop()
		return fmt.Errorf("serve gRPC: %w", err)
	}
	<-stopped
	return nil
}

// Stop ends a server that never served, or at once one that does.
func (s *Server) Stop() { s.grpc.Stop() }
