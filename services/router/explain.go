package router

import (
	"fmt"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Hypothesis is a request that somebody asks about.
type Hypothesis = pipeline.Hypothesis

// Explain says where a request would go under a valid configuration, and why,
// without a server: nothing is called, no credential is read, and nothing is
// known of prices or of how targets fare. A decision with an error is one that
// leaves no target, and says why of each.
func Explain(cfg Config, h Hypothesis) (*routerv1.RouteDecision, error) {
	cfg = cfg.withTargets()
	known := kinds()
	for name, k := range known {
		k.New = func(provider.Target) (provider.Adapter, error) { return nil, nil }
		known[name] = k
	}
	targets, err := target.Build(cfg.Targets, known, nil)
	if err != nil {
		return nil, fmt.Errorf("explain route: %w", err)
	}
	models, err := catalog.New(cfg.Models)
	if err != nil {
		return nil, fmt.Errorf("explain route: %w", err)
	}
	routes, err := route.NewTable(cfg.Routes, route.Surroundings{Targets: targets, Models: models})
	if err != nil {
		return nil, fmt.Errorf("explain route: %w", err)
	}
	return (&pipeline.World{Targets: targets, Routes: routes}).Foresee(h)
}
