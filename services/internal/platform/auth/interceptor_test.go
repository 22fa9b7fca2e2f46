package auth_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/secret"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// whoami keeps the caller of the last call.
type whoami struct {
	testpb.UnimplementedTestServiceServer
	mu     sync.Mutex
	caller *auth.Principal
}

func (w *whoami) note(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.caller, _ = auth.FromContext(ctx)
}

func (w *whoami) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	w.note(ctx)
	return &testpb.Empty{}, nil
}

func (w *whoami) FullDuplexCall(stream testpb.TestService_FullDuplexCallServer) error {
	w.note(stream.Context())
	return nil
}

type oneKey struct{}

func (oneKey) ResolveKey(_ context.Context, key secret.String) (*auth.Principal, error) {
	if key.Reveal() != "tg_a" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	return &auth.Principal{Organization: "acme", Key: "keys/a", Roles: []string{auth.RoleDeveloper}}, nil
}

func newService(token string, opts ...inproc.Option) (*whoami, *inproc.Conn) {
	a := auth.NewAuthenticator(oneKey{}, auth.Options{InternalToken: secret.New(token)})
	conn := inproc.New(append(opts,
		inproc.WithUnaryServerInterceptors(a.UnaryServerInterceptor()),
		inproc.WithStreamServerInterceptors(a.StreamServerInterceptor()))...)
	w := &whoami{}
	testpb.RegisterTestServiceServer(conn, w)
	grpc_health_v1.RegisterHealthServer(conn, health.NewServer())
	return w, conn
}

// principalText is {"org":"victim","roles":["admin"]}.
const principalText = "eyJvcmciOiJ2aWN0aW0iLCJyb2xlcyI6WyJhZG1pbiJdfQ"

func TestInterceptors(t *testing.T) {
	developer := &auth.Principal{Organization: "acme", Key: "keys/a", Roles: []string{"developer"}}
	service := &auth.Principal{Roles: []string{"service"}, Internal: true}
	forwarded := &auth.Principal{Organization: "victim", Roles: []string{"admin"}, Internal: true}
	tests := []struct {
		name  string
		token string // the server's
		md    []string
		want  *auth.Principal
	}{
		{"nothing", "t", nil, nil},
		{"bearer", "t", []string{"authorization", "Bearer tg_a"}, developer},
		{"x-api-key", "t", []string{"x-api-key", "tg_a"}, developer},
		{"wrong key", "t", []string{"authorization", "Bearer tg_b"}, nil},
		{"internal", "t", []string{auth.MetadataInternal, "t"}, service},
		{"forwarded", "t", []string{auth.MetadataInternal, "t", auth.MetadataPrincipal, principalText}, forwarded},
		{"wrong token", "t", []string{auth.MetadataInternal, "x", auth.MetadataPrincipal, principalText}, nil},
		{"wrong token beside a right key", "t", []string{auth.MetadataInternal, "x", "authorization", "Bearer tg_a"}, nil},
		{"no token set", "", []string{auth.MetadataInternal, "", auth.MetadataPrincipal, principalText}, nil},
		{"two tokens", "t", []string{auth.MetadataInternal, "t", auth.MetadataInternal, "t"}, nil},
		{"two callers", "t", []string{auth.MetadataInternal, "t", auth.MetadataPrincipal, principalText, auth.MetadataPrincipal, principalText}, nil},
		{"caller not readable", "t", []string{auth.MetadataInternal, "t", auth.MetadataPrincipal, "%"}, nil},
		{"caller without token", "t", []string{auth.MetadataPrincipal, principalText}, nil},
		{"caller beside a key", "t", []string{auth.MetadataPrincipal, principalText, "authorization", "Bearer tg_a"}, developer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, conn := newService(tt.token)
			client := testpb.NewTestServiceClient(conn)
			ctx := metadata.AppendToOutgoingContext(t.Context(), tt.md...)
			_, unaryErr := client.EmptyCall(ctx, &testpb.Empty{})
			unary := w.caller
			w.caller = nil
			stream, err := client.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_, streamErr := stream.Recv()
			if diff := cmp.Diff(tt.want, unary); diff != "" {
				t.Errorf("unary: %s", diff)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if diff := cmp.Diff(tt.want, w.caller); diff != "" {
				t.Errorf("stream: %s", diff)
			}
			if tt.want == nil && (status.Code(unaryErr) != codes.Unauthenticated || status.Code(streamErr) != codes.Unauthenticated) {
				t.Errorf("got %v and %v", unaryErr, streamErr)
			}
		})
	}
}

func TestHealthNeedsNoCaller(t *testing.T) {
	_, conn := newService("t")
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}

func TestOutgoingForwardsTheCaller(t *testing.T) {
	out := auth.OutgoingPrincipal(secret.New("t"))
	w, conn := newService("t", inproc.WithUnaryClientInterceptors(out.Unary), inproc.WithStreamClientInterceptors(out.Stream))
	client := testpb.NewTestServiceClient(conn)
	caller := &auth.Principal{Organization: "acme", User: "u", Roles: []string{"viewer"}, Limits: auth.Limits{TokensPerMinute: 5}}
	ctx := auth.NewContext(t.Context(), caller)
	// What someone put there before must not win.
	ctx = metadata.AppendToOutgoingContext(ctx, auth.MetadataPrincipal, principalText, auth.MetadataInternal, "x")
	want := *caller
	want.Internal = true
	if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, w.caller); diff != "" {
		t.Error(diff)
	}
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = stream.Recv() // the end
	w.mu.Lock()
	if diff := cmp.Diff(&want, w.caller); diff != "" {
		t.Error(diff)
	}
	w.mu.Unlock()

	// A service that acts for itself, or that was called by one.
	for _, ctx := range []context.Context{t.Context(), auth.NewContext(t.Context(), &auth.Principal{Roles: []string{auth.RoleService}, Internal: true})} {
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			t.Fatal(err)
		}
		if w.caller == nil || !w.caller.Internal || !w.caller.HasRole(auth.RoleService) || w.caller.Organization != "" {
			t.Errorf("got %+v", w.caller)
		}
	}
}

// TestHandover gives the handler the caller, and nobody else a way to be it.
func TestHandover(t *testing.T) {
	var h auth.Handover
	w, conn := newService("t", inproc.WithUnaryClientInterceptors(h.Unary), inproc.WithStreamClientInterceptors(h.Stream))
	client := testpb.NewTestServiceClient(conn)
	caller := &auth.Principal{Organization: "acme", User: "u", Roles: []string{"viewer"}, Limits: auth.Limits{TokensPerMinute: 5}}
	// What someone put into the metadata must not win.
	ctx := metadata.AppendToOutgoingContext(auth.NewContext(t.Context(), caller), auth.MetadataPrincipal, principalText, auth.MetadataInternal, "x")
	want := *caller
	want.Internal = true
	service := &auth.Principal{Roles: []string{auth.RoleService}, Internal: true}
	for _, tt := range []struct {
		ctx  context.Context
		want *auth.Principal
	}{
		{ctx, &want},
		{t.Context(), service},
		{auth.NewContext(t.Context(), service), service},
	} {
		w.caller = nil
		if _, err := client.EmptyCall(tt.ctx, &testpb.Empty{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, w.caller); diff != "" {
			t.Error(diff)
		}
		stream, err := client.FullDuplexCall(tt.ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Recv() // the end
		w.mu.Lock()
		if diff := cmp.Diff(tt.want, w.caller); diff != "" {
			t.Error(diff)
		}
		w.mu.Unlock()
	}
	if caller.Internal {
		t.Error("the caller's own principal was changed")
	}
	// What is handed over under another key is no handover.
	_, open := newService("t")
	if _, err := testpb.NewTestServiceClient(open).EmptyCall(inproc.Hand(t.Context(), struct{}{}, caller), &testpb.Empty{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a handed principal: %v", err)
	}
}
