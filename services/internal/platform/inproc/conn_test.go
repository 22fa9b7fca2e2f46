package inproc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachTransport runs a test in process and over a real connection: what holds
// for one must hold for the other.
func eachTransport(t *testing.T, test func(t *testing.T, s *server, c testpb.TestServiceClient)) {
	t.Run("inproc", func(t *testing.T) {
		s, conn := &server{}, inproc.New()
		testpb.RegisterTestServiceServer(conn, s)
		test(t, s, testpb.NewTestServiceClient(conn))
		awaitIdle(t, s)
	})
	t.Run("wire", func(t *testing.T) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s, g := &server{}, grpc.NewServer()
		testpb.RegisterTestServiceServer(g, s)
		go func() { _ = g.Serve(lis) }() // ends with Stop
		t.Cleanup(g.Stop)
		conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		test(t, s, testpb.NewTestServiceClient(conn))
		awaitIdle(t, s)
	})
}

// awaitIdle checks that no handler outlives the test.
func awaitIdle(t *testing.T, s *server) {
	t.Helper()
	for range 400 {
		if s.running.Load() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d handlers are still running", s.running.Load())
}

func ask(text string) *testpb.SimpleRequest { return &testpb.SimpleRequest{Payload: payload(text)} }

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestUnary(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx := testContext(t)
		resp, err := c.UnaryCall(ctx, ask("hello"))
		if err != nil || string(resp.GetPayload().GetBody()) != "re: hello" {
			t.Fatalf("%v %v", resp, err)
		}
		if _, err := c.UnaryCall(ctx, ask("background")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUnaryErrors(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		tests := []struct {
			body    string
			code    codes.Code
			message string
		}{
			{"typed", codes.ResourceExhausted, "slow down"},
			{"plain", codes.Unknown, "plain failure"},
			{"context", codes.Canceled, "context canceled"},
		}
		for _, tt := range tests {
			_, err := c.UnaryCall(testContext(t), ask(tt.body))
			st := status.Convert(err)
			if st.Code() != tt.code || st.Message() != tt.message {
				t.Errorf("%s: %v", tt.body, err)
			}
			if errors.Unwrap(err) != nil || errors.Is(err, context.Canceled) {
				t.Errorf("%s: the cause crossed: %#v", tt.body, err)
			}
		}
		_, err := c.UnaryCall(testContext(t), ask("typed"))
		if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED || e.RetryAfter != 2*time.Second {
			t.Errorf("details lost: %+v", e)
		}
		if resp, err := c.UnaryCall(testContext(t), ask("nothing")); err != nil || proto.Size(resp) != 0 {
			t.Errorf("an answer of nil: %v %v", resp, err)
		}
		if _, err := c.UnimplementedCall(testContext(t), &testpb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("unimplemented: %v", err)
		}
	})
}

func TestUnaryMetadata(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx := metadata.AppendToOutgoingContext(testContext(t), "X-Sent", "value")
		var header, trailer metadata.MD
		finished := 0
		resp, err := c.UnaryCall(ctx, ask("metadata"), grpc.Header(&header), grpc.Trailer(&trailer), grpc.OnFinish(func(error) { finished++ }))
		if err != nil {
			t.Fatal(err)
		}
		if string(resp.GetPayload().GetBody()) != "value" || finished != 1 {
			t.Errorf("sent metadata came back as %q, finished %d", resp.GetPayload().GetBody(), finished)
		}
		if strings.Join(header.Get("h"), "") != "12" || strings.Join(trailer.Get("t"), "") != "3" {
			t.Errorf("header %v trailer %v", header, trailer)
		}
	})
}

func TestContextCrossesWithoutValues(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx := context.WithValue(testContext(t), valueKey{}, "private")
		if _, err := c.UnaryCall(ctx, ask("context values")); err != nil {
			t.Error(err)
		}
	})
}

func TestDeadlineAndCancel(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := c.UnaryCall(ctx, ask("wait")); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("deadline: %v", err)
		}
		if _, err := c.UnaryCall(ctx, ask("hello")); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("after the deadline: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := c.UnaryCall(ctx, ask("wait")); status.Code(err) != codes.Canceled {
			t.Errorf("cancel: %v", err)
		}
	})
}

func TestMessagesAreNotShared(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		req := ask("hello")
		resp, err := c.UnaryCall(testContext(t), req)
		if err != nil {
			t.Fatal(err)
		}
		seen, kept := s.lastSeen.Load(), s.kept.Load()
		seen.Payload.Body[0], kept.Payload.Body[0] = '#', '#'
		if !proto.Equal(req, ask("hello")) || string(resp.GetPayload().GetBody()) != "re: hello" {
			t.Errorf("memory is shared: %v %v", req, resp)
		}
	})
}

func sizes(n int) []*testpb.ResponseParameters {
	out := make([]*testpb.ResponseParameters, n)
	for i := range out {
		out[i] = &testpb.ResponseParameters{}
	}
	return out
}

func drain(stream grpc.ServerStreamingClient[testpb.StreamingOutputCallResponse]) (n int, err error) {
	for {
		if _, err = stream.Recv(); err != nil {
			return n, err
		}
		n++
	}
}

func TestServerStream(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		for _, tt := range []struct {
			body string
			code codes.Code
		}{{"", codes.OK}, {"fail after", codes.Aborted}} {
			stream, err := c.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{Payload: payload(tt.body), ResponseParameters: sizes(100)})
			if err != nil {
				t.Fatal(err)
			}
			header, err := stream.Header()
			if err != nil || len(header.Get("h")) != 1 {
				t.Errorf("header %v %v", header, err)
			}
			n, err := drain(stream)
			if n != 100 {
				t.Errorf("%d messages", n)
			}
			if tt.code == codes.OK && err != io.EOF || tt.code != codes.OK && status.Code(err) != tt.code {
				t.Errorf("end: %v", err)
			}
			if len(stream.Trailer().Get("t")) != 1 {
				t.Errorf("trailer %v", stream.Trailer())
			}
			if _, again := stream.Recv(); again == nil {
				t.Error("a message after the end")
			}
		}
	})
}

func TestHeaderBeforeMessages(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx, cancel := context.WithCancel(testContext(t))
		stream, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{Payload: payload("header only")})
		if err != nil {
			t.Fatal(err)
		}
		if header, err := stream.Header(); err != nil || len(header.Get("h")) != 1 {
			t.Errorf("header %v %v", header, err)
		}
		cancel()
		if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("end: %v", err)
		}
	})
}

func TestClientStopsEarly(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx, cancel := context.WithCancel(testContext(t))
		stream, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{Payload: payload("forever")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := drain(stream); status.Code(err) != codes.Canceled {
			t.Errorf("end: %v", err)
		}
		awaitIdle(t, s)

		// Cancelled and never read again.
		ctx, cancel = context.WithCancel(testContext(t))
		if _, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{Payload: payload("forever")}); err != nil {
			t.Fatal(err)
		}
		cancel()
	})
}

func TestClientStream(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		stream, err := c.StreamingInputCall(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := stream.Send(&testpb.StreamingInputCallRequest{Payload: payload("ab")}); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := stream.CloseAndRecv()
		if err != nil || resp.GetAggregatedPayloadSize() != 100 {
			t.Errorf("%v %v", resp, err)
		}
		if err := stream.Send(&testpb.StreamingInputCallRequest{}); err == nil {
			t.Error("sent after CloseSend")
		}
	})
}

func TestServerStopsEarly(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		stream, err := c.StreamingInputCall(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		body := "stop"
		for {
			if err = stream.Send(&testpb.StreamingInputCallRequest{Payload: payload(body)}); err != nil {
				break
			}
			body = "more"
		}
		if err != io.EOF {
			t.Errorf("send after the handler has returned: %v", err)
		}
		if _, err := stream.CloseAndRecv(); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("status: %v", err)
		}

		silent, err := c.StreamingInputCall(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := silent.Send(&testpb.StreamingInputCallRequest{Payload: payload("silent")}); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.CloseAndRecv(); err == nil {
			t.Error("no answer must be an error")
		}
	})
}

func TestBidi(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		stream, err := c.FullDuplexCall(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if err := stream.Send(&testpb.StreamingOutputCallRequest{Payload: payload("ping")}); err != nil {
				t.Fatal(err)
			}
			if m, err := stream.Recv(); err != nil || string(m.GetPayload().GetBody()) != "ping" {
				t.Fatalf("%v %v", m, err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("end: %v", err)
		}
	})
}

func TestUnknownMethod(t *testing.T) {
	conn := inproc.New()
	c := testpb.NewTestServiceClient(conn)
	if _, err := c.UnaryCall(testContext(t), ask("x")); status.Code(err) != codes.Unimplemented {
		t.Errorf("unary: %v", err)
	}
	if _, err := c.FullDuplexCall(testContext(t)); status.Code(err) != codes.Unimplemented {
		t.Errorf("stream: %v", err)
	}
}

func TestRegisteringTwicePanics(t *testing.T) {
	conn := inproc.New()
	testpb.RegisterTestServiceServer(conn, &server{})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	testpb.RegisterTestServiceServer(conn, &server{})
}
