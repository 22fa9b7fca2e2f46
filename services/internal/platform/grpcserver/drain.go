package grpcserver

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/services/internal/platform/drain"
)

// drain lets load balancers notice, then stops gracefully, within the time that
// ctx's cause allows: streams that last longer are told why they end, and what
// does not end then is cut off.
func (s *Server) drain(ctx context.Context) {
	s.health.Shutdown()
	drain.Delay(ctx, s.cfg.DrainDelay.Std())
	left := time.Until(drain.Until(ctx, s.cfg.DrainTimeout.Std()))
	cut := time.AfterFunc(left, func() { s.cut(drain.Err) })
	defer cut.Stop()
	limit := time.AfterFunc(left+drain.LastWords, s.grpc.Stop)
	defer limit.Stop()
	s.grpc.GracefulStop()
}

// cuttable gives streams over the wire a context that ends when a shutdown has
// no more time for them, while the connection still carries their last words.
func (s *Server) cuttable(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.streams, func() { cancel(context.Cause(s.streams)) })()
	return handler(srv, &cuttableStream{stream, ctx})
}

type cuttableStream struct {
	grpc.ServerStream
	ctx context.Context // the stream's
}

// Context implements grpc.ServerStream.
func (s *cuttableStream) Context() context.Context { return s.ctx }
