// Package inproc connects services of one process through their generated
// gRPC interfaces. A Conn is both sides at once: services register on it, and
// clients call through it. Interceptors, stats handlers, metadata, deadlines
// and errors behave as over the wire; only the wire is missing. Messages are
// copied on the way, so that neither side sees the other's memory.
package inproc

import (
	"maps"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// Option tunes a Conn.
type Option func(*Conn)

// WithUnaryServerInterceptors adds interceptors around unary handlers, the
// first outermost.
func WithUnaryServerInterceptors(i ...grpc.UnaryServerInterceptor) Option {
	return func(c *Conn) { c.unaryServer = append(c.unaryServer, i...) }
}

// WithStreamServerInterceptors adds interceptors around stream handlers, the
// first outermost.
func WithStreamServerInterceptors(i ...grpc.StreamServerInterceptor) Option {
	return func(c *Conn) { c.streamServer = append(c.streamServer, i...) }
}

// WithUnaryClientInterceptors adds interceptors around unary calls, the first
// outermost. They get a nil *grpc.ClientConn.
func WithUnaryClientInterceptors(i ...grpc.UnaryClientInterceptor) Option {
	return func(c *Conn) { c.unaryClient = append(c.unaryClient, i...) }
}

// WithStreamClientInterceptors adds interceptors around opening a stream, the
// first outermost. They get a nil *grpc.ClientConn.
func WithStreamClientInterceptors(i ...grpc.StreamClientInterceptor) Option {
	return func(c *Conn) { c.streamClient = append(c.streamClient, i...) }
}

// WithServerStats adds stats handlers of the serving side. They get TagRPC,
// Begin and End; payload and header events are left out.
func WithServerStats(h ...stats.Handler) Option {
	return func(c *Conn) { c.serverStats = append(c.serverStats, nonNil(h)...) }
}

// WithClientStats adds stats handlers of the calling side, with the same
// events.
func WithClientStats(h ...stats.Handler) Option {
	return func(c *Conn) { c.clientStats = append(c.clientStats, nonNil(h)...) }
}

func nonNil(handlers []stats.Handler) statsHandlers {
	var out statsHandlers
	for _, h := range handlers {
		if h != nil {
			out = append(out, h)
		}
	}
	return out
}

// Conn implements grpc.ServiceRegistrar and grpc.ClientConnInterface. It is
// safe for concurrent use, and services may be registered after calls began.
type Conn struct {
	unaryServer  []grpc.UnaryServerInterceptor
	streamServer []grpc.StreamServerInterceptor
	unaryClient  []grpc.UnaryClientInterceptor
	streamClient []grpc.StreamClientInterceptor
	serverStats  statsHandlers
	clientStats  statsHandlers

	callUnary   grpc.UnaryInvoker
	callStream  grpc.Streamer
	serveUnary  grpc.UnaryServerInterceptor
	serveStream grpc.StreamServerInterceptor

	register sync.Mutex
	methods  atomic.Pointer[map[string]*method]
}

var (
	_ grpc.ClientConnInterface = (*Conn)(nil)
	_ grpc.ServiceRegistrar    = (*Conn)(nil)
)

// method is one registered RPC; exactly one of unary and stream is set.
type method struct {
	server any
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
}

// New makes a Conn without services.
func New(opts ...Option) *Conn {
	c := &Conn{}
	for _, o := range opts {
		o(c)
	}
	c.callUnary = unaryInvoker(c.unaryClient, c.invoke)
	c.callStream = streamer(c.streamClient, c.newStream)
	c.serveUnary = chainUnaryServer(c.unaryServer)
	c.serveStream = chainStreamServer(c.streamServer)
	c.methods.Store(&map[string]*method{})
	return c
}

// RegisterService implements grpc.ServiceRegistrar. Registering a method
// twice panics, as in grpc.Server and http.ServeMux: it is a fault of wiring.
func (c *Conn) RegisterService(desc *grpc.ServiceDesc, impl any) {
	c.register.Lock()
	defer c.register.Unlock()
	next := maps.Clone(*c.methods.Load())
	add := func(name string, m *method) {
		full := "/" + desc.ServiceName + "/" + name
		if _, ok := next[full]; ok {
			panic("inproc: " + full + " is registered twice")
		}
		next[full] = m
	}
	for i := range desc.Methods {
		add(desc.Methods[i].MethodName, &method{server: impl, unary: &desc.Methods[i]})
	}
	for i := range desc.Streams {
		add(desc.Streams[i].StreamName, &method{server: impl, stream: &desc.Streams[i]})
	}
	c.methods.Store(&next)
}

func (c *Conn) lookup(full string) *method { return (*c.methods.Load())[full] }

func errUnknown(full string) error {
	return status.Errorf(codes.Unimplemented, "unknown method %s", full)
}
