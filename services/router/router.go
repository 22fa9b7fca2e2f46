// Package router is the service that takes requests to models: it holds
// budget, guards, enriches, routes, survives the faults of targets, and settles.
package router

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/drill"
	"github.com/tollgate/tollgate/services/router/internal/limit"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/peer"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/rates"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/server"
	"github.com/tollgate/tollgate/services/router/internal/spool"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
	"github.com/tollgate/tollgate/services/router/internal/valkey"
)

// Dependencies are what the service needs from outside.
type Dependencies struct {
	// Log is required.
	Log *slog.Logger
	// DataDir is where the service keeps its files; it is made if it is missing.
	DataDir string
	// Telemetry makes the metrics; nil records nothing.
	Telemetry *telemetry.Telemetry
	// Guardrail, Rag and Billing reach the other services, in this process or
	// another. Without Guardrail nothing is checked, without Rag nothing is
	// enriched, without Billing nothing is held and records wait in the spool.
	Guardrail, Rag, Billing grpc.ClientConnInterface
	// Adapters adds providers, or replaces those that come with the service.
	Adapters map[string]provider.Factory
}

// Service is the running router.
type Service struct {
	pipeline *pipeline.Pipeline
	server   *server.Server
	drills   *drill.Drills
	spool    *spool.Spool
	rates    *rates.Cache
	quotas   *quota.Book     // of targets
	keys     *quota.Book     // of keys
	replica  *valkey.Replica // nil if this router shares nothing
	keeper   openai.Keeper   // nil if no responses are kept
	circuits *observe.Circuits
	log      *slog.Logger
	drain    time.Duration
	kinds    map[string]target.Kind

	reload sync.Mutex
	config Config
}

// New starts the service. If a part fails, what was built before it is ended.
func New(_ context.Context, cfg Config, deps Dependencies) (*Service, error) {
	cfg = cfg.withTargets()
	s := &Service{config: cfg, kinds: kinds(), log: deps.Log, drain: cfg.Spool.DrainTimeout.Std()}
	for name, factory := range deps.Adapters {
		s.kinds[name] = target.Kind{New: factory}
	}
	if deps.Telemetry == nil {
		deps.Telemetry = telemetry.Discard()
	}
	if err := s.start(cfg, deps); err != nil {
		return nil, fmt.Errorf("start router: %w", err)
	}
	return s, nil
}

// start builds the parts.
func (s *Service) start(cfg Config, deps Dependencies) (err error) {
	var world *pipeline.World
	defer func() {
		if err != nil {
			s.end(world)
		}
	}()
	peers, shipper := connect(cfg, deps)
	s.rates = rates.New(peers.Pricer, time.Now)
	values, err := s.share(cfg.Valkey, deps)
	if err != nil {
		return err
	}
	if s.keeper, err = newKeeper(cfg.Responses, values); err != nil {
		return err
	}
	if s.circuits, err = observe.NewCircuits(deps.Telemetry.Meter(), deps.Log); err != nil {
		return err
	}
	if world, err = s.build(cfg, nil); err != nil {
		return err
	}
	metrics, err := observe.NewMetrics(deps.Telemetry.Meter())
	if err != nil {
		return err
	}
	if s.drills, err = s.newDrills(deps); err != nil {
		return err
	}
	if peers, err = withCache(peers, cfg.Cache, values, deps.Telemetry.Meter()); err != nil {
		return err
	}
	s.spool, err = spool.Open(filepath.Join(deps.DataDir, "router", "spool"), shipper, spool.Options{
		MaxBytes: cfg.Spool.MaxBytes.Int64(), SegmentBytes: cfg.Spool.SegmentBytes.Int64(),
		SyncInterval: cfg.Spool.SyncInterval.Std(), Window: cfg.Spool.Window, Log: deps.Log,
	})
	if err != nil {
		return err
	}
	// From here on nothing fails.
	peers.Recorder, peers.Rules = s.spool, metrics
	runner := attempt.NewRunner(attempt.Policy{
		Backoff: cfg.Attempts.Backoff.Std(), MaxBackoff: cfg.Attempts.MaxBackoff.Std(),
		MaxRetryAfter: cfg.Attempts.MaxRetryAfter.Std(), MaxAttempts: cfg.Attempts.Max,
	}, deps.Log, metrics)
	s.pipeline = pipeline.New(world, peers, limit.New(s.keys, cfg.Limits.Keys), runner, deps.Log, cfg.options())
	s.circuits.Watch(s.watched)
	s.server = server.New(s.pipeline, s.pipeline).WithDrills(s.drills)
	if s.replica != nil {
		s.replica.Start()
	}
	return nil
}

// end ends what runs by itself, but for the spool: what was built last goes
// first. There is no world, and no replica, if it was not built.
func (s *Service) end(world *pipeline.World) {
	if world != nil {
		target.Retire(world.Targets, nil)
	}
	if s.replica != nil {
		s.replica.Close()
	}
	s.rates.Close()
}

func (c Config) options() pipeline.Options {
	return pipeline.Options{
		RequestTimeout: c.RequestTimeout.Std(),
		Bounds:         tokens.Bounds{MarginPercent: c.Limits.InputMarginPercent, Output: c.Limits.OutputTokens},
		ContextTokens:  c.Limits.ContextTokens,
		GuardrailOpen:  c.GuardrailUnavailable == Open,
		BillingOpen:    c.BillingUnavailable == Open,
		RagOpen:        c.RagUnavailable == Open,
		ContextRules:   c.ContextRules,
		Concurrency:    c.Limits.Concurrency,
	}
}

// connect makes the clients of the other services.
func connect(cfg Config, deps Dependencies) (pipeline.Peers, spool.Shipper) {
	timeout := cfg.PeerTimeout.Std()
	var peers pipeline.Peers
	if deps.Guardrail != nil {
		guardrail := peer.NewGuardrail(deps.Guardrail, timeout)
		peers.Checker, peers.Scanner = guardrail, guardrail
	}
	if deps.Rag != nil {
		peers.Enricher = peer.NewRag(deps.Rag, timeout)
	}
	if deps.Billing == nil {
		peers.Holder, peers.Pricer = peer.NoBilling{}, peer.NoBilling{}
		return peers, peer.NoBilling{}
	}
	billing := peer.NewBilling(deps.Billing, timeout)
	peers.Holder, peers.Pricer = billing, billing
	return peers, billing
}

// build makes targets and routes.
func (s *Service) build(cfg Config, before *pipeline.World) (*pipeline.World, error) {
	var old []*target.Target
	if before != nil {
		old = before.Targets
	}
	models, err := catalog.New(cfg.Models)
	if err != nil {
		return nil, err
	}
	targets, err := target.Build(cfg.Targets, s.kinds, old, s.circuits.Record, s.announce)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		t.Quota = s.quotas.Gate(t.Name, t.Limits)
	}
	routes, err := route.NewTable(cfg.Routes, route.Surroundings{Targets: targets, Models: models, Prices: s.rates})
	if err != nil {
		target.Retire(targets, old)
		return nil, err
	}
	return &pipeline.World{Targets: targets, Routes: routes}, nil
}

// Register offers the gRPC service.
func (s *Service) Register(r grpc.ServiceRegistrar) { s.server.Register(r) }

// Reload puts the targets and routes of a configuration into force. Requests
// under way finish on those that they began with. If they have a fault, nothing
// changes. The section router itself is read at the start only: a change there
// is logged.
func (s *Service) Reload(cfg Config) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	cfg = cfg.withTargets()
	v := config.NewValidator()
	cfg.validateTargets(v, s.kinds)
	if err := v.Err(); err != nil {
		return fmt.Errorf("reload router: %w", err)
	}
	world, err := s.build(cfg, s.pipeline.World())
	if err != nil {
		return fmt.Errorf("reload router: %w", err)
	}
	before := s.pipeline.World()
	s.pipeline.Replace(world)
	s.drills.Reloaded()
	target.Retire(before.Targets, world.Targets)
	if s.config.section() != cfg.section() || !s.config.Valkey.Equal(cfg.Valkey) {
		s.log.Warn("the section router has changed; that takes effect at the next start")
	}
	s.config = cfg
	return nil
}

// Ready says whether requests can be served.
func (s *Service) Ready(context.Context) error { return s.spool.Writable() }

// Close ships what is in the spool, for as long as ctx and the drain timeout
// allow, and stops. No request may be under way.
func (s *Service) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	s.pipeline.Drain(ctx)
	s.end(s.pipeline.World())
	if err := s.spool.Close(ctx); err != nil {
		return fmt.Errorf("stop router: %w", err)
	}
	return nil
}
