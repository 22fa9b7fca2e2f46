package router

import (
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/recall"
	"github.com/tollgate/tollgate/services/router/internal/valkey"
)

// share makes this router one of those that share a Valkey, if there is one. It
// returns where they may keep values; nil for nowhere. Nothing runs before
// replica.Start.
func (s *Service) share(cfg valkey.Config, deps Dependencies) (recall.Client, error) {
	if cfg.Addr == "" {
		s.quotas, s.keys = quota.New(time.Now), quota.New(time.Now)
		return nil, nil
	}
	client, err := valkey.Open(cfg, deps.Log, deps.Telemetry.Meter())
	if err != nil {
		return nil, err
	}
	s.replica = valkey.Join(client, s.follow, deps.Log)
	s.quotas, s.keys = s.replica.Book(), s.replica.Keys()
	return client, nil
}

// announce tells other routers of a circuit.
func (s *Service) announce(e health.Event) {
	if s.replica != nil {
		s.replica.Observe(e)
	}
}

// follow takes over what another router saw of a circuit.
func (s *Service) follow(name, model string, state health.State, until time.Time) {
	for _, t := range s.pipeline.World().Targets {
		if t.Name == name {
			t.Monitors.Of(model).Follow(state, until)
		}
	}
}
