package grpcserver_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
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

// While load balancers notice that the server is not healthy, new calls are
// still served; a machine that goes sooner does not wait for so long.
func TestDrainDelay(t *testing.T) {
	const delay = 500 * time.Millisecond
	for name, c := range map[string]struct {
		delay       time.Duration
		stop        func(*running)
		least, most time.Duration
	}{
		"a signal": {delay, func(r *running) { r.stop() }, delay, 5 * time.Second},
		"a notice": {time.Hour, func(r *running) {
			r.notice(&drain.Notice{Time: time.Now().Add(2 * delay), Reason: "spot"})
		}, delay / 2, 5 * time.Second},
	} {
		cfg := defaults()
		cfg.DrainDelay = config.Duration(c.delay)
		server, err := grpcserver.New(cfg, grpcserver.Dependencies{})
		if err != nil {
			t.Fatal(err)
		}
		grpc_testing.RegisterTestServiceServer(server, &empty{})
		r := serve(t, server)
		began := time.Now()
		c.stop(r)
		health := grpc_health_v1.NewHealthClient(r.conn)
		for deadline := began.Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			got, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%s: health %v, %v", name, got, err)
			}
			if got.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING {
				break
			}
		}
		client, served := grpc_testing.NewTestServiceClient(r.conn), 0
		for ; ; served++ {
			if _, err = client.EmptyCall(t.Context(), &grpc_testing.Empty{}); err != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		took := time.Since(began)
		if status.Code(err) != codes.Unavailable || served == 0 || took < c.least || took > c.most {
			t.Errorf("%s: %d calls served within %s, then %v", name, served, took, err)
		}
		if err := <-r.ended; err != nil {
			t.Errorf("%s: Serve: %v", name, err)
		}
	}
}

// empty answers calls at once.
type empty struct {
	grpc_testing.UnimplementedTestServiceServer
}

func (*empty) EmptyCall(context.Context, *grpc_testing.Empty) (*grpc_testing.Empty, error) {
	return &grpc_testing.Empty{}, nil
}
