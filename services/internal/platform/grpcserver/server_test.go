package grpcserver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// syncBuffer is a log that tests read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const inside = "dial tcp 10.0.0.1:5432: password"

// accounts fails as its request says.
type accounts struct {
	accountv1.UnimplementedAccountServiceServer
	testpb.UnimplementedTestServiceServer
	started chan struct{}
}

func (a *accounts) ListTeams(ctx context.Context, req *accountv1.ListTeamsRequest) (*accountv1.ListTeamsResponse, error) {
	switch req.GetPageToken() {
	case "internal":
		return nil, errors.New(inside)
	case "panic":
		panic(inside)
	case "typed":
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, "spent").WithCause(errors.New(inside))
	case "who":
		p, err := auth.Require(ctx, auth.RoleAdmin)
		if err != nil {
			return nil, err
		}
		return &accountv1.ListTeamsResponse{NextPageToken: p.Organization}, nil
	case "slow":
		close(a.started)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "stuck":
		close(a.started)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &accountv1.ListTeamsResponse{}, nil
}

func (a *accounts) FullDuplexCall(testpb.TestService_FullDuplexCallServer) error { panic(inside) }

type keys struct{}

func (keys) ResolveKey(_ context.Context, key secret.String) (*auth.Principal, error) {
	if key.Reveal() != "tg_admin" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	return &auth.Principal{Organization: "acme", Roles: []string{auth.RoleAdmin}}, nil
}

// running is a server with a connection to it.
type running struct {
	server *grpcserver.Server
	conn   *grpc.ClientConn
	addr   string
	log    *syncBuffer
	stop   context.CancelFunc
	notice context.CancelCauseFunc // stop, with a reason
	ended  chan error
}

func start(t *testing.T, cfg grpcserver.Config, impl *accounts, dial ...grpc.DialOption) *running {
	t.Helper()
	r := &running{log: &syncBuffer{}, ended: make(chan error, 1)}
	authenticator := auth.NewAuthenticator(keys{}, auth.Options{InternalToken: secret.New("internal-token")})
	var err error
	r.server, err = grpcserver.New(cfg, grpcserver.Dependencies{Log: slog.New(slog.NewTextHandler(r.log, nil)), Auth: authenticator})
	if err != nil {
		t.Fatal(err)
	}
	accountv1.RegisterAccountServiceServer(r.server, impl)
	testpb.RegisterTestServiceServer(r.server, impl)
	r.serve(t, dial...)
	return r
}

// serve starts a server that has its services.
func serve(t *testing.T, server *grpcserver.Server) *running {
	t.Helper()
	r := &running{server: server, log: &syncBuffer{}, ended: make(chan error, 1)}
	r.serve(t)
	return r
}

func (r *running) serve(t *testing.T, dial ...grpc.DialOption) {
	t.Helper()
	lis, err := r.server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.addr = lis.Addr().String()
	ctx, notice := context.WithCancelCause(context.Background())
	cancel := func() { notice(nil) }
	r.stop, r.notice = cancel, notice
	go func() { r.ended <- r.server.Serve(ctx, lis) }()
	if len(dial) == 0 {
		dial = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	if r.conn, err = grpc.NewClient(r.addr, dial...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.conn.Close()
		cancel()
		r.server.Stop()
	})
}

func defaults() grpcserver.Config { return grpcserver.DefaultConfig("127.0.0.1:0") }

func asAdmin(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer tg_admin")
}

// eachConn runs a test over the wire and in process: one chain serves both.
func eachConn(t *testing.T, test func(t *testing.T, r *running, conn grpc.ClientConnInterface)) {
	t.Run("wire", func(t *testing.T) {
		r := start(t, defaults(), &accounts{})
		test(t, r, r.conn)
	})
	t.Run("inproc", func(t *testing.T) {
		r := start(t, defaults(), &accounts{})
		conn := r.server.Inproc()
		impl := &accounts{}
		accountv1.RegisterAccountServiceServer(grpcserver.Both(conn), impl)
		testpb.RegisterTestServiceServer(conn, impl)
		test(t, r, conn)
	})
}

func TestErrorsKeepTheirInsides(t *testing.T) {
	eachConn(t, func(t *testing.T, r *running, conn grpc.ClientConnInterface) {
		client := accountv1.NewAccountServiceClient(conn)
		tests := []struct {
			token   string
			code    codes.Code
			reason  llmv1.ErrorReason
			message string
			logged  bool
		}{
			{"typed", codes.ResourceExhausted, llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, "spent", false},
			{"internal", codes.Internal, llmv1.ErrorReason_ERROR_REASON_INTERNAL, "internal error", true},
			{"panic", codes.Internal, llmv1.ErrorReason_ERROR_REASON_INTERNAL, "internal error", true},
		}
		for _, tt := range tests {
			before := strings.Count(r.log.String(), inside)
			_, err := client.ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{PageToken: tt.token})
			if status.Code(err) != tt.code || status.Convert(err).Message() != tt.message || errs.From(err).Reason != tt.reason {
				t.Errorf("%s: %v", tt.token, err)
			}
			if strings.Contains(status.Convert(err).Proto().String(), "10.0.0.1") {
				t.Errorf("%s: the inside reached the client: %v", tt.token, err)
			}
			if logged := strings.Count(r.log.String(), inside) > before; logged != tt.logged {
				t.Errorf("%s: in the log: %v", tt.token, logged)
			}
		}
		stream, err := testpb.NewTestServiceClient(conn).FullDuplexCall(asAdmin(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Convert(err).Message() != "internal error" {
			t.Errorf("a panic in a stream: %v", err)
		}
		// The server still works.
		if _, err := client.ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{}); err != nil {
			t.Error(err)
		}
	})
}

func TestAuthentication(t *testing.T) {
	eachConn(t, func(t *testing.T, r *running, conn grpc.ClientConnInterface) {
		client := accountv1.NewAccountServiceClient(conn)
		if _, err := client.ListTeams(t.Context(), &accountv1.ListTeamsRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("without a key: %v", err)
		}
		resp, err := client.ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{PageToken: "who"})
		if err != nil || resp.GetNextPageToken() != "acme" {
			t.Errorf("%v %v", resp, err)
		}
	})
}

func TestValidationNamesEveryField(t *testing.T) {
	eachConn(t, func(t *testing.T, r *running, conn grpc.ClientConnInterface) {
		req := &accountv1.ListTeamsRequest{PageSize: -1, PageToken: strings.Repeat("x", 2000)}
		_, err := accountv1.NewAccountServiceClient(conn).ListTeams(asAdmin(t), req)
		e := errs.From(err)
		if e == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT || len(e.Violations) != 2 ||
			e.Violations[0].Field != "page_size" || e.Violations[1].Field != "page_token" {
			t.Fatalf("got %+v", e)
		}
		if !strings.Contains(e.Message, "page_size: ") || !strings.Contains(e.Message, "page_token: ") {
			t.Errorf("message %q", e.Message)
		}
	})
	if err := grpcserver.Validate(&accountv1.ListTeamsRequest{PageSize: 2000}); errs.From(err).Field != "page_size" {
		t.Errorf("got %v", err)
	}
	if err := grpcserver.Validate(&accountv1.ListTeamsRequest{}); err != nil {
		t.Error(err)
	}
}

func TestHealthAndReflection(t *testing.T) {
	r := start(t, defaults(), &accounts{})
	health := grpc_health_v1.NewHealthClient(r.conn)
	check := func(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
		resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Error(err)
		}
		return resp.GetStatus()
	}
	name := accountv1.AccountService_ServiceDesc.ServiceName
	if check("") != grpc_health_v1.HealthCheckResponse_SERVING || check(name) != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Error("not serving")
	}
	r.server.SetServing(name, false)
	if check(name) != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Error("still serving")
	}

	v1, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v1.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if resp, err := v1.Recv(); err != nil || !strings.Contains(resp.String(), name) {
		t.Errorf("v1: %v %v", resp, err)
	}
	alpha, err := reflectionalpha.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 older clients still ask v1alpha
	if err := alpha.Send(&reflectionalpha.ServerReflectionRequest{MessageRequest: &reflectionalpha.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if resp, err := alpha.Recv(); err != nil || !strings.Contains(resp.String(), name) {
		t.Errorf("v1alpha: %v %v", resp, err)
	}
	_, _ = v1.CloseSend(), alpha.CloseSend()
}

func TestMessageLimit(t *testing.T) {
	cfg := defaults()
	cfg.MaxRecvMessage = 1000
	r := start(t, cfg, &accounts{})
	_, err := accountv1.NewAccountServiceClient(r.conn).ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{PageToken: strings.Repeat("x", 1024)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

func TestDrainLetsCallsEnd(t *testing.T) {
	impl := &accounts{started: make(chan struct{})}
	r := start(t, defaults(), impl)
	result := make(chan error, 1)
	go func() {
		_, err := accountv1.NewAccountServiceClient(r.conn).ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{PageToken: "slow"})
		result <- err
	}()
	<-impl.started
	r.stop()
	if err := <-result; err != nil {
		t.Errorf("a call under way: %v", err)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestDrainHasALimit(t *testing.T) {
	cfg := defaults()
	cfg.DrainTimeout = config.Duration(50 * time.Millisecond)
	impl := &accounts{started: make(chan struct{})}
	r := start(t, cfg, impl)
	result := make(chan error, 1)
	go func() {
		_, err := accountv1.NewAccountServiceClient(r.conn).ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{PageToken: "stuck"})
		result <- err
	}()
	<-impl.started
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the drain has no limit")
	}
	if err := <-result; err == nil {
		t.Error("a call that never ends was answered")
	}
}

func TestPlaintextStaysOnLoopback(t *testing.T) {
	cfg := defaults()
	cfg.Addr = "0.0.0.0:0"
	server, err := grpcserver.New(cfg, grpcserver.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if _, err := server.Listen(t.Context()); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("Listen: %v", err)
	}
	lis, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(t.Context(), lis); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := lis.Accept(); err == nil {
		t.Error("the listener is still open")
	}
	cfg.InsecureListen = true
	allowed, err := grpcserver.New(cfg, grpcserver.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	defer allowed.Stop()
	if lis, err := allowed.Listen(t.Context()); err != nil {
		t.Errorf("insecure_listen: %v", err)
	} else {
		_ = lis.Close()
	}
}

// TestFrequentPingsAreWelcome: clients ping every ten seconds between calls.
// The library's default policy answers the third such ping with GOAWAY.
func TestFrequentPingsAreWelcome(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 35 seconds")
	}
	t.Parallel()
	r := start(t, defaults(), &accounts{},
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}))
	client := accountv1.NewAccountServiceClient(r.conn)
	if _, err := client.ListTeams(asAdmin(t), &accountv1.ListTeamsRequest{}); err != nil {
		t.Fatal(err)
	}
	before := r.conn.GetState()
	ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
	defer cancel()
	if r.conn.WaitForStateChange(ctx, before) {
		t.Errorf("the connection went from %v to %v", before, r.conn.GetState())
	}
}

func TestConfigValidate(t *testing.T) {
	v := config.NewValidator()
	grpcserver.Config{Addr: "nowhere", TLS: listen.TLS{CertFile: "/none"}}.Validate(v)
	var faults config.Faults
	if err := v.Err(); !errors.As(err, &faults) || len(faults) != 7 {
		t.Errorf("got %v", err)
	}
	v = config.NewValidator()
	defaults().Validate(v)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}
