// Package otlptest is an OTLP/gRPC receiver that keeps what it gets, so that
// tests can look at the spans and metrics that would reach a collector.
package otlptest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Span is one received span with the service that sent it.
type Span struct {
	*tracepb.Span
	// Service is the service.name of the sender's resource.
	Service string
}

// Attribute returns the text form of an attribute of the span, or "".
func (s Span) Attribute(key string) string { return attribute(s.Attributes, key) }

// Receiver is a running OTLP receiver.
type Receiver struct {
	collectortrace.UnimplementedTraceServiceServer

	addr    string
	mu      sync.Mutex
	spans   []Span
	metrics map[string][]string // service → metric names
}

// New starts a receiver on a free loopback port; it stops with the test.
func New(tb testing.TB) *Receiver {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &Receiver{addr: lis.Addr().String(), metrics: map[string][]string{}}
	server := grpc.NewServer()
	collectortrace.RegisterTraceServiceServer(server, r)
	collectormetrics.RegisterMetricsServiceServer(server, metricsServer{receiver: r})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(lis) // ends with Stop
	}()
	tb.Cleanup(func() {
		server.Stop()
		<-done
	})
	return r
}

// Endpoint returns the receiver's URL, fit for telemetry.Config.OTLPEndpoint.
func (r *Receiver) Endpoint() string { return "http://" + r.addr }

// Export implements the trace service.
func (r *Receiver) Export(_ context.Context, req *collectortrace.ExportTraceServiceRequest) (*collectortrace.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := attribute(rs.GetResource().GetAttributes(), "service.name")
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans = append(r.spans, Span{Span: s, Service: service})
			}
		}
	}
	return &collectortrace.ExportTraceServiceResponse{}, nil
}

type metricsServer struct {
	collectormetrics.UnimplementedMetricsServiceServer
	receiver *Receiver
}

// Export implements the metrics service.
func (m metricsServer) Export(_ context.Context, req *collectormetrics.ExportMetricsServiceRequest) (*collectormetrics.ExportMetricsServiceResponse, error) {
	r := m.receiver
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range req.GetResourceMetrics() {
		service := attribute(rm.GetResource().GetAttributes(), "service.name")
		for _, sm := range rm.GetScopeMetrics() {
			r.metrics[service] = append(r.metrics[service], names(sm.GetMetrics())...)
		}
	}
	return &collectormetrics.ExportMetricsServiceResponse{}, nil
}

func names(metrics []*metricspb.Metric) []string {
	out := make([]string, 0, len(metrics))
	for _, m := range metrics {
		out = append(out, m.GetName())
	}
	return out
}

// Spans returns what has arrived so far.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// MetricNames returns the names of the metrics that a service has sent.
func (r *Receiver) MetricNames(service string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.metrics[service]...)
}

// WaitSpans waits until the spans satisfy ok, and fails the test with the
// names of what arrived if they do not within five seconds.
func (r *Receiver) WaitSpans(tb testing.TB, ok func([]Span) bool) []Span {
	tb.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		spans := r.Spans()
		if ok(spans) {
			return spans
		}
		if time.Now().After(deadline) {
			var got []string
			for _, s := range spans {
				got = append(got, s.Service+" "+s.Name)
			}
			tb.Fatalf("the awaited spans did not arrive; got:\n%s", strings.Join(got, "\n"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func attribute(attrs []*commonpb.KeyValue, key string) string {
	for _, kv := range attrs {
		if kv.GetKey() != key {
			continue
		}
		if s, ok := kv.GetValue().GetValue().(*commonpb.AnyValue_StringValue); ok {
			return s.StringValue
		}
		return kv.GetValue().String()
	}
	return ""
}
