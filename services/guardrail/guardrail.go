// Package guardrail is the service that checks what goes to a model and what
// comes back: personal data, credentials, prompt injection.
package guardrail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/memory"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"github.com/tollgate/tollgate/services/guardrail/internal/server"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Dependencies are what the service needs from the process.
type Dependencies struct {
	// Log receives events of the service; nil discards them.
	Log *slog.Logger
	// Telemetry gives the meter; nil records nothing.
	Telemetry *telemetry.Telemetry
}

// Service is a running guardrail. It keeps no state on disk.
type Service struct {
	log      *slog.Logger
	policies atomic.Pointer[policy.Set]
	server   *server.Server
}

// New builds the service from a valid configuration.
func New(ctx context.Context, cfg Config, deps Dependencies) (*Service, error) {
	if deps.Telemetry == nil {
		deps.Telemetry = telemetry.Discard()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	opts := []engine.Option{engine.WithMaxPart(int(cfg.MaxContent))}
	if cfg.RememberedVerdicts > 0 {
		opts = append(opts, engine.WithMemory(memory.New(cfg.RememberedVerdicts)))
	}
	e, err := engine.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("build guardrail engine: %w", err)
	}
	s := &Service{log: deps.Log}
	if err := s.Reload(cfg); err != nil {
		return nil, err
	}
	s.server, err = server.New(e, s.policies.Load, deps.Telemetry.Meter())
	if err != nil {
		return nil, err
	}
	deps.Log.DebugContext(ctx, "guardrail is ready", "policies", len(cfg.Policies)+1)
	return s, nil
}

// Register adds the service's RPCs.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	guardrailv1.RegisterGuardrailServiceServer(r, s.server)
}

// Reload puts other policies in force. Checks under way, and streams, end with
// the policy that they began with. The sizes need a restart.
func (s *Service) Reload(cfg Config) error {
	set, err := policy.NewSet(cfg.Policies)
	if err != nil {
		return fmt.Errorf("load guardrail policies: %w", err)
	}
	s.policies.Store(set)
	return nil
}

var errNoPolicies = errors.New("guardrail has no policies")

// Ready reports whether the service can answer.
func (s *Service) Ready(context.Context) error {
	if s.policies.Load() == nil {
		return errNoPolicies
	}
	return nil
}

// Close releases what the service holds.
func (s *Service) Close(context.Context) error { return nil }
