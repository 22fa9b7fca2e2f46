package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/guardrail"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag"
	"github.com/tollgate/tollgate/services/router"
)

// Names of the services, as on the command line.
const (
	Router    = "router"
	Guardrail = "guardrail"
	RAG       = "rag"
	Billing   = "billing"
)

// Options are what Run needs besides the configuration.
type Options struct {
	// Config is valid.
	Config Config
	// ConfigPath is watched for changes; empty for none.
	ConfigPath string
	// Services run in this process; empty means all.
	Services []string
	// Stdout gets the first admin key, once.
	Stdout io.Writer
	// LogWriter gets the log; nil means standard error.
	LogWriter io.Writer
	// SpanProcessor also gets every span; may be nil.
	SpanProcessor sdktrace.SpanProcessor
}

// App is one process of Tollgate: built by New, run by Run.
type App struct {
	options   Options
	log       *slog.Logger
	registry  *prometheus.Registry
	telemetry []*telemetry.Telemetry
	token     secret.String
	auth      *auth.Authenticator
	adminKey  secret.String

	billing   *billing.Service
	guardrail *guardrail.Service
	rag       *rag.Service
	router    *router.Service

	peers     map[string]peer
	servers   []grpcListener
	http      *httpserver.Server
	httpLis   net.Listener
	readiness map[string]func(context.Context) error
	closers   closers
}

// grpcListener is a gRPC server with the address that it has taken.
type grpcListener struct {
	service  string
	server   *grpcserver.Server
	listener net.Listener
}

// service is what the app needs of each service.
type service interface {
	Register(grpc.ServiceRegistrar)
	Ready(context.Context) error
	Close(context.Context) error
}

// New builds the services and takes their addresses. What was built is closed
// again if a part fails.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if len(o.Services) == 0 {
		o.Services = []string{Billing, Guardrail, RAG, Router}
	}
	a := &App{options: o, peers: map[string]peer{}, readiness: map[string]func(context.Context) error{}}
	a.log = slog.New(slog.DiscardHandler)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.closers.close(context.WithoutCancel(ctx), a.log))
		}
	}()
	if err := os.MkdirAll(o.Config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if a.token, err = internalToken(o.Config.InternalToken, o.Config.DataDir); err != nil {
		return nil, err
	}
	for _, build := range []struct {
		name  string
		build func(context.Context, *telemetry.Telemetry) error
	}{
		// Billing knows the keys, so it comes first; the router calls all others.
		{Billing, a.buildBilling}, {Guardrail, a.buildGuardrail}, {RAG, a.buildRAG}, {Router, a.buildRouter},
	} {
		if !slices.Contains(o.Services, build.name) {
			continue
		}
		t, err := a.setUpTelemetry(ctx, build.name)
		if err != nil {
			return nil, err
		}
		if err := build.build(ctx, t); err != nil {
			return nil, fmt.Errorf("build %s: %w", build.name, err)
		}
	}
	return a, nil
}

// setUpTelemetry gives each service its own resource; they share the process's
// metrics address and log.
func (a *App) setUpTelemetry(ctx context.Context, service string) (*telemetry.Telemetry, error) {
	var options []telemetry.Option
	if a.registry != nil {
		options = append(options, telemetry.WithRegistry(a.registry))
	}
	if a.options.SpanProcessor != nil {
		options = append(options, telemetry.WithSpanProcessor(a.options.SpanProcessor))
	}
	if a.options.LogWriter != nil {
		options = append(options, telemetry.WithLogWriter(a.options.LogWriter))
	}
	t, err := telemetry.Setup(ctx, a.options.Config.Telemetry, "tollgate-"+service, options...)
	if err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	a.closers.add("telemetry of "+service, t.Shutdown)
	if a.registry == nil {
		a.registry, a.log = t.Registry(), t.Log()
	}
	a.telemetry = append(a.telemetry, t)
	return t, nil
}

func (a *App) buildBilling(ctx context.Context, t *telemetry.Telemetry) (err error) {
	a.billing, err = billing.New(ctx, a.options.Config.Billing, billing.Dependencies{
		Log: t.Log(), DataDir: a.options.Config.DataDir, Telemetry: t,
		KeyEnded: func(id string) { a.auth.Invalidate(id) },
	})
	if err != nil {
		return err
	}
	a.closers.add(Billing, a.billing.Close)
	a.auth = a.authenticator(a.billing.KeyResolver())
	if a.adminKey, err = bootstrap(ctx, a.billing, a.options.Config.DataDir, a.options.Stdout); err != nil {
		return err
	}
	return a.serve(ctx, Billing, a.options.Config.GRPC.Billing, t, a.billing)
}

func (a *App) buildGuardrail(ctx context.Context, t *telemetry.Telemetry) (err error) {
	a.guardrail, err = guardrail.New(ctx, a.options.Config.Guardrail, guardrail.Dependencies{
		Log: t.Log(), Telemetry: t,
	})
	if err != nil {
		return err
	}
	a.closers.add(Guardrail, a.guardrail.Close)
	return a.serve(ctx, Guardrail, a.options.Config.GRPC.Guardrail, t, a.guardrail)
}

func (a *App) buildRAG(ctx context.Context, t *telemetry.Telemetry) (err error) {
	a.rag, err = rag.New(ctx, a.options.Config.RAG, rag.Dependencies{
		Log: t.Log(), DataDir: a.options.Config.DataDir, Telemetry: t,
	})
	if err != nil {
		return err
	}
	a.closers.add(RAG, a.rag.Close)
	return a.serve(ctx, RAG, a.options.Config.GRPC.RAG, t, a.rag)
}

func (a *App) buildRouter(ctx context.Context, t *telemetry.Telemetry) error {
	guardrailPeer, err := a.peer(ctx, Guardrail, a.options.Config.Peers.Guardrail, t)
	if err != nil {
		return err
	}
	ragPeer, err := a.peer(ctx, RAG, a.options.Config.Peers.RAG, t)
	if err != nil {
		return err
	}
	billingPeer, err := a.peer(ctx, Billing, a.options.Config.Peers.Billing, t)
	if err != nil {
		return err
	}
	a.router, err = router.New(ctx, a.options.Config.RouterConfig(), router.Dependencies{
		Log: t.Log(), DataDir: a.options.Config.DataDir, Telemetry: t,
		Guardrail: guardrailPeer.internal, Rag: ragPeer.internal, Billing: billingPeer.internal,
	})
	if err != nil {
		return err
	}
	a.closers.add(Router, a.router.Close)
	if err := a.serve(ctx, Router, a.options.Config.GRPC.Router, t, a.router); err != nil {
		return err
	}
	return a.serveHTTP(ctx, t)
}

// serve registers a service on its gRPC server, and in process for the
// services that come after it, and takes the server's address.
func (a *App) serve(ctx context.Context, name string, cfg grpcserver.Config, t *telemetry.Telemetry, s service) error {
	if a.auth == nil { // billing runs elsewhere
		resolver, err := a.remoteKeys(ctx, t)
		if err != nil {
			return err
		}
		a.auth = a.authenticator(resolver)
	}
	server, err := grpcserver.New(cfg, grpcserver.Dependencies{Log: t.Log(), Auth: a.auth, Telemetry: t})
	if err != nil {
		return err
	}
	a.closers.add("gRPC server of "+name, func(context.Context) error { server.Stop(); return nil })
	local := a.localPeer(server, t)
	s.Register(grpcserver.Both(server, local.registrars))
	a.peers[name] = local.peer
	a.readiness[name] = s.Ready
	listener, err := server.Listen(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	a.closers.add("address of "+name, func(context.Context) error { return ignoreClosed(listener.Close()) })
	a.servers = append(a.servers, grpcListener{name, server, listener})
	return nil
}

func (a *App) authenticator(resolver auth.KeyResolver) *auth.Authenticator {
	return auth.NewAuthenticator(resolver, auth.Options{
		InternalToken: a.token,
		TTL:           a.options.Config.Auth.TTL.Std(),
		StaleFor:      a.options.Config.Auth.StaleFor.Std(),
	})
}

// reload applies a changed file if it is valid; requests under way end with
// what they began with.
func (a *App) reload(ctx context.Context) {
	cfg, err := LoadConfig(a.options.ConfigPath)
	if err != nil {
		a.log.ErrorContext(ctx, "the changed configuration is not used", "err", err)
		return
	}
	if a.billing != nil {
		err = errors.Join(err, a.billing.Reload(cfg.Billing))
	}
	if a.guardrail != nil {
		err = errors.Join(err, a.guardrail.Reload(cfg.Guardrail))
	}
	if a.router != nil {
		err = errors.Join(err, a.router.Reload(cfg.RouterConfig()))
	}
	if err != nil {
		a.log.ErrorContext(ctx, "the changed configuration is not used", "err", err)
		return
	}
	a.log.InfoContext(ctx, "the configuration was reloaded", "path", filepath.Clean(a.options.ConfigPath))
}

// AdminKey is the first admin key, if this process runs billing.
func (a *App) AdminKey() secret.String { return a.adminKey }

// HTTPAddr is the address of the HTTP edge, or empty.
func (a *App) HTTPAddr() string {
	if a.httpLis == nil {
		return ""
	}
	return a.httpLis.Addr().String()
}

// GRPCAddr is the address of a service's gRPC server, or empty.
func (a *App) GRPCAddr(service string) string {
	for _, s := range a.servers {
		if s.service == service {
			return s.listener.Addr().String()
		}
	}
	return ""
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
