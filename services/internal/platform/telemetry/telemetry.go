// Package telemetry gives each service its traces, metrics and log. Nothing
// global is set: several services in one process each have their own
// Telemetry, with their own resource, and pass it through constructors.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
)

// scope names the instrumentation of Tollgate itself.
const scope = "github.com/tollgate/tollgate"

// Option tunes Setup.
type Option func(*settings)

type settings struct {
	processors []sdktrace.SpanProcessor
	registry   *prometheus.Registry
	logWriter  io.Writer
	version    string
	lookupEnv  func(string) (string, bool)
}

// WithSpanProcessor adds a receiver of spans besides the exporter.
func WithSpanProcessor(p sdktrace.SpanProcessor) Option {
	return func(s *settings) { s.processors = append(s.processors, p) }
}

// WithRegistry shares the registry of another Telemetry of the process. The
// metrics of both are then served where the other serves its own; this one
// does not listen.
func WithRegistry(r *prometheus.Registry) Option { return func(s *settings) { s.registry = r } }

// WithLogWriter sends the log elsewhere than to standard error.
func WithLogWriter(w io.Writer) Option { return func(s *settings) { s.logWriter = w } }

// WithVersion sets the service.version of the resource.
func WithVersion(v string) Option { return func(s *settings) { s.version = v } }

// WithLookupEnv replaces os.LookupEnv.
func WithLookupEnv(f func(string) (string, bool)) Option {
	return func(s *settings) { s.lookupEnv = f }
}

// Telemetry is the handle of one service.
type Telemetry struct {
	service  string
	log      *slog.Logger
	traces   *sdktrace.TracerProvider
	exporter sdktrace.SpanExporter // nil without an endpoint
	metrics  *sdkmetric.MeterProvider
	registry *prometheus.Registry
	server   *metricsServer

	shutdownOnce sync.Once
	shutdownErr  error
}

// propagator carries W3C traceparent and tracestate.
var propagator = propagation.TraceContext{}

// Setup builds the telemetry of one service, named as in service.name, such
// as tollgate-router. An endpoint that cannot be reached is no error, then or
// later: spans are dropped and the log says so now and then. Shut it down to
// flush.
func Setup(ctx context.Context, cfg Config, service string, opts ...Option) (*Telemetry, error) {
	s := settings{logWriter: os.Stderr, lookupEnv: os.LookupEnv}
	for _, o := range opts {
		o(&s)
	}
	if cfg.OTLPEndpoint == "" {
		cfg.OTLPEndpoint, _ = s.lookupEnv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	target, ok := parseEndpoint(cfg.OTLPEndpoint)
	if !ok {
		return nil, errors.New("set up telemetry: the OTLP endpoint is neither host:port nor a URL")
	}
	t := &Telemetry{service: service, log: newLogger(cfg, s.logWriter, service), registry: s.registry}
	quietenLibrary(t.log)
	res, err := newResource(ctx, service, s.version)
	if err != nil {
		return nil, fmt.Errorf("set up telemetry: %w", err)
	}
	if t.registry == nil {
		t.registry = prometheus.NewRegistry()
		t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if t.traces, t.exporter, err = newTraces(ctx, cfg, target, res, s.processors, t.log); err != nil {
		return nil, fmt.Errorf("set up traces: %w", err)
	}
	if t.metrics, err = newMetrics(ctx, cfg, target, res, t.registry, service, t.log); err != nil {
		return nil, errors.Join(fmt.Errorf("set up metrics: %w", err), t.Shutdown(ctx))
	}
	if s.registry == nil && cfg.MetricsAddr != "" {
		if t.server, err = serveMetrics(ctx, cfg, t.registry, t.log); err != nil {
			return nil, errors.Join(fmt.Errorf("serve metrics: %w", err), t.Shutdown(ctx))
		}
	}
	return t, nil
}

var libraryErrors sync.Once

// quietenLibrary sends errors that the library can only report globally to
// the log of the first service, instead of past all logs to standard error.
func quietenLibrary(log *slog.Logger) {
	libraryErrors.Do(func() {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("telemetry library", "err", err) }))
	})
}

// newResource lets the environment add attributes, but not rename services:
// several share one process.
func newResource(ctx context.Context, service, version string) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", service),
		attribute.String("service.namespace", "tollgate"),
	}
	if version != "" {
		attrs = append(attrs, attribute.String("service.version", version))
	}
	return resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithAttributes(attrs...))
}

// Discard is a Telemetry that records nothing and logs nowhere, for tests.
func Discard() *Telemetry {
	return &Telemetry{
		log:      slog.New(slog.DiscardHandler),
		traces:   sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
		metrics:  sdkmetric.NewMeterProvider(),
		registry: prometheus.NewRegistry(),
	}
}

// Service returns the service.name.
func (t *Telemetry) Service() string { return t.service }

// Log returns the service's logger. Use its Context methods: they add
// trace_id and span_id.
func (t *Telemetry) Log() *slog.Logger { return t.log }

// Tracer returns the tracer for spans that begin a trace. Inside a request
// use Start.
func (t *Telemetry) Tracer() trace.Tracer { return t.traces.Tracer(scope) }

// TracerProvider returns the provider, for libraries that take one.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.traces }

// Meter returns the meter for the service's own metrics.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.Meter(scope) }

// MeterProvider returns the provider, for libraries that take one.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.metrics }

// Registry returns the Prometheus registry that holds the metrics.
func (t *Telemetry) Registry() *prometheus.Registry { return t.registry }

// MetricsAddr returns the address that /metrics is served on, or "".
func (t *Telemetry) MetricsAddr() string {
	if t.server == nil {
		return ""
	}
	return t.server.addr
}

func (t *Telemetry) grpcOptions() []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(t.traces),
		otelgrpc.WithMeterProvider(t.metrics),
		otelgrpc.WithPropagators(propagator),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	}
}

// ServerHandler traces and measures the RPCs that the service answers.
func (t *Telemetry) ServerHandler() stats.Handler {
	return otelgrpc.NewServerHandler(t.grpcOptions()...)
}

// ClientHandler traces and measures the RPCs that the service makes, and
// sends the trace context along.
func (t *Telemetry) ClientHandler() stats.Handler {
	return otelgrpc.NewClientHandler(t.grpcOptions()...)
}

func (t *Telemetry) httpOptions() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(t.traces),
		otelhttp.WithMeterProvider(t.metrics),
		otelhttp.WithPropagators(propagator),
	}
}

// Middleware traces and measures HTTP requests.
func (t *Telemetry) Middleware(next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, "http", t.httpOptions()...)
}

// Transport traces and measures HTTP requests to others. Trace context is
// sent along: use it for our own services, not for providers.
func (t *Telemetry) Transport(base http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(base, t.httpOptions()...)
}

// shutdownLimit bounds the last flush; a dead collector must not hold up the
// end of the process.
const shutdownLimit = 5 * time.Second

// Shutdown flushes and stops, in at most five seconds. What could not be sent
// is lost, and no error. Further calls return what the first did.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.shutdownOnce.Do(func() { t.shutdownErr = t.shutdown(ctx) })
	return t.shutdownErr
}

func (t *Telemetry) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	var err error
	if t.server != nil {
		err = t.server.shutdown(ctx)
	}
	for _, stop := range []func(context.Context) error{t.shutdownTraces, t.shutdownMetrics} {
		if stopErr := stop(ctx); stopErr != nil && !errors.Is(stopErr, context.DeadlineExceeded) {
			err = errors.Join(err, stopErr)
		}
	}
	return err
}

// shutdownTraces breaks off a sending that outlasts ctx: the provider would
// leave it running behind.
func (t *Telemetry) shutdownTraces(ctx context.Context) error {
	err := t.traces.Shutdown(ctx)
	if err != nil && t.exporter != nil {
		err = t.exporter.Shutdown(ctx)
	}
	return err
}

func (t *Telemetry) shutdownMetrics(ctx context.Context) error {
	if t.metrics == nil {
		return nil
	}
	return t.metrics.Shutdown(ctx)
}
