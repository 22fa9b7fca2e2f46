package router

import (
	"github.com/tollgate/tollgate/services/router/internal/drill"
)

// newDrills makes the place where operators let targets of this process fail.
// The pipeline need not be there yet.
func (s *Service) newDrills(deps Dependencies) (*drill.Drills, error) {
	return drill.New(drill.Dependencies{
		World: func() drill.World {
			world := s.pipeline.World()
			return drill.World{Targets: world.Targets, Routes: world.Routes}
		},
		Watch: func(r *drill.Recorder) { s.pipeline.Watch(r) },
		Log:   deps.Log, Meter: deps.Telemetry.Meter(),
	})
}

// Drain ends what must not outlast the beginning of a shutdown: the faults of a
// drill. Requests go on.
func (s *Service) Drain() { s.drills.Close() }
