// Package rag is the service that keeps an organisation's documents and finds
// what a prompt needs of them.
package rag

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/library"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/qdrantlocal"
	"github.com/tollgate/tollgate/services/rag/internal/retrieval"
	"github.com/tollgate/tollgate/services/rag/internal/server"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store"
)

// Dependencies are what the service needs from the process.
type Dependencies struct {
	// Log receives events of the service; nil discards them.
	Log *slog.Logger
	// DataDir is where the embedded store keeps its folder.
	DataDir string
	// Telemetry gives the meter; nil records nothing.
	Telemetry *telemetry.Telemetry
}

// Service is a running rag service.
type Service struct {
	log      *slog.Logger
	server   *server.Server
	store    *store.Store
	client   *qdrant.Client
	embedded *qdrantlocal.Server // nil with a Qdrant server

	prepared   atomic.Bool
	stop       context.CancelFunc
	background sync.WaitGroup
}

// promptsTTL is how old templates and rules may be that another process changed.
const promptsTTL = 2 * time.Second

// New builds the service from a valid configuration. The embedded store is
// opened and recovered here; a Qdrant server may come up later.
func New(ctx context.Context, cfg Config, deps Dependencies) (*Service, error) {
	if deps.Telemetry == nil {
		deps.Telemetry = telemetry.Discard()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{log: deps.Log}
	if err := s.connect(cfg, deps); err != nil {
		return nil, err
	}
	s.store = store.New(s.client, store.Options{Prefix: cfg.Qdrant.Prefix, Timeout: cfg.Qdrant.Timeout.Std()})
	kept := prompts.New(s.store, promptsTTL, nil)
	var err error
	s.server, err = server.New(
		library.New(s.store, library.Options{
			Limits: cfg.limits(), Terms: sparse.Params(cfg.BM25), MaxCollections: cfg.MaxCollections,
		}),
		kept,
		retrieval.New(s.store, kept, retrieval.Options{Candidates: cfg.Candidates, DefaultTokens: cfg.ContextTokens}),
		int(cfg.MaxDocument), deps.Telemetry.Meter())
	if err == nil && s.embedded != nil {
		err = s.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.background.Go(func() { s.maintain(background) })
	return s, nil
}

func (c Config) limits() ingest.Limits {
	l := ingest.DefaultLimits()
	l.Bytes, l.Chunks = int(c.MaxDocument), c.Chunks.PerDocument
	l.MinWords, l.TargetWords, l.MaxWords = c.Chunks.Min, c.Chunks.Target, c.Chunks.Max
	l.WholeWords, l.OverlapWords = c.Chunks.Whole, c.Chunks.Overlap
	return l
}

func (s *Service) connect(cfg Config, deps Dependencies) (err error) {
	if cfg.Qdrant.Addr != "" {
		remote := store.Remote{Addr: cfg.Qdrant.Addr, APIKey: cfg.Qdrant.APIKey}
		if cfg.Qdrant.TLS {
			remote.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		s.client, err = store.Dial(remote, grpc.WithStatsHandler(deps.Telemetry.ClientHandler()))
		return err
	}
	s.embedded, err = qdrantlocal.Open(filepath.Join(deps.DataDir, "rag"), qdrantlocal.Options{
		Sync: qdrantlocal.SyncPolicy(cfg.Embedded.Sync), SyncEvery: cfg.Embedded.SyncInterval.Std(), Log: deps.Log,
	})
	if err != nil {
		return err
	}
	if s.client, err = store.DialEmbedded(s.embedded); err != nil {
		return errors.Join(err, s.embedded.Close())
	}
	return nil
}

// prepare makes the collections that are missing and tidies what earlier work
// has left. With the embedded store nobody else can be at work yet.
func (s *Service) prepare(ctx context.Context) error {
	if err := s.store.Prepare(ctx); err != nil {
		return fmt.Errorf("prepare document store: %w", err)
	}
	before := time.Now().Add(-sweepAge)
	if s.embedded != nil {
		before = time.Now()
	}
	if _, err := s.store.Sweep(ctx, before); err != nil {
		return fmt.Errorf("sweep document store: %w", err)
	}
	s.prepared.Store(true)
	return nil
}

const (
	prepareEvery = 2 * time.Second
	sweepEvery   = 10 * time.Minute
	// sweepAge is how long unfinished work is left alone: whoever does it may
	// still be at it.
	sweepAge = time.Hour
)

// maintain prepares a server that was away at the start, then sweeps.
func (s *Service) maintain(ctx context.Context) {
	for first := true; !s.prepared.Load(); first = false {
		err := s.prepare(ctx)
		if err == nil {
			break
		}
		if first {
			s.log.WarnContext(ctx, "the document store is not there yet", "error", errs.From(err))
		}
		if !pause(ctx, prepareEvery) {
			return
		}
	}
	for pause(ctx, sweepEvery) {
		if n, err := s.store.Sweep(ctx, time.Now().Add(-sweepAge)); err != nil {
			s.log.WarnContext(ctx, "sweep document store", "error", errs.From(err))
		} else if n > 0 {
			s.log.InfoContext(ctx, "swept unfinished documents", "documents", n)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Register adds the service's RPCs.
func (s *Service) Register(r grpc.ServiceRegistrar) { ragv1.RegisterRagServiceServer(r, s.server) }

// Ready reports whether documents can be searched.
func (s *Service) Ready(ctx context.Context) error {
	if !s.prepared.Load() {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the document store is not prepared yet")
	}
	return s.store.Ready(ctx)
}

// Close ends the background work and closes the store. Calls must have ended.
func (s *Service) Close(context.Context) error {
	s.stop()
	s.background.Wait()
	return s.disconnect()
}

func (s *Service) disconnect() error {
	err := s.client.Close()
	if s.embedded != nil {
		err = errors.Join(err, s.embedded.Close())
	}
	if err != nil {
		return fmt.Errorf("close document store: %w", err)
	}
	return nil
}
