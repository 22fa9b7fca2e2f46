package router

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a provider that says the last text back, word by word.
type echo struct{ target provider.Target }

func (e echo) Generate(_ context.Context, r *provider.Request) (*provider.Answer, error) {
	return &provider.Answer{Completion: &llmv1.Completion{
		Id: "1", Model: r.Model, Usage: &llmv1.Usage{InputTokens: 3, OutputTokens: 2},
		Candidates: []*llmv1.Candidate{{Message: &llmv1.Message{Parts: []*llmv1.Part{text(e.say(r))}}}},
	}}, nil
}

func (e echo) say(r *provider.Request) string {
	parts := r.Conversation.Messages[len(r.Conversation.Messages)-1].Parts
	return parts[0].GetText().GetText()
}

func (e echo) Stream(_ context.Context, r *provider.Request) (stream.Reader, error) {
	return &echoReader{words: strings.SplitAfter(e.say(r), " ")}, nil
}

func (e echo) Embed(_ context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	out := &provider.Embeddings{Model: r.Model, Usage: &llmv1.Usage{InputTokens: 1}}
	for range r.Inputs {
		out.Vectors = append(out.Vectors, []float32{1, 2})
	}
	return out, nil
}

type echoReader struct {
	words []string
	ended bool
}

func (r *echoReader) Next() (*stream.Chunk, error) {
	if len(r.words) > 0 {
		word := r.words[0]
		r.words = r.words[1:]
		return &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte(word)}}}, nil
	}
	if r.ended {
		return nil, io.EOF
	}
	r.ended = true
	return &stream.Chunk{Events: []stream.Event{
		{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 3, OutputTokens: 2}}, {Kind: stream.Finish},
	}}, nil
}

func (*echoReader) Close() error { return nil }

func text(s string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}
}

// peers are the other services, faked behind their real contracts.
type peers struct {
	billingv1.UnimplementedBillingServiceServer
	guardrailv1.UnimplementedGuardrailServiceServer
	ragv1.UnimplementedRagServiceServer

	mu      sync.Mutex
	records []*billingv1.UsageRecord
	holds   []*billingv1.CreateHoldRequest
}

func (p *peers) CreateHold(ctx context.Context, r *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = append(p.holds, proto.Clone(r).(*billingv1.CreateHoldRequest))
	return &billingv1.CreateHoldResponse{Name: "holds/" + r.GetRequestId()}, nil
}

func (p *peers) PriceUsage(_ context.Context, r *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	if perToken, ok := map[string]int64{"cheap": 10, "dear": 1000}[r.GetPricedModel().GetModel()]; ok {
		return &billingv1.PriceUsageResponse{CostNanousd: perToken * (r.GetUsage().GetInputTokens() + r.GetUsage().GetOutputTokens())}, nil
	}
	return &billingv1.PriceUsageResponse{CostNanousd: 42}, nil
}

func (p *peers) RecordUsage(s grpc.BidiStreamingServer[billingv1.RecordUsageRequest, billingv1.RecordUsageResponse]) error {
	for {
		r, err := s.Recv()
		if err != nil {
			return nil
		}
		p.mu.Lock()
		p.records = append(p.records, proto.Clone(r.GetRecord()).(*billingv1.UsageRecord))
		p.mu.Unlock()
		if err := s.Send(&billingv1.RecordUsageResponse{
			RequestId: r.GetRecord().GetRequestId(),
			Attempt:   r.GetRecord().GetAttempt(), Status: billingv1.RecordUsageResponse_STATUS_COMMITTED,
		}); err != nil {
			return err
		}
	}
}

func (p *peers) GetPolicy(_ context.Context, r *guardrailv1.GetPolicyRequest) (*guardrailv1.GetPolicyResponse, error) {
	if r.GetName() != "policies/default" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "")
	}
	return &guardrailv1.GetPolicyResponse{Policy: &guardrailv1.Policy{Rules: []*guardrailv1.Rule{{Check: "secrets"}}}}, nil
}

func (p *peers) Check(_ context.Context, r *guardrailv1.CheckRequest) (*guardrailv1.CheckResponse, error) {
	out := &guardrailv1.CheckResponse{Verdict: guardrailv1.Verdict_VERDICT_ALLOWED}
	for i, c := range r.GetContents() {
		if strings.Contains(c.GetText(), "secret") {
			out.Revisions = append(out.Revisions, &guardrailv1.CheckResponse_Revision{
				ContentIndex: int32(i), Text: strings.ReplaceAll(c.GetText(), "secret", "[X]"),
			})
		}
	}
	return out, nil
}

func (p *peers) CheckStream(s grpc.BidiStreamingServer[guardrailv1.CheckStreamRequest, guardrailv1.CheckStreamResponse]) error {
	for {
		r, err := s.Recv()
		if err != nil {
			return nil
		}
		if err := s.Send(&guardrailv1.CheckStreamResponse{
			Released: strings.ToUpper(r.GetDelta().GetText()), Verdict: guardrailv1.Verdict_VERDICT_ALLOWED,
		}); err != nil {
			return err
		}
	}
}

func (p *peers) Enrich(context.Context, *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error) {
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "no such collection")
}

func (p *peers) recorded() []*billingv1.UsageRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*billingv1.UsageRecord(nil), p.records...)
}

var echoes = map[string]provider.Factory{
	"echo":    func(t provider.Target) (provider.Adapter, error) { return echo{t}, nil },
	"builtin": func(t provider.Target) (provider.Adapter, error) { return echo{t}, nil },
}

func start(t *testing.T, cfg Config) (*Service, routerv1.RouterServiceClient, *peers) {
	t.Helper()
	p := &peers{}
	other := inproc.New()
	billingv1.RegisterBillingServiceServer(other, p)
	guardrailv1.RegisterGuardrailServiceServer(other, p)
	ragv1.RegisterRagServiceServer(other, p)
	s, err := New(context.Background(), cfg, Dependencies{
		Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(),
		Billing: other, Guardrail: other, Rag: other, Adapters: echoes,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	principal := &auth.Principal{Organization: "o", Key: "k", Roles: []string{auth.RoleAdmin}}
	own := inproc.New(
		inproc.WithUnaryServerInterceptors(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(auth.NewContext(ctx, principal), r)
		}),
		inproc.WithStreamServerInterceptors(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return h(srv, called{ss, auth.NewContext(ss.Context(), principal)})
		}))
	s.Register(own)
	return s, routerv1.NewRouterServiceClient(own), p
}

type called struct {
	grpc.ServerStream
	ctx context.Context
}

func (c called) Context() context.Context { return c.ctx }

func conversation(model, prompt string) *llmv1.Conversation {
	return &llmv1.Conversation{Model: model, Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{text(prompt)}}}}
}

func TestGenerateThroughAllPeers(t *testing.T) {
	s, client, p := start(t, DefaultConfig())
	got, err := client.Generate(context.Background(), &routerv1.GenerateRequest{Conversation: conversation("any", "a secret word")})
	if err != nil {
		t.Fatal(err)
	}
	if said := got.Completion.Candidates[0].Message.Parts[0].GetText().GetText(); said != "a [X] word" {
		t.Errorf("said %q", said)
	}
	if got.Report.Target != "builtin" || got.Report.CostNanousd != 42 || !strings.HasPrefix(got.Report.RequestId, "req_") {
		t.Errorf("report %v", got.Report)
	}
	if err := s.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	records := p.recorded()
	if len(records) != 1 || records[0].RequestId != got.Report.RequestId || records[0].Hold != "holds/"+got.Report.RequestId ||
		records[0].Usage.InputTokens != 3 || records[0].Scopes.Key != "keys/k" {
		t.Errorf("records %v", records)
	}
}

func TestStreamThroughAllPeers(t *testing.T) {
	_, client, p := start(t, DefaultConfig())
	s, err := client.StreamGenerate(context.Background(), &routerv1.StreamGenerateRequest{Conversation: conversation("any", "one two three")})
	if err != nil {
		t.Fatal(err)
	}
	var said string
	var last *routerv1.StreamGenerateResponse
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && last.Report != nil {
			t.Error("an event follows the report")
		}
		last = r
		said += r.GetEvent().GetTextDelta()
	}
	if said != "ONE TWO THREE" || last.GetReport().GetCostNanousd() != 42 || last.GetEvent().GetFinish() == nil {
		t.Errorf("said %q, last %v", said, last)
	}
	if len(p.holds) != 1 {
		t.Errorf("%d holds", len(p.holds))
	}
}

func TestStreamErrorBeforeContentIsAStatus(t *testing.T) {
	_, client, _ := start(t, DefaultConfig())
	s, err := client.StreamGenerate(context.Background(), &routerv1.StreamGenerateRequest{Conversation: conversation("", "x")})
	if err == nil {
		_, err = s.Recv()
	}
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
		t.Errorf("%v", err)
	}
}

func TestReload(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{{Name: "one", Provider: "echo", Models: provider.NewModels("*"), BaseURL: "http://echo"}}
	cfg.Routes = nil
	s, client, _ := start(t, cfg)
	if err := s.Reload(Config{Targets: []Target{{Name: "two", Provider: "nobody"}}}); err == nil {
		t.Error("a faulty configuration was taken")
	}
	answeredBy := func() string {
		got, err := client.Generate(context.Background(), &routerv1.GenerateRequest{Conversation: conversation("m", "x")})
		if err != nil {
			t.Fatal(err)
		}
		return got.Report.Target
	}
	if by := answeredBy(); by != "one" {
		t.Errorf("after a faulty reload %s answers", by)
	}
	before := s.pipeline.World().Targets[0]
	cfg.Targets = append(cfg.Targets, Target{Name: "builtin", Provider: "builtin", Models: provider.NewModels("*")})
	cfg.Routes = []Route{{Model: "*", Targets: DefaultConfig().Routes[0].Targets}}
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if by := answeredBy(); by != "builtin" {
		t.Errorf("after the reload %s answers", by)
	}
	if s.pipeline.World().Targets[0].Monitors != before.Monitors {
		t.Error("a target's health was forgotten")
	}
}

func TestCatalogOverGRPC(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{
		{Name: "b", Provider: "echo", Models: provider.NewModels("m1", "m2", "m3")},
		{Name: "a", Provider: "echo", Models: provider.NewModels("m2")},
	}
	cfg.Routes = nil
	_, client, _ := start(t, cfg)
	ctx := context.Background()
	var ids []string
	for token := ""; ; {
		page, err := client.ListModels(ctx, &routerv1.ListModelsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.GetModels() {
			ids = append(ids, m.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "m1 m2 m3" {
		t.Errorf("models %s", got)
	}
	targets, err := client.ListTargets(ctx, &routerv1.ListTargetsRequest{})
	if err != nil || len(targets.GetTargets()) != 2 || targets.GetTargets()[0].GetName() != "a" {
		t.Errorf("targets %v, %v", targets, err)
	}
	decision, err := client.ExplainRoute(ctx, &routerv1.ExplainRouteRequest{Conversation: conversation("m1", "x")})
	if err != nil || len(decision.GetDecision().GetCandidates()) != 2 || !decision.GetDecision().GetCandidates()[1].GetRejected() {
		t.Errorf("decision %v, %v", decision, err)
	}
	vectors, err := client.Embed(ctx, &routerv1.EmbedRequest{Model: "m1", Inputs: []string{"x", "y"}})
	if err != nil || len(vectors.GetEmbeddings()) != 2 || vectors.GetEmbeddings()[1].GetIndex() != 1 {
		t.Errorf("vectors %v, %v", vectors, err)
	}
	if _, err := client.ListModels(ctx, &routerv1.ListModelsRequest{PageToken: "%"}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
		t.Errorf("a broken token: %v", err)
	}
}

func TestConfigDefaultsAreValid(t *testing.T) {
	v := config.NewValidator()
	c := DefaultConfig()
	c.Validate(v.At("router"))
	c.ValidateTargets(v)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}

func TestConfigFaults(t *testing.T) {
	c := DefaultConfig()
	c.GuardrailUnavailable, c.Attempts.Max, c.Spool.MaxBytes, c.RequestTimeout = "maybe", 0, 1, 0
	c.Limits.OutputTokens, c.Limits.InputMarginPercent = 0, -1
	c.Targets = append(c.Targets, Target{Name: "builtin", Provider: "nobody"})
	c.Routes = append(c.Routes, Route{Model: "x", Targets: c.Routes[0].Targets}, Route{})
	v := config.NewValidator()
	c.Validate(v.At("router"))
	c.ValidateTargets(v)
	got := v.Err().Error()
	for _, path := range []string{
		"router.guardrail_unavailable", "router.attempts.max", "router.spool.max_bytes", "router.request_timeout",
		"router.limits.output_tokens", "router.limits.input_margin_percent",
		"targets[1].provider", "targets[1].models", "targets[1].name", "routes[2].model", "routes[2].targets",
	} {
		if !strings.Contains(got, path+":") {
			t.Errorf("not reported: %s", path)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestWithoutBilling(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Spool.DrainTimeout = config.Duration(10 * time.Millisecond)
	dir := t.TempDir()
	s, err := New(context.Background(), cfg, Dependencies{Log: slog.New(slog.DiscardHandler), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
