package inproc_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/inproc"
)

// journal notes what happened, in order.
type journal struct {
	mu     sync.Mutex
	events []string
}

func (j *journal) note(e string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.events
	j.events = nil
	return e
}

func (j *journal) unaryServer(name string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		j.note(name)
		return handler(ctx, req)
	}
}

func (j *journal) streamServer(name string) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		j.note(name)
		return handler(srv, ss)
	}
}

func (j *journal) unaryClient(name string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		j.note(name)
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}

func (j *journal) streamClient(name string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		j.note(name)
		return streamer(ctx, desc, cc, method, opts...)
	}
}

func TestInterceptorsRunInOrder(t *testing.T) {
	j := &journal{}
	conn := inproc.New(
		inproc.WithUnaryServerInterceptors(j.unaryServer("s1"), j.unaryServer("s2"), j.unaryServer("s3")),
		inproc.WithStreamServerInterceptors(j.streamServer("s1"), j.streamServer("s2"), j.streamServer("s3")),
		inproc.WithUnaryClientInterceptors(j.unaryClient("c1"), j.unaryClient("c2")),
		inproc.WithStreamClientInterceptors(j.streamClient("c1"), j.streamClient("c2")),
	)
	testpb.RegisterTestServiceServer(conn, &server{})
	c := testpb.NewTestServiceClient(conn)
	want := []string{"c1", "c2", "s1", "s2", "s3"}
	if _, err := c.UnaryCall(testContext(t), ask("x")); err != nil || !slices.Equal(j.take(), want) {
		t.Errorf("unary: %v", err)
	}
	stream, err := c.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drain(stream); err != io.EOF {
		t.Error(err)
	}
	if got := j.take(); !slices.Equal(got, want) {
		t.Errorf("stream: %v", got)
	}
}

// tagger is a stats handler that sends a value along, as tracing does, and
// notes what it sees.
type tagger struct {
	journal
	client bool
}

type tagKey struct{}

func (h *tagger) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if h.client {
		ctx = metadata.AppendToOutgoingContext(ctx, "trace", "t1")
	} else {
		md, _ := metadata.FromIncomingContext(ctx)
		h.note("trace " + md.Get("trace")[0])
	}
	return context.WithValue(ctx, tagKey{}, info.FullMethodName)
}

func (h *tagger) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(tagKey{}) == nil || s.IsClient() != h.client {
		h.note("wrong context or side")
	}
	switch s := s.(type) {
	case *stats.Begin:
		h.note("begin")
	case *stats.End:
		h.note("end " + status.Code(s.Error).String())
	}
}

func (h *tagger) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (h *tagger) HandleConn(context.Context, stats.ConnStats)                       {}

func TestStatsHandlers(t *testing.T) {
	client, serving := &tagger{client: true}, &tagger{}
	conn := inproc.New(inproc.WithClientStats(client), inproc.WithServerStats(serving, nil))
	s := &server{}
	testpb.RegisterTestServiceServer(conn, s)
	c := testpb.NewTestServiceClient(conn)
	expect := func(name, code string) {
		t.Helper()
		awaitIdle(t, s)
		if got, want := client.take(), []string{"begin", "end " + code}; !slices.Equal(got, want) {
			t.Errorf("%s client: %v, want %v", name, got, want)
		}
		if got, want := serving.take(), []string{"trace t1", "begin", "end " + code}; !slices.Equal(got, want) {
			t.Errorf("%s server: %v, want %v", name, got, want)
		}
	}
	_, _ = c.UnaryCall(testContext(t), ask("x"))
	expect("unary", codes.OK.String())
	_, _ = c.UnaryCall(testContext(t), ask("typed"))
	expect("unary failure", codes.ResourceExhausted.String())

	stream, err := c.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{Payload: payload("fail after")})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = drain(stream)
	expect("stream", codes.Aborted.String())

	input, err := c.StreamingInputCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := input.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	expect("client stream", codes.OK.String())
}

// TestAbandonedStreamEnds: cancelling is enough, nobody has to read.
func TestAbandonedStreamEnds(t *testing.T) {
	client := &tagger{client: true}
	conn := inproc.New(inproc.WithClientStats(client))
	s := &server{}
	testpb.RegisterTestServiceServer(conn, s)
	ctx, cancel := context.WithCancel(testContext(t))
	finished := make(chan error, 1)
	_, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(ctx,
		&testpb.StreamingOutputCallRequest{Payload: payload("forever")}, grpc.OnFinish(func(err error) { finished <- err }))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-finished; status.Code(err) != codes.Canceled {
		t.Errorf("finished with %v", err)
	}
	awaitIdle(t, s)
	if got := client.take(); !slices.Equal(got, []string{"begin", "end Canceled"}) {
		t.Errorf("client stats: %v", got)
	}
}

func BenchmarkUnary(b *testing.B) {
	conn := inproc.New()
	testpb.RegisterTestServiceServer(conn, &server{})
	c := testpb.NewTestServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(b.Context(), "x-sent", "value")
	req := ask("hello")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.UnaryCall(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamMessage(b *testing.B) {
	conn := inproc.New()
	testpb.RegisterTestServiceServer(conn, &server{})
	stream, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(b.Context(), &testpb.StreamingOutputCallRequest{Payload: payload("forever")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}

// unaryAllocations is the ceiling of allocations of one call with metadata,
// the handler's own included.
const unaryAllocations = 24

func TestUnaryAllocations(t *testing.T) {
	conn := inproc.New()
	testpb.RegisterTestServiceServer(conn, &server{})
	c := testpb.NewTestServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-sent", "value")
	req := ask("hello")
	got := testing.AllocsPerRun(200, func() {
		if _, err := c.UnaryCall(ctx, req); err != nil {
			t.Fatal(err)
		}
	})
	if got > unaryAllocations {
		t.Errorf("%v allocations, at most %d are allowed", got, unaryAllocations)
	}
}

// TestHand: a value crosses one call, and none of those that the handler makes.
func TestHand(t *testing.T) {
	var seen any
	conn := inproc.New(inproc.WithUnaryServerInterceptors(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			seen = inproc.Handed(ctx, valueKey{})
			return handler(ctx, req)
		}))
	testpb.RegisterTestServiceServer(conn, &server{})
	client := testpb.NewTestServiceClient(conn)
	if _, err := client.UnaryCall(inproc.Hand(inproc.Hand(testContext(t), valueKey{}, "value"), "another", 1), ask("hello")); err != nil || seen != "value" {
		t.Errorf("handed %v, %v", seen, err)
	}
	if _, err := client.UnaryCall(testContext(t), ask("hello")); err != nil || seen != nil {
		t.Errorf("handed %v, %v", seen, err)
	}
	next := inproc.New(inproc.WithUnaryServerInterceptors(
		func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			return client.UnaryCall(ctx, ask("hello"))
		}))
	testpb.RegisterTestServiceServer(next, &server{})
	if _, err := testpb.NewTestServiceClient(next).UnaryCall(inproc.Hand(inproc.Hand(testContext(t), valueKey{}, "value"), "another", 1), ask("hello")); err != nil {
		t.Fatal(err)
	}
	if seen != nil {
		t.Errorf("the handler's own call hands over %v", seen)
	}
}
