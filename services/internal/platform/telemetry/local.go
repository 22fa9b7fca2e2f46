package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/internal/platform/inproc"
)

// Calls within a process are many and short, and most belong to traces that
// nobody samples. Of those the handlers below pass the trace on and build
// nothing: no span, no attributes. Their duration is measured once, by the
// serving side, under the names that calls over the wire have.

// LocalServerHandler is ServerHandler for calls from within the process.
func (t *Telemetry) LocalServerHandler() stats.Handler {
	meter := t.metrics.Meter(otelgrpc.ScopeName, // the same instrument as over the wire
		metric.WithInstrumentationVersion(otelgrpc.Version), metric.WithSchemaURL(semconv.SchemaURL))
	duration, err := rpcconv.NewServerCallDuration(meter, metric.WithExplicitBucketBoundaries(
		0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	if err != nil {
		t.log.Warn("calls within the process are not measured", "err", err)
	}
	return &localServer{Handler: otelgrpc.NewServerHandler(t.localOptions()...), duration: duration.Inst()}
}

// LocalClientHandler is ClientHandler for calls within the process.
func (t *Telemetry) LocalClientHandler() stats.Handler {
	return &localClient{otelgrpc.NewClientHandler(t.localOptions()...)}
}

func (t *Telemetry) localOptions() []otelgrpc.Option {
	return append(t.grpcOptions(), otelgrpc.WithMeterProvider(noopmetric.NewMeterProvider()))
}

// unsampled says that ctx belongs to a trace of which nothing is kept. A call
// that belongs to no trace yet is not among them: it may begin one.
func unsampled(ctx context.Context) bool {
	span := trace.SpanFromContext(ctx)
	return !span.IsRecording() && span.SpanContext().IsValid() && !span.SpanContext().IsSampled()
}

type localClient struct{ stats.Handler }

// skipped marks calls that HandleRPC has nothing to do for, and is the key under
// which their trace crosses.
type skipped struct{}

// TagRPC implements stats.Handler.
func (h *localClient) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if !unsampled(ctx) {
		return h.Handler.TagRPC(ctx, info)
	}
	return context.WithValue(inproc.Hand(ctx, skipped{}, trace.SpanContextFromContext(ctx)), skipped{}, h)
}

// HandleRPC implements stats.Handler.
func (h *localClient) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(skipped{}) != h {
		h.Handler.HandleRPC(ctx, s)
	}
}

type localServer struct {
	stats.Handler
	duration metric.Float64Histogram // nil if it cannot be made
	succeeds sync.Map                // method → metric.MeasurementOption; methods that succeed are ours
}

// served is what a call is known by until its end.
type served struct {
	method  string
	skipped bool
}

// TagRPC implements stats.Handler.
func (h *localServer) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	call := &served{method: info.FullMethodName}
	parent, skip := inproc.Handed(ctx, skipped{}).(trace.SpanContext)
	if !skip {
		return h.Handler.TagRPC(context.WithValue(ctx, h, call), info)
	}
	call.skipped = true
	return context.WithValue(trace.ContextWithRemoteSpanContext(ctx, parent), h, call)
}

// HandleRPC implements stats.Handler.
func (h *localServer) HandleRPC(ctx context.Context, s stats.RPCStats) {
	call, _ := ctx.Value(h).(*served)
	if call == nil {
		return
	}
	if !call.skipped {
		h.Handler.HandleRPC(ctx, s)
	}
	if end, ok := s.(*stats.End); ok && h.duration != nil {
		h.duration.Record(ctx, float64(end.EndTime.Sub(end.BeginTime))/float64(time.Second), h.attributes(call.method, status.Code(end.Error)))
	}
}

func (h *localServer) attributes(method string, c codes.Code) metric.MeasurementOption {
	if known, ok := h.succeeds.Load(method); ok && c == codes.OK {
		return known.(metric.MeasurementOption)
	}
	attrs := []attribute.KeyValue{
		semconv.RPCMethod(method[1:]), semconv.RPCSystemNameGRPC, semconv.RPCResponseStatusCode(code.Code(c).String()),
	}
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		attrs = append(attrs, semconv.ErrorTypeKey.String(code.Code(c).String()))
	}
	made := metric.WithAttributeSet(attribute.NewSet(attrs...))
	if c == codes.OK {
		h.succeeds.Store(method, made)
	}
	return made
}
