package inproc

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// window is how many messages may be under way in each direction before the
// sender waits for the receiver.
const window = 8

// pipe is what the two sides of a stream share.
type pipe struct {
	envelope
	toServer chan proto.Message // closed by the client's CloseSend
	toClient chan proto.Message // closed when the handler has returned

	done chan struct{} // closed when the handler has returned
	err  error         // its status; read after done
}

// NewStream implements grpc.ClientConnInterface. The handler runs on its own
// goroutine, which ends when the handler returns; its context ends when the
// caller's does or when the caller has read the stream to its end.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, full string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.callStream(ctx, desc, nil, full, opts...)
}

func (c *Conn) newStream(ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, full string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	options := readOptions(opts)
	if options.turns != nil && desc.ClientStreams && desc.ServerStreams {
		return c.newTurns(ctx, desc, full, options)
	}
	ctx, cancel := context.WithCancel(ctx)
	kind := shape{client: true, clientStreams: desc.ClientStreams, serverSends: desc.ServerStreams}
	ctx, begin := c.clientStats.begin(ctx, full, kind)
	p := &pipe{
		envelope: newEnvelope(),
		toServer: make(chan proto.Message, window),
		toClient: make(chan proto.Message, window),
		done:     make(chan struct{}),
	}
	cs := &clientStream{pipe: p, ctx: ctx, cancel: cancel, desc: desc, options: options, stats: c.clientStats, begin: begin}
	call, err := c.cross(ctx, full, options, &p.envelope)
	if err != nil {
		cs.finish(err)
		return nil, err
	}
	go c.serve(call, p)
	// As over the wire, cancelling ends the stream even if nobody reads it.
	cs.unwatch = context.AfterFunc(ctx, func() { cs.finish(toStatus(ctx.Err())) })
	return cs, nil
}

// serve runs the handler and publishes its end.
func (c *Conn) serve(call *streamCall, p *pipe) {
	p.err = call.handle(c, &serverStream{pipe: p, ctx: call.ctx})
	p.sendHeader()
	close(p.done)
	close(p.toClient)
}

// clientStream is the caller's side.
type clientStream struct {
	*pipe
	ctx     context.Context
	cancel  context.CancelFunc
	desc    *grpc.StreamDesc
	options callOptions
	stats   statsHandlers
	begin   time.Time
	unwatch func() bool

	sendMu     sync.Mutex
	sendClosed bool

	finishOnce sync.Once
}

// finish ends the stream for the caller, once, and stops the handler.
func (s *clientStream) finish(err error) {
	s.finishOnce.Do(func() {
		s.cancel()
		if err == io.EOF {
			err = nil
		}
		s.stats.end(s.ctx, s.begin, true, err)
		header, trailer := s.headerAndTrailer()
		s.options.finish(header, trailer, err)
	})
}

// Header implements grpc.ClientStream.
func (s *clientStream) Header() (metadata.MD, error) {
	select {
	case <-s.headerSent:
	case <-s.ctx.Done():
		return nil, toStatus(s.ctx.Err())
	}
	header, _ := s.headerAndTrailer()
	return header, nil
}

// Trailer implements grpc.ClientStream.
func (s *clientStream) Trailer() metadata.MD {
	_, trailer := s.headerAndTrailer()
	return trailer
}

// Context implements grpc.ClientStream.
func (s *clientStream) Context() context.Context { return s.ctx }

// CloseSend implements grpc.ClientStream.
func (s *clientStream) CloseSend() error {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if !s.sendClosed {
		s.sendClosed = true
		close(s.toServer)
	}
	return nil
}

// SendMsg implements grpc.ClientStream: io.EOF says that the handler has
// returned and RecvMsg has its status.
func (s *clientStream) SendMsg(m any) error {
	msg, err := cloneMessage(m)
	if err != nil {
		return err
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if s.sendClosed {
		return status.Error(codes.Internal, "SendMsg called after CloseSend")
	}
	select {
	case <-s.done:
		return io.EOF
	default:
	}
	select {
	case s.toServer <- msg:
		return nil
	case <-s.done:
		return io.EOF
	case <-s.ctx.Done():
		return toStatus(s.ctx.Err())
	}
}

// RecvMsg implements grpc.ClientStream.
func (s *clientStream) RecvMsg(m any) error {
	err := s.recv(m)
	if err == nil && !s.desc.ServerStreams {
		// One answer only: its status decides whether it counts.
		if end := s.recv(nil); end != io.EOF {
			err = end
		}
		s.unwatch()
		s.finish(err)
		return err
	}
	if err != nil {
		s.unwatch()
		s.finish(err)
	}
	return err
}

// recv takes the next message, or the end of the stream: io.EOF or a status.
// A nil m accepts only the end.
func (s *clientStream) recv(m any) error {
	select {
	case msg, ok := <-s.toClient:
		switch {
		case ok && m == nil:
			return status.Error(codes.Internal, "the handler sent more than one answer")
		case ok:
			return copyMessage(m, msg)
		case s.err != nil:
			return s.err
		case m != nil && !s.desc.ServerStreams:
			return status.Error(codes.Internal, "the handler sent no answer")
		}
		return io.EOF
	case <-s.ctx.Done():
		return toStatus(s.ctx.Err())
	}
}

func cloneMessage(m any) (proto.Message, error) {
	msg, ok := m.(proto.Message)
	if !ok {
		return nil, status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	return proto.Clone(msg), nil
}

// serverStream is the handler's side.
type serverStream struct {
	*pipe
	ctx context.Context
}

// SetHeader implements grpc.ServerStream.
func (s *serverStream) SetHeader(md metadata.MD) error { return s.setHeader(md) }

// SendHeader implements grpc.ServerStream.
func (s *serverStream) SendHeader(md metadata.MD) error { return s.sendHeaderWith(md) }

// SetTrailer implements grpc.ServerStream.
func (s *serverStream) SetTrailer(md metadata.MD) { s.setTrailer(md) }

// Context implements grpc.ServerStream.
func (s *serverStream) Context() context.Context { return s.ctx }

// SendMsg implements grpc.ServerStream.
func (s *serverStream) SendMsg(m any) error {
	msg, err := cloneMessage(m)
	if err != nil {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		return toStatus(err)
	}
	s.sendHeader()
	select {
	case s.toClient <- msg:
		return nil
	case <-s.ctx.Done():
		return toStatus(s.ctx.Err())
	}
}

// RecvMsg implements grpc.ServerStream.
func (s *serverStream) RecvMsg(m any) error {
	select {
	case msg, ok := <-s.toServer:
		if !ok {
			return io.EOF
		}
		return copyMessage(m, msg)
	case <-s.ctx.Done():
		return toStatus(s.ctx.Err())
	}
}
