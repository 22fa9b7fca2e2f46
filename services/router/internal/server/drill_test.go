package server

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// drills counts what reaches it.
type drills struct {
	by    []string
	beats int
}

func (d *drills) Run(_ context.Context, by string, _ *routerv1.RunDrillRequest, send func(*routerv1.RunDrillResponse) error) error {
	d.by = append(d.by, by)
	return send(&routerv1.RunDrillResponse{Name: "drills/a"})
}

func (d *drills) KeepAlive(string) error { d.beats++; return nil }

// out is the client's side of a stream.
type out struct {
	grpc.ServerStreamingServer[routerv1.RunDrillResponse]
	ctx  context.Context
	sent int
}

func (o *out) Context() context.Context { return o.ctx }

func (o *out) Send(*routerv1.RunDrillResponse) error { o.sent++; return nil }

func TestWhoMayRunDrills(t *testing.T) {
	for role, may := range map[string]bool{
		auth.RoleOperator: true, auth.RoleAdmin: true,
		auth.RoleDeveloper: false, auth.RoleViewer: false, auth.RoleService: false, "": false,
	} {
		d := &drills{}
		s := New(nil, nil).WithDrills(d)
		ctx, refusal := context.Background(), llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED
		if role != "" {
			ctx = auth.NewContext(ctx, &auth.Principal{Organization: "acme", Key: "key", Roles: []string{role}})
			refusal = llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED
		}
		o := &out{ctx: ctx}
		_, errBeat := s.KeepDrillAlive(ctx, &routerv1.KeepDrillAliveRequest{Name: "drills/a"})
		for _, err := range []error{s.RunDrill(&routerv1.RunDrillRequest{}, o), errBeat} {
			if may != (err == nil) || !may && !errs.Is(err, refusal) {
				t.Errorf("%q: %v", role, err)
			}
		}
		if reached := len(d.by) == 1 && d.by[0] == "key" && d.beats == 1 && o.sent == 1; reached != may {
			t.Errorf("%q: %+v", role, d)
		}
	}
}

func TestServerWithoutDrills(t *testing.T) {
	ctx := auth.NewContext(context.Background(), &auth.Principal{Roles: []string{auth.RoleAdmin}})
	if err := New(nil, nil).RunDrill(nil, &out{ctx: ctx}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED) {
		t.Error(err)
	}
}
