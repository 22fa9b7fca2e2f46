package grpcserver_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/drain"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
)

// talker streams until its context ends, and then says why.
type talker struct {
	grpc_testing.UnimplementedTestServiceServer
	started chan struct{}
}

func (t *talker) FullDuplexCall(s grpc_testing.TestService_FullDuplexCallServer) error {
	close(t.started)
	<-s.Context().Done()
	return s.Send(&grpc_testing.StreamingOutputCallResponse{
		Payload: &grpc_testing.Payload{Body: []byte(context.Cause(s.Context()).Error())},
	})
}

// A stream that outlasts the drain may still say why it ends.
func TestDrainLetsStreamsSayWhy(t *testing.T) {
	cfg := defaults()
	cfg.DrainTimeout = config.Duration(50 * time.Millisecond)
	server, err := grpcserver.New(cfg, grpcserver.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	impl := &talker{started: make(chan struct{})}
	grpc_testing.RegisterTestServiceServer(server, impl)
	r := serve(t, server)
	stream, err := grpc_testing.NewTestServiceClient(r.conn).FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-impl.started
	r.stop()
	last, err := stream.Recv()
	if err != nil || string(last.GetPayload().GetBody()) != drain.Err.Message {
		t.Errorf("last words %q, %v", last.GetPayload().GetBody(), err)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := grpc_testing.NewTestServiceClient(r.conn).EmptyCall(t.Context(), &grpc_testing.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call after the shutdown: %v", err)
	}
}
