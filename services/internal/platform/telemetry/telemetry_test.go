package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry/otlptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnv(string) (string, bool) { return "", false }

// everything samples all and serves no metrics.
func everything() telemetry.Config {
	cfg := telemetry.DefaultConfig()
	cfg.SampleRatio, cfg.MetricsAddr = 1, ""
	return cfg
}

func setup(t *testing.T, cfg telemetry.Config, service string, opts ...telemetry.Option) *telemetry.Telemetry {
	t.Helper()
	opts = append([]telemetry.Option{telemetry.WithLookupEnv(noEnv), telemetry.WithLogWriter(io.Discard)}, opts...)
	tel, err := telemetry.Setup(t.Context(), cfg, service, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel
}

// service calls the next one, if there is one, and adds a span of its own.
type service struct {
	testpb.UnimplementedTestServiceServer
	next testpb.TestServiceClient
}

func (s *service) EmptyCall(ctx context.Context, in *testpb.Empty) (out *testpb.Empty, err error) {
	ctx, span := telemetry.Start(ctx, "work", attribute.String("k", "v"))
	defer func() { telemetry.End(span, err) }()
	if s.next == nil {
		return in, nil
	}
	return s.next.EmptyCall(ctx, in)
}

// TestOneTraceAcrossServices: an HTTP request, then one call in process and
// one over the wire, make one trace; each span belongs to its own service.
func TestOneTraceAcrossServices(t *testing.T) {
	collector := otlptest.New(t)
	cfg := everything()
	cfg.OTLPEndpoint = collector.Endpoint()
	router := setup(t, cfg, "tollgate-router")
	guard := setup(t, cfg, "tollgate-guardrail")
	billing := setup(t, cfg, "tollgate-billing")

	// billing, over the wire
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.StatsHandler(billing.ServerHandler()))
	testpb.RegisterTestServiceServer(server, &service{})
	go func() { _ = server.Serve(lis) }() // ends with Stop
	defer server.Stop()
	wire, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(guard.ClientHandler()))
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	// guardrail, in process
	conn := inproc.New(inproc.WithClientStats(router.ClientHandler()), inproc.WithServerStats(guard.ServerHandler()))
	testpb.RegisterTestServiceServer(conn, &service{next: testpb.NewTestServiceClient(wire)})
	// router, over HTTP
	edge := httptest.NewServer(router.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := testpb.NewTestServiceClient(conn).EmptyCall(r.Context(), &testpb.Empty{}); err != nil {
			t.Error(err)
		}
	})))
	defer edge.Close()

	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, edge.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("traceparent", parent)
	resp, err := edge.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for _, tel := range []*telemetry.Telemetry{router, guard, billing} {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	spans := collector.WaitSpans(t, func(s []otlptest.Span) bool { return len(s) == 7 })
	byID := map[string]otlptest.Span{}
	for _, s := range spans {
		byID[string(s.SpanId)] = s
		if got := fmt.Sprintf("%x", s.TraceId); !strings.Contains(parent, got) {
			t.Errorf("%s is in trace %s", s.Name, got)
		}
	}
	var path []string
	for _, s := range spans {
		if s.Service == "tollgate-billing" && s.Name == "work" {
			for ok := true; ok; s, ok = byID[string(s.ParentSpanId)] {
				path = append(path, s.Service+" "+strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))
			}
		}
	}
	want := []string{
		"tollgate-billing INTERNAL", "tollgate-billing SERVER", "tollgate-guardrail CLIENT", "tollgate-guardrail INTERNAL",
		"tollgate-guardrail SERVER", "tollgate-router CLIENT", "tollgate-router SERVER",
	}
	if !slices.Equal(path, want) {
		t.Errorf("path:\n%s", strings.Join(path, "\n"))
	}
	if !slices.Contains(collector.MetricNames("tollgate-billing"), "rpc.server.call.duration") {
		t.Errorf("metrics of billing: %v", collector.MetricNames("tollgate-billing"))
	}
	if trace.SpanContextFromContext(t.Context()).IsValid() || otel.GetTracerProvider() == router.TracerProvider() {
		t.Error("a global was set")
	}
}

func TestEnd(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tel := setup(t, everything(), "s", telemetry.WithSpanProcessor(recorder))
	const inside = "10.0.0.1"
	tests := []struct {
		err         error
		status, typ string
	}{
		{nil, "Unset", ""},
		{fmt.Errorf("read: %w", context.Canceled), "Unset", ""},
		{errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slow").WithCause(errors.New(inside)), "Error", "RATE_LIMITED"},
		{errors.New(inside), "Error", "INTERNAL"},
	}
	for i, tt := range tests {
		ctx, root := tel.Tracer().Start(t.Context(), "root")
		_, span := telemetry.Start(ctx, "child")
		telemetry.End(span, tt.err)
		root.End()
		ended := recorder.Ended()[2*i]
		typ := ""
		for _, kv := range ended.Attributes() {
			if kv.Key == "error.type" {
				typ = kv.Value.AsString()
			}
		}
		if ended.Name() != "child" || ended.Status().Code.String() != tt.status || typ != tt.typ {
			t.Errorf("%v: %s %v %q", tt.err, ended.Name(), ended.Status(), typ)
		}
		if strings.Contains(fmt.Sprint(ended.Status(), ended.Attributes(), ended.Events()), inside) {
			t.Errorf("%v: the inside is in the span", tt.err)
		}
	}
	// Without a span around it nothing breaks.
	_, span := telemetry.Start(t.Context(), "alone")
	telemetry.End(span, errors.New("x"))
}

func TestSampling(t *testing.T) {
	for _, ratio := range []float64{0, 1} {
		recorder := tracetest.NewSpanRecorder()
		cfg := everything()
		cfg.SampleRatio = ratio
		tel := setup(t, cfg, "s", telemetry.WithSpanProcessor(recorder))
		_, span := tel.Tracer().Start(t.Context(), "x")
		span.End()
		if got := len(recorder.Ended()); got != int(ratio) {
			t.Errorf("ratio %v: %d spans", ratio, got)
		}
	}
}

func TestLogCarriesTheTrace(t *testing.T) {
	var buf bytes.Buffer
	tel := setup(t, everything(), "tollgate-rag", telemetry.WithLogWriter(&buf))
	ctx, span := tel.Tracer().Start(t.Context(), "x")
	tel.Log().With("a", 1).InfoContext(ctx, "inside")
	tel.Log().DebugContext(ctx, "too fine")
	span.End()
	tel.Log().InfoContext(t.Context(), "outside")
	var lines []map[string]any
	for dec := json.NewDecoder(&buf); dec.More(); {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	if lines[0]["trace_id"] != span.SpanContext().TraceID().String() || lines[0]["span_id"] != span.SpanContext().SpanID().String() || lines[0]["service"] != "tollgate-rag" {
		t.Errorf("got %v", lines[0])
	}
	if _, ok := lines[1]["trace_id"]; ok {
		t.Errorf("got %v", lines[1])
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %s", resp.StatusCode, err, body)
	}
	return string(body)
}

// TestServicesShareOneMetricsPage: the same metric of two services must not
// clash in the registry that they share.
func TestServicesShareOneMetricsPage(t *testing.T) {
	cfg := everything()
	cfg.MetricsAddr = "127.0.0.1:0"
	first := setup(t, cfg, "tollgate-router")
	second := setup(t, cfg, "tollgate-rag", telemetry.WithRegistry(first.Registry()))
	if second.MetricsAddr() != "" {
		t.Error("both listen")
	}
	for _, tel := range []*telemetry.Telemetry{first, second} {
		counter, err := tel.Meter().Int64Counter("tollgate.requests")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 3)
	}
	page := fetch(t, "http://"+first.MetricsAddr()+"/metrics")
	for _, want := range []string{`tollgate_requests_total{service="tollgate-router"} 3`, `tollgate_requests_total{service="tollgate-rag"} 3`, "go_goroutines"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestDeadCollectorDoesNotBlock: spans are dropped, requests and shutdown are
// not held up.
func TestDeadCollectorDoesNotBlock(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	cfg := everything()
	cfg.OTLPEndpoint = "http://" + lis.Addr().String()
	cfg.MetricsInterval = config.Duration(10 * time.Millisecond)
	var log lockedBuffer
	tel, err := telemetry.Setup(t.Context(), cfg, "s", telemetry.WithLookupEnv(noEnv), telemetry.WithLogWriter(&log))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 10_000 { // several times the queue
		_, span := tel.Tracer().Start(t.Context(), "x")
		span.End()
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("spans took %v", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begin = time.Now()
	if err := tel.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("shutdown took %v", took)
	}
}

func TestEndpointFromEnvironment(t *testing.T) {
	collector := otlptest.New(t)
	env := func(name string) (string, bool) {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return collector.Endpoint(), true
		}
		return "", false
	}
	tel := setup(t, everything(), "s", telemetry.WithLookupEnv(env))
	_, span := tel.Tracer().Start(t.Context(), "from the environment")
	span.End()
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	collector.WaitSpans(t, func(s []otlptest.Span) bool { return len(s) == 1 && s[0].Service == "s" })
}

func TestSetupFails(t *testing.T) {
	cfg := everything()
	cfg.MetricsAddr = "0.0.0.0:0"
	if _, err := telemetry.Setup(t.Context(), cfg, "s", telemetry.WithLookupEnv(noEnv)); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("metrics beyond loopback: %v", err)
	}
	cfg = everything()
	cfg.OTLPEndpoint = "ftp://x"
	if _, err := telemetry.Setup(t.Context(), cfg, "s"); err == nil {
		t.Error("an endpoint that cannot be")
	}
}

func TestConfigValidate(t *testing.T) {
	v := config.NewValidator()
	telemetry.Config{SampleRatio: 2, MetricsAddr: "x", OTLPEndpoint: "ftp://x"}.Validate(v)
	var faults config.Faults
	if err := v.Err(); !errors.As(err, &faults) || len(faults) != 5 {
		t.Errorf("got %v", err)
	}
	for _, endpoint := range []string{"", "localhost:4317", "collector:4317", "http://h", "https://h:1"} {
		v := config.NewValidator()
		cfg := telemetry.DefaultConfig()
		cfg.OTLPEndpoint = endpoint
		cfg.Validate(v)
		if err := v.Err(); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	var cfg telemetry.Config
	if err := config.Parse([]byte("log_level: debug\nlog_format: json\nmetrics_interval: 1s"), noEnv, &cfg); err != nil || cfg.LogLevel != slog.LevelDebug {
		t.Errorf("%v %v", cfg, err)
	}
}

func TestDiscard(t *testing.T) {
	tel := telemetry.Discard()
	ctx, span := tel.Tracer().Start(t.Context(), "x")
	tel.Log().InfoContext(ctx, "x")
	span.End()
	if span.IsRecording() {
		t.Error("records")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLocalCalls: a sampled trace is whole, an unsampled one leaves no span but
// goes on, and both are measured once.
func TestLocalCalls(t *testing.T) {
	for _, tt := range []struct {
		flags string
		spans int
	}{{"01", 4}, {"00", 0}} {
		collector := otlptest.New(t)
		cfg := everything()
		cfg.OTLPEndpoint = collector.Endpoint()
		tel := setup(t, cfg, "tollgate-router")
		conn := inproc.New(inproc.WithClientStats(tel.LocalClientHandler()), inproc.WithServerStats(tel.LocalServerHandler()))
		end := &traced{}
		testpb.RegisterTestServiceServer(conn, end)
		parent := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + tt.flags
		edge := httptest.NewServer(tel.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := testpb.NewTestServiceClient(conn).EmptyCall(r.Context(), &testpb.Empty{}); err != nil {
				t.Error(err)
			}
			if _, err := testpb.NewTestServiceClient(conn).UnaryCall(r.Context(), &testpb.SimpleRequest{}); err == nil {
				t.Error("an unimplemented call succeeds")
			}
		})))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, edge.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("traceparent", parent)
		resp, err := edge.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		edge.Close()
		if got := end.seen.TraceID().String(); !strings.Contains(parent, got) || end.seen.IsSampled() != (tt.spans > 0) {
			t.Errorf("flags %s: the handler is in trace %s, sampled %v", tt.flags, got, end.seen.IsSampled())
		}
		metrics, err := tel.Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]uint64{}
		for _, family := range metrics {
			if family.GetName() != "rpc_server_call_duration_seconds" {
				continue
			}
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "rpc_response_status_code" {
						counts[l.GetValue()] += m.GetHistogram().GetSampleCount()
					}
				}
			}
		}
		if counts["OK"] != 1 || counts["UNIMPLEMENTED"] != 1 || len(counts) != 2 {
			t.Errorf("flags %s: measured %v", tt.flags, counts)
		}
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if tt.spans > 0 { // an edge, two client sides, a server side and one's own at least
			collector.WaitSpans(t, func(s []otlptest.Span) bool { return len(s) > tt.spans })
		} else if got := collector.Spans(); len(got) != 0 {
			t.Errorf("an unsampled trace left %d spans", len(got))
		}
	}
}

// traced notes the trace that it is called in.
type traced struct {
	testpb.UnimplementedTestServiceServer
	seen trace.SpanContext
}

func (s *traced) EmptyCall(ctx context.Context, in *testpb.Empty) (_ *testpb.Empty, err error) {
	ctx, span := telemetry.Start(ctx, "work", attribute.String("k", "v"))
	defer func() { telemetry.End(span, err) }()
	s.seen = trace.SpanContextFromContext(ctx)
	return in, nil
}

func BenchmarkUnaryLocalUnsampled(b *testing.B) {
	cfg := telemetry.DefaultConfig()
	cfg.MetricsAddr = ""
	tel, err := telemetry.Setup(b.Context(), cfg, "s", telemetry.WithLookupEnv(noEnv))
	if err != nil {
		b.Fatal(err)
	}
	conn := inproc.New(inproc.WithClientStats(tel.LocalClientHandler()), inproc.WithServerStats(tel.LocalServerHandler()))
	testpb.RegisterTestServiceServer(conn, &service{})
	client := testpb.NewTestServiceClient(conn)
	ctx := trace.ContextWithSpanContext(b.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLocalCallAllocations keeps a call within the process cheap where nobody
// samples it.
func TestLocalCallAllocations(t *testing.T) {
	cfg := telemetry.DefaultConfig()
	cfg.MetricsAddr = ""
	tel := setup(t, cfg, "s")
	conn := inproc.New(inproc.WithClientStats(tel.LocalClientHandler()), inproc.WithServerStats(tel.LocalServerHandler()))
	testpb.RegisterTestServiceServer(conn, &service{})
	client := testpb.NewTestServiceClient(conn)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	got := testing.AllocsPerRun(500, func() {
		if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			t.Error(err)
		}
	})
	if got > 32 {
		t.Errorf("%.0f allocations, at most 32", got)
	}
}
