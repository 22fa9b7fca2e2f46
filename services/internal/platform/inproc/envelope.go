package inproc

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// envelope is what a stream's handler sends around its messages.
type envelope struct {
	headerOnce sync.Once
	headerSent chan struct{}

	mu      sync.Mutex
	header  metadata.MD
	trailer metadata.MD
}

func newEnvelope() envelope { return envelope{headerSent: make(chan struct{})} }

func (e *envelope) sendHeader() bool {
	first := false
	e.headerOnce.Do(func() { first = true; close(e.headerSent) })
	return first
}

func (e *envelope) setHeader(md metadata.MD) error {
	select {
	case <-e.headerSent:
		return errHeaderSent
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.header = metadata.Join(e.header, md)
	return nil
}

func (e *envelope) sendHeaderWith(md metadata.MD) error {
	if err := e.setHeader(md); err != nil {
		return err
	}
	if !e.sendHeader() {
		return errHeaderSent
	}
	return nil
}

func (e *envelope) setTrailer(md metadata.MD) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trailer = metadata.Join(e.trailer, md)
}

func (e *envelope) headerAndTrailer() (header, trailer metadata.MD) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.header.Copy(), e.trailer.Copy()
}

// streamCall is a stream that has crossed to the serving side.
type streamCall struct {
	method *method
	full   string
	//nolint:containedctx // the handler's, until it is called
	ctx    context.Context
	cancel context.CancelFunc
	begin  time.Time
}

// cross finds the handler and makes its context.
func (c *Conn) cross(ctx context.Context, full string, options callOptions, e *envelope) (*streamCall, error) {
	if err := ctx.Err(); err != nil {
		return nil, toStatus(err)
	}
	m := c.lookup(full)
	if m == nil {
		return nil, errUnknown(full)
	}
	if m.stream == nil {
		return nil, status.Errorf(codes.Internal, "%s is not a stream", full)
	}
	server, cancel, err := crossing(ctx, options.creds, full)
	if err != nil {
		return nil, err
	}
	server = grpc.NewContextWithServerTransportStream(server, &streamTransport{envelope: e, method: full})
	call := &streamCall{method: m, full: full, cancel: cancel}
	kind := shape{clientStreams: m.stream.ClientStreams, serverSends: m.stream.ServerStreams}
	call.ctx, call.begin = c.serverStats.begin(server, full, kind)
	return call, nil
}

// handle runs the handler and gives its status.
func (call *streamCall) handle(c *Conn, ss grpc.ServerStream) error {
	desc := call.method.stream
	var err error
	if c.serveStream == nil {
		err = desc.Handler(call.method.server, ss)
	} else {
		info := &grpc.StreamServerInfo{FullMethod: call.full, IsClientStream: desc.ClientStreams, IsServerStream: desc.ServerStreams}
		err = c.serveStream(call.method.server, ss, info, desc.Handler)
	}
	err = toStatus(err)
	c.serverStats.end(call.ctx, call.begin, false, err)
	call.cancel()
	return err
}

// streamTransport lets grpc.SetHeader and the like work on a stream.
type streamTransport struct {
	*envelope
	method string
}

// Method implements grpc.ServerTransportStream.
func (t *streamTransport) Method() string { return t.method }

// SetHeader implements grpc.ServerTransportStream.
func (t *streamTransport) SetHeader(md metadata.MD) error { return t.setHeader(md) }

// SendHeader implements grpc.ServerTransportStream.
func (t *streamTransport) SendHeader(md metadata.MD) error { return t.sendHeaderWith(md) }

// SetTrailer implements grpc.ServerTransportStream.
func (t *streamTransport) SetTrailer(md metadata.MD) error {
	t.setTrailer(md)
	return nil
}
