package inproc_test

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/inproc"
)

type duplex = grpc.BidiStreamingClient[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]

func takeTurns(t testing.TB, ctx context.Context, c testpb.TestServiceClient, opts ...grpc.CallOption) duplex {
	t.Helper()
	stream, err := c.FullDuplexCall(ctx, append(opts, inproc.TakingTurns(nil))...)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func say(text string) *testpb.StreamingOutputCallRequest {
	return &testpb.StreamingOutputCallRequest{Payload: payload(text)}
}

func TestTurns(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		stream := takeTurns(t, testContext(t), c)
		asked := say("ping")
		for range 20 {
			asked.Payload.Body = []byte("ping")
			if err := stream.Send(asked); err != nil {
				t.Fatal(err)
			}
			copy(asked.GetPayload().GetBody(), "gone") // the caller's own again
			if m, err := stream.Recv(); err != nil || string(m.GetPayload().GetBody()) != "ping" {
				t.Fatalf("%v %v", m, err)
			}
		}
		// One ahead is no fault.
		for _, text := range []string{"a", "b"} {
			asked.Payload.Body = []byte(text)
			if err := stream.Send(asked); err != nil {
				t.Fatal(err)
			}
		}
		asked.Payload.Body[0] = 'x'
		for _, text := range []string{"a", "b"} {
			if m, err := stream.Recv(); err != nil || string(m.GetPayload().GetBody()) != text {
				t.Fatalf("%v %v", m, err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := stream.Recv(); err != io.EOF {
				t.Errorf("end: %v", err)
			}
		}
		if err := stream.Send(asked); err == nil {
			t.Error("sent behind CloseSend")
		}
	})
}

func TestTurnsEndByHandler(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		stream := takeTurns(t, testContext(t), c)
		if err := stream.Send(say("stop")); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("end: %v", err)
		}
		if err := stream.Send(say("late")); err == nil {
			t.Error("sent to a handler that has returned")
		}
	})
}

// TestTurnsEndByCaller: wherever the handler waits, cancelling ends it.
func TestTurnsEndByCaller(t *testing.T) {
	for name, before := range map[string]func(duplex) error{
		"nothing sent":    func(duplex) error { return nil },
		"answer not read": func(d duplex) error { return d.Send(say("ping")) },
		"between turns": func(d duplex) error {
			if err := d.Send(say("ping")); err != nil {
				return err
			}
			_, err := d.Recv()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := &tagger{client: true}
			conn, s := inproc.New(inproc.WithClientStats(client)), &server{}
			testpb.RegisterTestServiceServer(conn, s)
			ctx, cancel := context.WithCancel(testContext(t))
			finished := make(chan error, 1)
			stream := takeTurns(t, ctx, testpb.NewTestServiceClient(conn), grpc.OnFinish(func(err error) { finished <- err }))
			if err := before(stream); err != nil {
				t.Fatal(err)
			}
			if s.running.Load() != 1 {
				t.Errorf("%d handlers run", s.running.Load())
			}
			cancel()
			if err := <-finished; status.Code(err) != codes.Canceled {
				t.Errorf("finished with %v", err)
			}
			if n := s.running.Load(); n != 0 {
				t.Errorf("%d handlers run on", n)
			}
			if _, err := stream.Recv(); name != "answer not read" && status.Code(err) != codes.Canceled {
				t.Errorf("received %v", err)
			}
			if err := stream.Send(say("late")); err == nil {
				t.Error("sent on a stream that has ended")
			}
		})
	}
}

func TestTurnsWhereBothWait(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *server, c testpb.TestServiceClient) {
		ctx, cancel := context.WithTimeout(testContext(t), 30*time.Millisecond)
		defer cancel()
		if _, err := takeTurns(t, ctx, c).Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("received %v", err)
		}
	})
}

func BenchmarkTurn(b *testing.B) {
	conn := inproc.New()
	testpb.RegisterTestServiceServer(conn, &server{})
	stream := takeTurns(b, b.Context(), testpb.NewTestServiceClient(conn))
	ping := say("ping")
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.Send(ping); err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
