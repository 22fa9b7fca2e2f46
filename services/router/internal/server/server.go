// Package server offers the pipeline over gRPC.
package server

import (
	"context"

	"google.golang.org/grpc"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// Pipeline is what the server needs of the pipeline to answer requests.
type Pipeline interface {
	Generate(context.Context, *pipeline.Call) (*pipeline.Result, error)
	Stream(context.Context, *pipeline.Call, pipeline.Sink) error
	Embed(context.Context, *pipeline.EmbedCall) (*pipeline.EmbedResult, error)
}

// Catalog is what the server needs of the pipeline to say what it would do.
type Catalog interface {
	Models(*auth.Principal) []*routerv1.Model
	Targets() []*routerv1.Target
	Explain(ctx context.Context, call *pipeline.Call, streamed bool) (*routerv1.RouteDecision, error)
}

// Server implements tollgate.router.v1.RouterService.
type Server struct {
	routerv1.UnimplementedRouterServiceServer
	pipeline Pipeline
	catalog  Catalog
	drills   Drills
}

// New makes a server.
func New(p Pipeline, c Catalog) *Server { return &Server{pipeline: p, catalog: c} }

// Register offers the service on a server.
func (s *Server) Register(r grpc.ServiceRegistrar) { routerv1.RegisterRouterServiceServer(r, s) }
