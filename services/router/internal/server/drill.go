package server

import (
	"cmp"
	"context"

	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Drills runs drills.
type Drills interface {
	// Run runs a drill to its end, which is that of ctx at the latest.
	Run(ctx context.Context, by string, r *routerv1.RunDrillRequest, send func(*routerv1.RunDrillResponse) error) error
	// KeepAlive says that whoever runs a drill still watches it.
	KeepAlive(name string) error
}

// drillers are the roles that may make targets fail.
var drillers = []string{auth.RoleOperator, auth.RoleAdmin}

// WithDrills lets drills be run. Without it there are none.
func (s *Server) WithDrills(d Drills) *Server {
	s.drills = d
	return s
}

// RunDrill makes targets fail on purpose for a bounded time, and says how that went.
func (s *Server) RunDrill(r *routerv1.RunDrillRequest, out grpc.ServerStreamingServer[routerv1.RunDrillResponse]) error {
	ctx := out.Context()
	p, err := auth.Require(ctx, drillers...)
	if err != nil {
		return err
	}
	if s.drills == nil {
		return errNoDrills
	}
	return s.drills.Run(ctx, cmp.Or(p.Key, p.User, p.Organization), r, out.Send)
}

// KeepDrillAlive says that whoever runs a drill still watches it.
func (s *Server) KeepDrillAlive(ctx context.Context, r *routerv1.KeepDrillAliveRequest) (*routerv1.KeepDrillAliveResponse, error) {
	if _, err := auth.Require(ctx, drillers...); err != nil {
		return nil, err
	}
	if s.drills == nil {
		return nil, errNoDrills
	}
	if err := s.drills.KeepAlive(r.GetName()); err != nil {
		return nil, err
	}
	return &routerv1.KeepDrillAliveResponse{}, nil
}

var errNoDrills = errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "drills cannot be run here")
