package inproc

import (
	"context"

	"google.golang.org/grpc"
)

// chainUnaryServer folds interceptors into one; nil when there are none.
func chainUnaryServer(list []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	first, rest := list[0], chainUnaryServer(list[1:])
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return first(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return rest(ctx, req, info, handler)
		})
	}
}

// chainStreamServer folds interceptors into one; nil when there are none.
func chainStreamServer(list []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	first, rest := list[0], chainStreamServer(list[1:])
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return first(srv, stream, info, func(srv any, stream grpc.ServerStream) error {
			return rest(srv, stream, info, handler)
		})
	}
}

// unaryInvoker wraps invoke in the client interceptors, the first outermost.
func unaryInvoker(list []grpc.UnaryClientInterceptor, invoke grpc.UnaryInvoker) grpc.UnaryInvoker {
	for i := len(list) - 1; i >= 0; i-- {
		interceptor, next := list[i], invoke
		invoke = func(ctx context.Context, method string, req, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			return interceptor(ctx, method, req, reply, nil, next, opts...)
		}
	}
	return invoke
}

// streamer wraps open in the client interceptors, the first outermost.
func streamer(list []grpc.StreamClientInterceptor, open grpc.Streamer) grpc.Streamer {
	for i := len(list) - 1; i >= 0; i-- {
		interceptor, next := list[i], open
		open = func(ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return interceptor(ctx, desc, nil, method, next, opts...)
		}
	}
	return open
}
