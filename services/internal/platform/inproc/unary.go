package inproc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Invoke implements grpc.ClientConnInterface. The handler runs on the
// caller's goroutine, so a call returns when its handler does: handlers must
// heed their context, as they must anyway.
func (c *Conn) Invoke(ctx context.Context, full string, args, reply any, opts ...grpc.CallOption) error {
	return c.callUnary(ctx, full, args, reply, nil, opts...)
}

func (c *Conn) invoke(ctx context.Context, full string, args, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
	options := readOptions(opts)
	ctx, begin := c.clientStats.begin(ctx, full, shape{client: true})
	stream := &unaryTransport{method: full}
	err := c.call(ctx, full, args, reply, options, stream)
	c.clientStats.end(ctx, begin, true, err)
	options.finish(stream.header, stream.trailer, err)
	return err
}

// call crosses to the serving side and back.
func (c *Conn) call(ctx context.Context, full string, args, reply any, options callOptions, stream *unaryTransport) error {
	if err := ctx.Err(); err != nil {
		return toStatus(err)
	}
	m := c.lookup(full)
	if m == nil {
		return errUnknown(full)
	}
	if m.unary == nil {
		return status.Errorf(codes.Internal, "%s is a stream", full)
	}
	server, cancel, err := crossing(ctx, options.creds, full)
	if err != nil {
		return err
	}
	defer cancel()
	server = grpc.NewContextWithServerTransportStream(server, stream)
	server, begin := c.serverStats.begin(server, full, shape{})
	decode := func(dst any) error { return copyMessage(dst, args) }
	out, err := m.unary.Handler(m.server, server, decode, c.serveUnary)
	err = toStatus(err)
	if err == nil {
		err = copyMessage(reply, out)
	}
	c.serverStats.end(server, begin, false, err)
	return err
}

// unaryTransport keeps the headers and trailers that a handler sets.
type unaryTransport struct {
	method  string
	mu      sync.Mutex
	header  metadata.MD
	trailer metadata.MD
	sent    bool
}

// Method implements grpc.ServerTransportStream.
func (t *unaryTransport) Method() string { return t.method }

// SetHeader implements grpc.ServerTransportStream.
func (t *unaryTransport) SetHeader(md metadata.MD) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent {
		return errHeaderSent
	}
	t.header = metadata.Join(t.header, md)
	return nil
}

// SendHeader implements grpc.ServerTransportStream.
func (t *unaryTransport) SendHeader(md metadata.MD) error {
	if err := t.SetHeader(md); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = true
	return nil
}

// SetTrailer implements grpc.ServerTransportStream.
func (t *unaryTransport) SetTrailer(md metadata.MD) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trailer = metadata.Join(t.trailer, md)
	return nil
}

var errHeaderSent = status.Error(codes.Internal, "the header was sent already")

// copyMessage fills dst with a deep copy of src. A typed nil is an empty
// message, as over the wire.
func copyMessage(dst, src any) error {
	to, ok := dst.(proto.Message)
	from, ok2 := src.(proto.Message)
	if !ok || !ok2 {
		return status.Errorf(codes.Internal, "cannot pass a %T as a %T", src, dst)
	}
	if to.ProtoReflect().Descriptor() != from.ProtoReflect().Descriptor() {
		return status.Errorf(codes.Internal, "cannot pass a %T as a %T", src, dst)
	}
	proto.Reset(to)
	proto.Merge(to, from)
	return nil
}

// toStatus turns whatever a handler returned into what a client would get:
// a status, without causes or types of the serving side.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	switch {
	case !ok:
		return status.FromContextError(err).Err()
	case st.Code() == codes.OK: // a failed call must not read as success
		return status.Error(codes.Unknown, st.Message())
	}
	return st.Err()
}
