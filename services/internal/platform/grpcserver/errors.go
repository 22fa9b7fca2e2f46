package grpcserver

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// errorMapper turns whatever a handler returns, or panics with, into a status
// with public text only, and keeps the cause in the log.
type errorMapper struct {
	log *slog.Logger
}

func (m *errorMapper) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = m.panicked(ctx, info.FullMethod, r)
		}
	}()
	if resp, err = handler(ctx, req); err != nil {
		return nil, m.public(ctx, info.FullMethod, err)
	}
	return resp, nil
}

func (m *errorMapper) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = m.panicked(stream.Context(), info.FullMethod, r)
		}
	}()
	if err = handler(srv, stream); err != nil {
		return m.public(stream.Context(), info.FullMethod, err)
	}
	return nil
}

// public logs what is the server's fault and returns what the caller may see.
func (m *errorMapper) public(ctx context.Context, method string, err error) error {
	e := errs.From(err)
	switch e.Code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		m.log.ErrorContext(ctx, "call failed", "method", method, "err", e)
	case codes.Unavailable:
		m.log.WarnContext(ctx, "call failed", "method", method, "err", e)
	default:
		m.log.DebugContext(ctx, "call refused", "method", method, "err", e)
	}
	return e.GRPCStatus().Err()
}

func (m *errorMapper) panicked(ctx context.Context, method string, r any) error {
	m.log.ErrorContext(ctx, "handler panicked", "method", method, "stack", string(debug.Stack()))
	return m.public(ctx, method, errs.Internal(fmt.Errorf("panic: %v", r)))
}
