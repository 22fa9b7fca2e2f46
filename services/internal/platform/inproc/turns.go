package inproc

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TakingTurns says that the caller of a stream sends one message and receives
// its answer before it sends the next, from one goroutine at a time. In process
// the handler then runs as a coroutine on the caller's time, as a unary handler
// does: no goroutine is woken for a message, and each is copied only once. It
// is for methods that answer each message by one, and whose handlers use their
// stream only from the goroutine they are called on. Over the wire it changes
// nothing.
//
// A copier knows small messages and copies them faster than reflection does;
// it may be nil.
func TakingTurns(copier Copier) grpc.CallOption { return takingTurns{copier: copier} }

// Copier makes dst a deep copy of src, or says that it cannot and leaves dst as
// it is. dst may be a message that is used again.
type Copier func(dst, src any) bool

type takingTurns struct {
	grpc.EmptyCallOption
	copier Copier
}

var errOutOfTurn = status.Error(codes.Internal, "the stream takes turns: it is the handler's")

// turns is what the two sides of such a stream share. Whoever holds the lock
// may let the handler run; the handler's side runs only under it.
type turns struct {
	envelope
	copier Copier

	lock  sync.Mutex
	next  func() (struct{}, bool) // lets the handler run until it waits or returns
	stop  func()                  // the same, once its context has ended
	yield func(struct{}) bool     // called by the handler to wait

	in, out proto.Message // under way to the handler and to the caller
	waiting bool          // the handler waits for in
	closed  bool          // by CloseSend
	over    bool          // the handler has returned err
	err     error
}

func (t *turns) run() {
	if _, more := t.next(); !more {
		t.over = true
	}
}

func (t *turns) copy(dst any, src proto.Message) error {
	if t.copier != nil && t.copier(dst, src) {
		return nil
	}
	return copyMessage(dst, src)
}

func (t *turns) wait() { t.yield(struct{}{}) }

// newTurns opens a stream whose handler runs as a coroutine, up to where it
// first waits.
func (c *Conn) newTurns(ctx context.Context, desc *grpc.StreamDesc, full string, options callOptions) (grpc.ClientStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	ctx, begin := c.clientStats.begin(ctx, full, shape{client: true, clientStreams: desc.ClientStreams, serverSends: desc.ServerStreams})
	t := &turns{envelope: newEnvelope(), copier: options.turns.copier}
	caller := &turnsCaller{turns: t, ctx: ctx, cancel: cancel, options: options, stats: c.clientStats, begin: begin}
	call, err := c.cross(ctx, full, options, &t.envelope)
	if err != nil {
		t.over = true
		caller.finish(err)
		return nil, err
	}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		t.err = call.handle(c, &turnsHandler{turns: t, ctx: call.ctx})
		t.sendHeader()
	})
	t.run()
	caller.unwatch = context.AfterFunc(ctx, func() { caller.finish(toStatus(ctx.Err())) })
	return caller, nil
}

// turnsCaller is the caller's side.
type turnsCaller struct {
	*turns
	ctx     context.Context
	cancel  context.CancelFunc
	options callOptions
	stats   statsHandlers
	begin   time.Time
	unwatch func() bool
	once    sync.Once
}

// finish ends the stream for the caller, once, and the handler with it.
func (s *turnsCaller) finish(err error) {
	s.once.Do(func() {
		s.cancel()
		s.lock.Lock()
		if !s.over {
			s.stop()
			s.over, s.err = true, err
		}
		s.lock.Unlock()
		if err == io.EOF {
			err = nil
		}
		s.stats.end(s.ctx, s.begin, true, err)
		header, trailer := s.headerAndTrailer()
		s.options.finish(header, trailer, err)
	})
}

// SendMsg implements grpc.ClientStream: the handler takes the message at once.
func (s *turnsCaller) SendMsg(m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case s.closed:
		return status.Error(codes.Internal, "SendMsg called after CloseSend")
	case s.over:
		return io.EOF
	case s.in != nil:
		return errOutOfTurn
	}
	if err := s.ctx.Err(); err != nil {
		return toStatus(err)
	}
	s.in = msg
	if s.out == nil {
		s.run()
	}
	switch {
	case s.in == nil:
		return nil
	case s.over:
		s.in = nil
		return io.EOF
	}
	s.in = proto.Clone(msg) // it is the caller's own again
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *turnsCaller) RecvMsg(m any) error {
	err := s.recv(m)
	if err == errNothingComes {
		// Both sides wait for a message. As over the wire, that takes as long as
		// the caller has patience.
		<-s.ctx.Done()
		err = toStatus(s.ctx.Err())
	}
	if err != nil {
		s.unwatch()
		s.finish(err)
	}
	return err
}

var errNothingComes = errors.New("the handler waits too")

func (s *turnsCaller) recv(m any) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	for s.out == nil {
		if s.over {
			if s.err == nil {
				return io.EOF
			}
			return s.err
		}
		if err := s.ctx.Err(); err != nil {
			return toStatus(err)
		}
		if s.waiting && s.in == nil && !s.closed {
			return errNothingComes
		}
		s.run()
	}
	out := s.out
	s.out = nil
	return s.copy(m, out)
}

// CloseSend implements grpc.ClientStream.
func (s *turnsCaller) CloseSend() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.closed = true
	return nil
}

// Header implements grpc.ClientStream. The handler has run to where it waits: a
// header that is not there yet comes with its next message.
func (s *turnsCaller) Header() (metadata.MD, error) {
	select {
	case <-s.headerSent:
		header, _ := s.headerAndTrailer()
		return header, nil
	default:
		return nil, errOutOfTurn
	}
}

// Trailer implements grpc.ClientStream.
func (s *turnsCaller) Trailer() metadata.MD {
	_, trailer := s.headerAndTrailer()
	return trailer
}

// Context implements grpc.ClientStream.
func (s *turnsCaller) Context() context.Context { return s.ctx }

// turnsHandler is the handler's side.
type turnsHandler struct {
	*turns
	ctx context.Context
}

// SetHeader implements grpc.ServerStream.
func (s *turnsHandler) SetHeader(md metadata.MD) error { return s.setHeader(md) }

// SendHeader implements grpc.ServerStream.
func (s *turnsHandler) SendHeader(md metadata.MD) error { return s.sendHeaderWith(md) }

// SetTrailer implements grpc.ServerStream.
func (s *turnsHandler) SetTrailer(md metadata.MD) { s.setTrailer(md) }

// Context implements grpc.ServerStream.
func (s *turnsHandler) Context() context.Context { return s.ctx }

// SendMsg implements grpc.ServerStream: it returns when the message is taken.
func (s *turnsHandler) SendMsg(m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	s.sendHeader()
	s.out = msg
	for s.out != nil {
		if err := s.ctx.Err(); err != nil {
			s.out = nil
			return toStatus(err)
		}
		s.wait()
	}
	return nil
}

// RecvMsg implements grpc.ServerStream.
func (s *turnsHandler) RecvMsg(m any) error {
	for s.in == nil {
		if err := s.ctx.Err(); err != nil {
			return toStatus(err)
		}
		if s.closed {
			return io.EOF
		}
		s.waiting = true
		s.wait()
		s.waiting = false
	}
	in := s.in
	s.in = nil
	return s.copy(m, in)
}
