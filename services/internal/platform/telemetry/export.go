package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exportTimeout bounds one sending.
const exportTimeout = 10 * time.Second

// newTraces also returns the exporter, nil if there is none.
func newTraces(ctx context.Context, cfg Config, target endpoint, res *resource.Resource, processors []sdktrace.SpanProcessor, log *slog.Logger) (*sdktrace.TracerProvider, sdktrace.SpanExporter, error) {
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.SampleRatio))),
	}
	for _, p := range processors {
		opts = append(opts, sdktrace.WithSpanProcessor(p))
	}
	if target.address == "" {
		return sdktrace.NewTracerProvider(opts...), nil, nil
	}
	dial := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(target.address), otlptracegrpc.WithTimeout(exportTimeout)}
	if target.insecure {
		dial = append(dial, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, dial...)
	if err != nil {
		return nil, nil, err
	}
	quiet := &quietSpans{SpanExporter: exporter, failures: failures{log: log, what: "traces"}}
	opts = append(opts, sdktrace.WithBatcher(quiet, sdktrace.WithExportTimeout(exportTimeout)))
	return sdktrace.NewTracerProvider(opts...), quiet, nil
}

func newMetrics(ctx context.Context, cfg Config, target endpoint, res *resource.Resource, registry *prometheus.Registry, service string, log *slog.Logger) (*sdkmetric.MeterProvider, error) {
	// The label keeps the services of one process apart in a shared registry.
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, registry)
	puller, err := otelprometheus.New(otelprometheus.WithRegisterer(labelled), otelprometheus.WithoutTargetInfo(), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	opts := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(puller)}
	if target.address != "" {
		dial := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpoint(target.address), otlpmetricgrpc.WithTimeout(exportTimeout)}
		if target.insecure {
			dial = append(dial, otlpmetricgrpc.WithInsecure())
		}
		exporter, err := otlpmetricgrpc.New(ctx, dial...)
		if err != nil {
			return nil, err
		}
		quiet := &quietMetrics{Exporter: exporter, failures: failures{log: log, what: "metrics"}}
		opts = append(opts, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(quiet,
			sdkmetric.WithInterval(cfg.MetricsInterval.Std()), sdkmetric.WithTimeout(exportTimeout))))
	}
	return sdkmetric.NewMeterProvider(opts...), nil
}

// failures logs that an exporter fails, at most once a minute. The library
// would print every one to standard error.
type failures struct {
	log  *slog.Logger
	what string
	last atomic.Int64
}

func (f *failures) note(ctx context.Context, err error) {
	now, last := time.Now().UnixNano(), f.last.Load()
	if now-last < int64(time.Minute) || !f.last.CompareAndSwap(last, now) {
		return
	}
	f.log.WarnContext(ctx, "telemetry cannot be sent and is dropped", "what", f.what, "err", err)
}

type quietSpans struct {
	sdktrace.SpanExporter
	failures
}

// ExportSpans implements sdktrace.SpanExporter.
func (q *quietSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := q.SpanExporter.ExportSpans(ctx, spans); err != nil {
		q.note(ctx, err)
	}
	return nil
}

type quietMetrics struct {
	sdkmetric.Exporter
	failures
}

// Export implements sdkmetric.Exporter.
func (q *quietMetrics) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	if err := q.Exporter.Export(ctx, data); err != nil {
		q.note(ctx, err)
	}
	return nil
}
