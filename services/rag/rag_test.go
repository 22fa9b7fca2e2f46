package rag

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ctxOf(t testing.TB, org string, roles ...string) context.Context {
	t.Helper()
	if roles == nil {
		roles = []string{auth.RoleAdmin}
	}
	return auth.NewContext(context.Background(), &auth.Principal{Organization: org, Team: "keepers", Roles: roles})
}

// connect serves as the process does: the caller is forwarded under the
// internal token, requests are validated, errors mapped.
func connect(t testing.TB, s *Service, opts ...inproc.Option) ragv1.RagServiceClient {
	t.Helper()
	token := secret.New(strings.Repeat("t", 40))
	chain, err := grpcserver.NewChain(grpcserver.Dependencies{
		Auth: auth.NewAuthenticator(nil, auth.Options{InternalToken: token}),
	})
	if err != nil {
		t.Fatal(err)
	}
	out := auth.OutgoingPrincipal(token)
	conn := inproc.New(append([]inproc.Option{
		inproc.WithUnaryServerInterceptors(chain.Unary...), inproc.WithStreamServerInterceptors(chain.Stream...),
		inproc.WithUnaryClientInterceptors(out.Unary), inproc.WithStreamClientInterceptors(out.Stream),
	}, opts...)...)
	s.Register(conn)
	return ragv1.NewRagServiceClient(conn)
}

func start(t testing.TB, dir string) *Service {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Embedded.Sync = "never"
	s, err := New(context.Background(), cfg, Dependencies{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serve(t testing.TB, opts ...inproc.Option) ragv1.RagServiceClient {
	t.Helper()
	s := start(t, t.TempDir())
	t.Cleanup(func() { shut(t, s) })
	return connect(t, s, opts...)
}

func shut(t testing.TB, s *Service) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

type document struct{ name, content string }

// send streams documents, each in pieces of seven bytes.
func send(ctx context.Context, c ragv1.RagServiceClient, docs ...document) (*ragv1.IngestResponse, error) {
	stream, err := c.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		steps := []*ragv1.IngestRequest{{Step: &ragv1.IngestRequest_Header_{
			Header: &ragv1.IngestRequest_Header{Name: d.name, Uri: "file:///" + d.name},
		}}}
		for rest := []byte(d.content); len(rest) > 0; {
			n := min(7, len(rest))
			steps = append(steps, &ragv1.IngestRequest{Step: &ragv1.IngestRequest_Content{Content: rest[:n]}})
			rest = rest[n:]
		}
		for _, s := range steps {
			if stream.Send(s) != nil {
				break // the answer says why
			}
		}
	}
	return stream.CloseAndRecv()
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantReason(t testing.TB, what string, err error, want llmv1.ErrorReason) {
	t.Helper()
	if got := errs.From(err).Reason; err == nil || got != want {
		t.Errorf("%s: %v (%v), want %v", what, got, err, want)
	}
}

var zoo = []document{
	{"collections/zoo/documents/tigers.md", "# Tigers\n\nA tiger eats nine kilos of meat a day.\n"},
	{"collections/zoo/documents/lions.html", "<title>Lions</title><p>A lion sleeps <b>twenty hours</b> a day.</p>"},
	{"collections/rules/documents/visit.txt", "Visitors may not feed a tiger."},
}

func user(texts ...string) []*llmv1.Message {
	var out []*llmv1.Message
	for _, t := range texts {
		out = append(out, &llmv1.Message{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: t}}}}})
	}
	return out
}

func TestFromIngestToContext(t *testing.T) {
	c, ctx := serve(t), ctxOf(t, "o")
	results := must[*ragv1.IngestResponse](t)(send(ctx, c, append(zoo, document{"collections/zoo/documents/empty.txt", " "})...)).GetResults()
	if len(results) != 4 {
		t.Fatalf("results %v", results)
	}
	for i, r := range results[:3] {
		d := r.GetDocument()
		if r.GetOutcome() != ragv1.IngestResponse_Result_OUTCOME_CREATED || d.GetName() != zoo[i].name || d.GetChunkCount() != 1 || d.GetSizeBytes() != int64(len(zoo[i].content)) {
			t.Errorf("result %v", r)
		}
	}
	if r := results[3]; r.GetOutcome() != ragv1.IngestResponse_Result_OUTCOME_FAILED || !strings.Contains(r.GetFailure(), "no text") {
		t.Errorf("result %v", r)
	}

	found := must[*ragv1.RetrieveResponse](t)(c.Retrieve(ctx, &ragv1.RetrieveRequest{Query: "How long does a lion sleep?"})).GetPassages()
	if len(found) != 1 || found[0].GetText() != "A lion sleeps twenty hours a day." || found[0].GetTitle() != "Lions" || found[0].GetUri() == "" {
		t.Errorf("passages %v", found)
	}
	if s := zoo[1].content[found[0].GetStartByte():found[0].GetEndByte()]; s != "A lion sleeps <b>twenty hours</b> a day." {
		t.Errorf("span %q", s)
	}

	got := must[*ragv1.EnrichResponse](t)(c.Enrich(ctx, &ragv1.EnrichRequest{
		Messages: user("How much meat does a tiger eat?"), Collections: []string{"collections/zoo"}, MaxTokens: 300,
	}))
	if len(got.GetPassages()) != 1 || len(got.GetCitations()) != 1 || !strings.Contains(got.GetContext(), "nine kilos") || got.GetTokens() < 50 || got.GetTokens() > 300 {
		t.Fatalf("context %v", got)
	}
	if cite := got.GetCitations()[0]; cite.GetMarker() != "1" || cite.GetDocument() != zoo[0].name ||
		zoo[0].content[cite.GetStartByte():cite.GetEndByte()] != got.GetPassages()[0].GetText() {
		t.Errorf("citation %v", cite)
	}

	if _, err := c.DeleteDocument(ctx, &ragv1.DeleteDocumentRequest{Name: zoo[0].name}); err != nil {
		t.Fatal(err)
	}
	if found := must[*ragv1.RetrieveResponse](t)(c.Retrieve(ctx, &ragv1.RetrieveRequest{Query: "nine kilos of meat"})).GetPassages(); len(found) != 0 {
		t.Errorf("found after deletion: %v", found)
	}
}

func TestDocumentsSurviveARestart(t *testing.T) {
	dir, ctx := t.TempDir(), ctxOf(t, "o")
	s := start(t, dir)
	must[*ragv1.IngestResponse](t)(send(ctx, connect(t, s), zoo...))
	shut(t, s)
	s = start(t, dir)
	defer shut(t, s)
	c := connect(t, s)
	if found := must[*ragv1.RetrieveResponse](t)(c.Retrieve(ctx, &ragv1.RetrieveRequest{Query: "tiger"})).GetPassages(); len(found) != 2 {
		t.Errorf("passages %v", found)
	}
	again := must[*ragv1.IngestResponse](t)(send(ctx, c, zoo...))
	for _, r := range again.GetResults() {
		if r.GetOutcome() != ragv1.IngestResponse_Result_OUTCOME_UNCHANGED {
			t.Errorf("result %v", r)
		}
	}
	if err := s.Ready(ctx); err != nil {
		t.Error(err)
	}
}

func TestCollectionsAndPages(t *testing.T) {
	c, ctx := serve(t), ctxOf(t, "o")
	for _, n := range []string{"c", "a", "b"} {
		must[*ragv1.CreateCollectionResponse](t)(c.CreateCollection(ctx, &ragv1.CreateCollectionRequest{Collection: &ragv1.Collection{Name: "collections/" + n}}))
	}
	_, err := c.CreateCollection(ctx, &ragv1.CreateCollectionRequest{Collection: &ragv1.Collection{Name: "collections/a"}})
	wantReason(t, "again", err, llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS)
	var names []string
	token := ""
	for {
		r := must[*ragv1.ListCollectionsResponse](t)(c.ListCollections(ctx, &ragv1.ListCollectionsRequest{PageSize: 2, PageToken: token}))
		for _, x := range r.GetCollections() {
			names = append(names, x.GetName())
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "collections/a collections/b collections/c" {
		t.Errorf("listed %s", got)
	}
	_, err = c.ListCollections(ctx, &ragv1.ListCollectionsRequest{PageToken: "%"})
	wantReason(t, "token", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	must[*ragv1.IngestResponse](t)(send(ctx, c, zoo...))
	got := must[*ragv1.GetCollectionResponse](t)(c.GetCollection(ctx, &ragv1.GetCollectionRequest{Name: "collections/zoo"})).GetCollection()
	if got.GetDocumentCount() != 2 || got.GetChunkCount() != 2 || got.GetCreateTime() == nil {
		t.Errorf("collection %v", got)
	}
	first := must[*ragv1.ListDocumentsResponse](t)(c.ListDocuments(ctx, &ragv1.ListDocumentsRequest{Parent: "collections/zoo", PageSize: 1}))
	second := must[*ragv1.ListDocumentsResponse](t)(c.ListDocuments(ctx, &ragv1.ListDocumentsRequest{Parent: "collections/zoo", PageSize: 1, PageToken: first.GetNextPageToken()}))
	if len(first.GetDocuments()) != 1 || len(second.GetDocuments()) != 1 || second.GetNextPageToken() != "" {
		t.Errorf("pages %v, %v", first, second)
	}
	_, err = c.ListDocuments(ctx, &ragv1.ListDocumentsRequest{Parent: "collections/zoo", PageToken: "x"})
	wantReason(t, "document token", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	must[*ragv1.DeleteCollectionResponse](t)(c.DeleteCollection(ctx, &ragv1.DeleteCollectionRequest{Name: "collections/zoo"}))
	_, err = c.Retrieve(ctx, &ragv1.RetrieveRequest{Query: "tiger", Collections: []string{"collections/zoo"}})
	wantReason(t, "deleted collection", err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND)
}

func TestTemplatesAndRules(t *testing.T) {
	c, ctx := serve(t), ctxOf(t, "o")
	must[*ragv1.IngestResponse](t)(send(ctx, c, zoo...))
	for _, text := range []string{"Old {{context}}", "Facts: {{context}}"} {
		must[*ragv1.CreateTemplateResponse](t)(c.CreateTemplate(ctx, &ragv1.CreateTemplateRequest{Template: &ragv1.Template{Name: "templates/own", Text: text}}))
	}
	got := must[*ragv1.GetTemplateResponse](t)(c.GetTemplate(ctx, &ragv1.GetTemplateRequest{Name: "templates/own", Version: 1})).GetTemplate()
	if got.GetText() != "Old {{context}}" {
		t.Errorf("version 1: %v", got)
	}
	if list := must[*ragv1.ListTemplatesResponse](t)(c.ListTemplates(ctx, &ragv1.ListTemplatesRequest{})).GetTemplates(); len(list) != 1 || list[0].GetVersion() != 2 {
		t.Errorf("templates %v", list)
	}
	for _, r := range []*ragv1.ContextRule{
		{Name: "contextRules/visits", Team: "keepers", Context: &ragv1.ContextRule_Collection{Collection: "collections/rules"}},
		{Name: "contextRules/tone", Model: "gpt-*", Context: &ragv1.ContextRule_Text{Text: "Be brief."}},
	} {
		must[*ragv1.CreateContextRuleResponse](t)(c.CreateContextRule(ctx, &ragv1.CreateContextRuleRequest{ContextRule: r}))
	}
	if list := must[*ragv1.ListContextRulesResponse](t)(c.ListContextRules(ctx, &ragv1.ListContextRulesRequest{})).GetContextRules(); len(list) != 2 || list[1].GetCollection() != "collections/rules" {
		t.Errorf("rules %v", list)
	}
	found := must[*ragv1.EnrichResponse](t)(c.Enrich(ctx, &ragv1.EnrichRequest{
		Messages: user("May I feed the tiger?"), Model: "gpt-4o", Template: "templates/own",
	}))
	if !strings.HasPrefix(found.GetContext(), "Facts: ") || !strings.Contains(found.GetContext(), "Be brief.") ||
		!strings.Contains(found.GetContext(), "may not feed") || len(found.GetContextRules()) != 2 {
		t.Errorf("context %v", found)
	}
	must[*ragv1.DeleteContextRuleResponse](t)(c.DeleteContextRule(ctx, &ragv1.DeleteContextRuleRequest{Name: "contextRules/tone"}))
	must[*ragv1.DeleteTemplateResponse](t)(c.DeleteTemplate(ctx, &ragv1.DeleteTemplateRequest{Name: "templates/own"}))
	_, err := c.Enrich(ctx, &ragv1.EnrichRequest{Messages: user("x"), Template: "templates/own"})
	wantReason(t, "deleted template", err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND)
}

func TestWhoMayDoWhat(t *testing.T) {
	c := serve(t)
	must[*ragv1.IngestResponse](t)(send(ctxOf(t, "o"), c, zoo...))
	ask := func(ctx context.Context, collections ...string) error {
		r, err := c.Retrieve(ctx, &ragv1.RetrieveRequest{Query: "tiger", Collections: collections})
		if err == nil && len(r.GetPassages()) == 0 {
			return errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "nothing")
		}
		return err
	}
	limited := auth.NewContext(context.Background(), &auth.Principal{
		Organization: "o", Roles: []string{auth.RoleDeveloper}, AllowedCollections: []string{"collections/rules"},
	})
	none := auth.NewContext(context.Background(), &auth.Principal{
		Organization: "o", Roles: []string{auth.RoleDeveloper}, AllowedCollections: []string{"collections/none"},
	})
	_, sent := send(ctxOf(t, "o", auth.RoleViewer), c, zoo...)
	_, sentElsewhere := send(limited, c, zoo[0])
	_, ruled := c.CreateContextRule(ctxOf(t, "o", auth.RoleDeveloper), &ragv1.CreateContextRuleRequest{
		ContextRule: &ragv1.ContextRule{Name: "contextRules/x", Context: &ragv1.ContextRule_Text{Text: "x"}},
	})
	cases := []struct {
		name string
		err  error
		want llmv1.ErrorReason
	}{
		{"nobody", ask(context.Background()), llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{"another organisation", ask(ctxOf(t, "other")), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{"another organisation by name", ask(ctxOf(t, "other"), "collections/zoo"), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{"a collection that the key may not use", ask(limited, "collections/zoo"), llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{"a key without any collection that is there", ask(none), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{"a viewer who ingests", sent, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{"an ingest elsewhere", sentElsewhere, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{"a developer who makes a rule", ruled, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{"no query", func() error { _, err := c.Retrieve(limited, &ragv1.RetrieveRequest{}); return err }(), llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
	}
	for _, tc := range cases {
		wantReason(t, tc.name, tc.err, tc.want)
	}
	r := must[*ragv1.RetrieveResponse](t)(c.Retrieve(limited, &ragv1.RetrieveRequest{Query: "tiger"}))
	if len(r.GetPassages()) != 1 || r.GetPassages()[0].GetDocument() != zoo[2].name {
		t.Errorf("a limited key sees %v", r)
	}
	l := must[*ragv1.ListCollectionsResponse](t)(c.ListCollections(limited, &ragv1.ListCollectionsRequest{}))
	if len(l.GetCollections()) != 1 {
		t.Errorf("a limited key lists %v", l)
	}
}

func TestBadStreams(t *testing.T) {
	c, ctx := serve(t), ctxOf(t, "o")
	stream := must[grpc.ClientStreamingClient[ragv1.IngestRequest, ragv1.IngestResponse]](t)(c.Ingest(ctx))
	_ = stream.Send(&ragv1.IngestRequest{Step: &ragv1.IngestRequest_Content{Content: []byte("x")}})
	_, err := stream.CloseAndRecv()
	wantReason(t, "no header", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	_, err = send(ctx, c, document{"collections/zoo/documents/a/b", "x"})
	wantReason(t, "slash in name", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	stream = must[grpc.ClientStreamingClient[ragv1.IngestRequest, ragv1.IngestResponse]](t)(c.Ingest(ctx))
	_ = stream.Send(&ragv1.IngestRequest{Step: &ragv1.IngestRequest_Header_{Header: &ragv1.IngestRequest_Header{
		Name: zoo[0].name, Metadata: map[string]string{"k": strings.Repeat("v", 20_000)},
	}}})
	_, err = stream.CloseAndRecv()
	wantReason(t, "large metadata", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	if r := must[*ragv1.IngestResponse](t)(send(ctx, c)); len(r.GetResults()) != 0 {
		t.Errorf("an empty stream gives %v", r)
	}
}

func TestTooLargeADocumentFailsAlone(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxDocument = 100
	s, err := New(context.Background(), cfg, Dependencies{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	r := must[*ragv1.IngestResponse](t)(send(ctxOf(t, "o"), connect(t, s), document{"collections/c/documents/a", strings.Repeat("long ", 50)}, zoo[2])).GetResults()
	if len(r) != 2 || !strings.Contains(r[0].GetFailure(), "larger than 100 bytes") || r[1].GetOutcome() != ragv1.IngestResponse_Result_OUTCOME_CREATED {
		t.Errorf("results %v", r)
	}
}

// Spans count and name; what documents and questions say is not in them.
func TestSpansHoldNoContent(t *testing.T) {
	recorded := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(recorded))
	defer func() { _ = provider.Shutdown(context.Background()) }()
	traced := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		ctx, span := provider.Tracer("t").Start(ctx, "server")
		defer span.End()
		return h(ctx, req)
	}
	c, ctx := serve(t, inproc.WithUnaryServerInterceptors(traced)), ctxOf(t, "o")
	must[*ragv1.IngestResponse](t)(send(ctx, c, zoo...))
	must[*ragv1.EnrichResponse](t)(c.Enrich(ctx, &ragv1.EnrichRequest{Messages: user("How much does a tiger eat?"), Collections: []string{"collections/zoo"}}))
	names := map[string]bool{}
	for _, span := range recorded.GetSpans() {
		names[span.Name] = true
		text := strings.ToLower(fmt.Sprint(span.Attributes, span.Events, span.Status))
		for _, word := range []string{"tiger", "meat", "zoo"} {
			if strings.Contains(text, word) {
				t.Errorf("span %s holds %q: %s", span.Name, word, text)
			}
		}
	}
	if !names["rag.retrieve"] || !names["rag.pack"] {
		t.Errorf("spans %v", names)
	}
}

// A Qdrant server that is away neither stops the start nor hangs a call.
func TestStartsWithoutItsServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Qdrant.Addr = l.Addr().String()
	cfg.Qdrant.Timeout = config.Duration(200 * time.Millisecond)
	_ = l.Close()
	s, err := New(context.Background(), cfg, Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	wantReason(t, "ready", s.Ready(context.Background()), llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE)
	_, err = connect(t, s).Retrieve(ctxOf(t, "o"), &ragv1.RetrieveRequest{Query: "tiger"})
	wantReason(t, "retrieve", err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE)
}

func TestConfig(t *testing.T) {
	v := config.NewValidator()
	DefaultConfig().Validate(v)
	if err := v.Err(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for path, spoil := range map[string]func(*Config){
		"qdrant.addr":            func(c *Config) { c.Qdrant.TLS = true },
		"qdrant.prefix":          func(c *Config) { c.Qdrant.Prefix = "a/b" },
		"qdrant.timeout":         func(c *Config) { c.Qdrant.Timeout = 0 },
		"embedded.sync":          func(c *Config) { c.Embedded.Sync = "sometimes" },
		"chunks.target":          func(c *Config) { c.Chunks.Target = 400 },
		"chunks.overlap":         func(c *Config) { c.Chunks.Overlap = 190 },
		"chunks.per_document":    func(c *Config) { c.Chunks.PerDocument = 0 },
		"bm25.k1":                func(c *Config) { c.BM25.K1 = 0 },
		"bm25.b":                 func(c *Config) { c.BM25.B = 2 },
		"bm25.average_length":    func(c *Config) { c.BM25.AverageLength = 0 },
		"max_document":           func(c *Config) { c.MaxDocument = 0 },
		"max_collections":        func(c *Config) { c.MaxCollections = 0 },
		"context_tokens":         func(c *Config) { c.ContextTokens = 0 },
		"candidates":             func(c *Config) { c.Candidates = 201 },
		"embedded.sync_interval": func(c *Config) { c.Embedded.SyncInterval = 0 },
	} {
		c := DefaultConfig()
		spoil(&c)
		v := config.NewValidator()
		c.Validate(v)
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
