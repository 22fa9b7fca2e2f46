package billing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const internalToken = "an internal token for tests"

// world is a running service with a client that goes through the whole chain
// of interceptors.
type world struct {
	service  *billing.Service
	billing  billingv1.BillingServiceClient
	accounts accountv1.AccountServiceClient
	admin    context.Context // the first key: operator and admin of "default"
	inside   context.Context // another Tollgate service
	ended    func() []string
}

func newWorld(t *testing.T, change func(*billing.Config)) *world {
	t.Helper()
	cfg := billing.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	var mu sync.Mutex
	var ended []string
	var authenticator *auth.Authenticator
	service, err := billing.New(t.Context(), cfg, billing.Dependencies{DataDir: t.TempDir(), KeyEnded: func(id string) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, id)
		authenticator.Invalidate(id)
	}})
	if err != nil {
		t.Fatal(err)
	}
	authenticator = auth.NewAuthenticator(service.KeyResolver(), auth.Options{InternalToken: secret.New(internalToken)})
	chain, err := grpcserver.NewChain(grpcserver.Dependencies{Auth: authenticator})
	if err != nil {
		t.Fatal(err)
	}
	conn := inproc.New(chain.InprocOptions()...)
	service.Register(conn)
	t.Cleanup(func() {
		if err := service.VerifyLedger(context.Background()); err != nil {
			t.Error(err)
		}
		if err := service.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	key, created, err := service.EnsureBootstrap(t.Context())
	if err != nil || !created {
		t.Fatalf("bootstrap: created %v, %v", created, err)
	}
	return &world{
		service: service, billing: billingv1.NewBillingServiceClient(conn), accounts: accountv1.NewAccountServiceClient(conn),
		admin:  as(t, key.Reveal()),
		inside: metadata.AppendToOutgoingContext(t.Context(), auth.MetadataInternal, internalToken),
		ended: func() []string {
			mu.Lock()
			defer mu.Unlock()
			return ended
		},
	}
}

func as(t *testing.T, key string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
}

// key makes a key with a role in the caller's organisation.
func (w *world) key(t *testing.T, by context.Context, role accountv1.Role) (*accountv1.Key, context.Context) {
	t.Helper()
	made, err := w.accounts.CreateKey(by, &accountv1.CreateKeyRequest{Key: &accountv1.Key{Roles: []accountv1.Role{role}}})
	if err != nil {
		t.Fatal(err)
	}
	return made.GetKey(), as(t, made.GetSecret())
}

// other makes a second organisation and returns its admin.
func (w *world) other(t *testing.T) context.Context {
	t.Helper()
	made, err := w.accounts.CreateOrganization(w.admin, &accountv1.CreateOrganizationRequest{
		Organization: &accountv1.Organization{Name: "organizations/other"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return as(t, made.GetAdminSecret())
}

func scopes() *billingv1.Scopes {
	return &billingv1.Scopes{Organization: "organizations/default", Team: "teams/eng", Key: "keys/key_1"}
}

var small = &billingv1.PricedModel{Provider: "openai", Model: "gpt-4o-mini"}

// record costs $0.00075.
func record(request string) *billingv1.UsageRecord {
	return &billingv1.UsageRecord{
		RequestId: request, Attempt: 1, Scopes: scopes(), PricedModel: small, Target: "east", RequestedModel: "small",
		Usage:   &llmv1.Usage{InputTokens: 1000, OutputTokens: 1000, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER},
		Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, StartTime: timestamppb.Now(), Last: true,
	}
}

const recordCost = 750_000

// send sends records on one stream and returns the acknowledgements by request.
func (w *world) send(t *testing.T, ctx context.Context, records ...*billingv1.UsageRecord) map[string]*billingv1.RecordUsageResponse {
	t.Helper()
	stream, err := w.billing.RecordUsage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, r := range records {
			if stream.Send(&billingv1.RecordUsageRequest{Record: r}) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	answers := map[string]*billingv1.RecordUsageResponse{}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answers
		}
		if err != nil {
			t.Fatal(err)
		}
		answers[answer.GetRequestId()] = answer
	}
}

func wantReason(t *testing.T, what string, err error, reason llmv1.ErrorReason) {
	t.Helper()
	if err == nil || !errs.Is(err, reason) {
		t.Errorf("%s: got %v, want %s", what, err, reason)
	}
}

func TestEveryRecordIsAcknowledged(t *testing.T) {
	w := newWorld(t, nil)
	broken := record("broken")
	broken.Usage = nil // the contract asks for it
	negative := record("negative")
	negative.Usage.InputTokens = -5
	unknown := record("unknown")
	unknown.PricedModel = &billingv1.PricedModel{Provider: "openai", Model: "gpt-9"}
	var records []*billingv1.UsageRecord
	for i := range 700 { // more than one commit
		records = append(records, record(fmt.Sprintf("req-%d", i)))
	}
	answers := w.send(t, w.inside, append([]*billingv1.UsageRecord{record("first"), broken, negative, unknown}, records...)...)
	if len(answers) != 704 {
		t.Fatalf("%d acknowledgements", len(answers))
	}
	for request, want := range map[string]billingv1.RecordUsageResponse_Status{
		"first": billingv1.RecordUsageResponse_STATUS_COMMITTED, "broken": billingv1.RecordUsageResponse_STATUS_INVALID,
		"negative": billingv1.RecordUsageResponse_STATUS_INVALID, "unknown": billingv1.RecordUsageResponse_STATUS_COMMITTED,
		"req-699": billingv1.RecordUsageResponse_STATUS_COMMITTED,
	} {
		if got := answers[request]; got.GetStatus() != want || (want == billingv1.RecordUsageResponse_STATUS_INVALID) != (got.GetMessage() != "") {
			t.Errorf("%s: %v, want %s", request, got, want)
		}
	}
	changed := record("req-1")
	changed.Usage.OutputTokens++
	again := w.send(t, w.inside, records[0], changed)
	if again["req-0"].GetStatus() != billingv1.RecordUsageResponse_STATUS_DUPLICATE || again["req-0"].GetCostNanousd() != recordCost {
		t.Errorf("sent again: %v", again["req-0"])
	}
	if again["req-1"].GetStatus() != billingv1.RecordUsageResponse_STATUS_CONFLICT {
		t.Errorf("sent with other content: %v", again["req-1"])
	}

	report, err := w.billing.ReportUsage(w.admin, &billingv1.ReportUsageRequest{
		GroupBy: []billingv1.ReportUsageRequest_Dimension{billingv1.ReportUsageRequest_DIMENSION_MODEL, billingv1.ReportUsageRequest_DIMENSION_KEY},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := report.GetTotal()
	if total.GetAttempts() != 702 || total.GetCostNanousd() != 701*recordCost || total.GetUnpricedAttempts() != 1 {
		t.Errorf("total %v", total)
	}
	if first := report.GetRows()[0]; first.GetGroup()["model"] != "gpt-4o-mini" || first.GetGroup()["key"] != "keys/key_1" {
		t.Errorf("first row %v", first)
	}
}

func TestUsageOfManyStreams(t *testing.T) {
	w := newWorld(t, nil)
	var group sync.WaitGroup
	for stream := range 8 {
		group.Go(func() {
			var records []*billingv1.UsageRecord
			for i := range 100 {
				records = append(records, record(fmt.Sprintf("req-%d-%d", stream/2, i))) // two streams send the same
			}
			if got := len(w.send(t, w.inside, records...)); got != 100 {
				t.Errorf("%d acknowledgements", got)
			}
		})
	}
	group.Wait()
	report, err := w.billing.ReportUsage(w.admin, &billingv1.ReportUsageRequest{})
	if err != nil || report.GetTotal().GetAttempts() != 400 {
		t.Errorf("total %v, %v", report.GetTotal(), err)
	}
}

func (w *world) budget(t *testing.T, scope string, limit int64) *billingv1.Budget {
	t.Helper()
	made, err := w.billing.CreateBudget(w.admin, &billingv1.CreateBudgetRequest{Budget: &billingv1.Budget{
		Scope: scope, Window: billingv1.Budget_WINDOW_MONTH, LimitNanousd: limit, AlertPercents: []int32{80},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return made.GetBudget()
}

func holdRequest(request string) *billingv1.CreateHoldRequest {
	worst := &llmv1.Usage{InputTokens: 1000, OutputTokens: 1000}
	return &billingv1.CreateHoldRequest{RequestId: request, Scopes: scopes(), Candidates: []*billingv1.CreateHoldRequest_Candidate{
		{PricedModel: small, WorstCase: worst},
		{PricedModel: &billingv1.PricedModel{Provider: "anthropic", Model: "claude-haiku-4-5"}, WorstCase: worst},
	}}
}

// dearest is what holdRequest reserves: 1,000 × $1.25 (a cache write) + 1,000 × $5 a million, and two nano-dollars for rounding a side.
const dearest = 6_250_000 + 2 + 1

func TestHolds(t *testing.T) {
	w := newWorld(t, nil)
	free, err := w.billing.CreateHold(w.inside, holdRequest("req-0"))
	if err != nil || free.GetName() != "" || free.GetAmountNanousd() != dearest || free.GetUnpriced() {
		t.Errorf("without a budget: %v, %v", free, err)
	}
	w.budget(t, "keys/key_1", 2*dearest-1)
	hold, err := w.billing.CreateHold(w.inside, holdRequest("req-1"))
	if err != nil || !strings.HasPrefix(hold.GetName(), "holds/") {
		t.Fatalf("hold %v, %v", hold, err)
	}
	_, err = w.billing.CreateHold(w.inside, holdRequest("req-2"))
	wantReason(t, "over the limit", err, llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED)
	metadata := errs.From(err).Metadata
	if metadata["scope"] != "keys/key_1" || metadata["limit_nanousd"] != fmt.Sprint(2*dearest-1) || metadata["remaining_nanousd"] != fmt.Sprint(dearest-1) {
		t.Errorf("metadata %v", metadata)
	}
	settled := record("req-1")
	settled.Hold = hold.GetName()
	w.send(t, w.inside, settled)
	listed, err := w.billing.ListBudgets(w.admin, &billingv1.ListBudgetsRequest{})
	if err != nil || len(listed.GetBudgets()) != 1 {
		t.Fatalf("budgets %v, %v", listed, err)
	}
	if b := listed.GetBudgets()[0]; b.GetSettledNanousd() != recordCost || b.GetHeldNanousd() != 0 {
		t.Errorf("budget %v", b)
	}
	for range 2 {
		if _, err := w.billing.ReleaseHold(w.inside, &billingv1.ReleaseHoldRequest{Name: hold.GetName()}); err != nil {
			t.Errorf("release: %v", err)
		}
	}
}

func TestUnpricedModels(t *testing.T) {
	unpriced := &billingv1.CreateHoldRequest{RequestId: "r", Scopes: scopes(), Candidates: []*billingv1.CreateHoldRequest_Candidate{
		{PricedModel: &billingv1.PricedModel{Provider: "openai", Model: "gpt-9"}, WorstCase: &llmv1.Usage{InputTokens: 1}},
	}}
	lenient := newWorld(t, nil)
	if hold, err := lenient.billing.CreateHold(lenient.inside, unpriced); err != nil || !hold.GetUnpriced() {
		t.Errorf("suspense: %v, %v", hold, err)
	}
	answer, err := lenient.billing.PriceUsage(lenient.admin, &billingv1.PriceUsageRequest{
		PricedModel: unpriced.GetCandidates()[0].GetPricedModel(), Usage: &llmv1.Usage{InputTokens: 1},
	})
	if err != nil || !answer.GetUnpriced() {
		t.Errorf("price of an unknown model: %v, %v", answer, err)
	}
	if _, err := lenient.billing.CreateBudget(lenient.admin, &billingv1.CreateBudgetRequest{Budget: &billingv1.Budget{
		Scope: scopes().GetOrganization(), Window: billingv1.Budget_WINDOW_DAY, LimitNanousd: 1e9,
	}}); err != nil {
		t.Fatal(err)
	}
	_, err = lenient.billing.CreateHold(lenient.inside, unpriced)
	wantReason(t, "under a budget", err, llmv1.ErrorReason_ERROR_REASON_UNPRICED)
	strict := newWorld(t, func(c *billing.Config) { c.Unpriced = billing.UnpricedReject })
	_, err = strict.billing.CreateHold(strict.inside, unpriced)
	wantReason(t, "reject", err, llmv1.ErrorReason_ERROR_REASON_UNPRICED)
	reloaded := billing.DefaultConfig()
	if err := strict.service.Reload(reloaded); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.billing.CreateHold(strict.inside, unpriced); err != nil {
		t.Errorf("after a reload: %v", err)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 5 {
		if _, err := w.accounts.CreateTeam(w.admin, &accountv1.CreateTeamRequest{Team: &accountv1.Team{Name: fmt.Sprintf("teams/t%d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	token := ""
	for {
		page, err := w.accounts.ListTeams(w.admin, &accountv1.ListTeamsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, team := range page.GetTeams() {
			names = append(names, team.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "teams/t0 teams/t1 teams/t2 teams/t3 teams/t4" {
		t.Errorf("pages hold %s", got)
	}
	teams, err := w.accounts.ListTeams(w.admin, &accountv1.ListTeamsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.accounts.ListUsers(w.admin, &accountv1.ListUsersRequest{PageToken: teams.GetNextPageToken()})
	wantReason(t, "a token of another list", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)

	prices := 0
	for token = ""; ; {
		page, err := w.billing.ListPrices(w.admin, &billingv1.ListPricesRequest{Provider: "openai", PageSize: 30, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		prices += len(page.GetPrices())
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if prices < 60 {
		t.Errorf("%d prices of openai", prices)
	}
}

func TestPriceUsage(t *testing.T) {
	w := newWorld(t, nil)
	answer, err := w.billing.PriceUsage(w.admin, &billingv1.PriceUsageRequest{
		PricedModel: small, Usage: &llmv1.Usage{InputTokens: 1_000_000, OutputTokens: 1_000_000},
	})
	if err != nil || answer.GetCostNanousd() != 750_000_000 || answer.GetPriceVersion() == "" {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestStateOutlivesTheProcess(t *testing.T) {
	directory := t.TempDir()
	open := func() *billing.Service {
		service, err := billing.New(t.Context(), billing.DefaultConfig(), billing.Dependencies{DataDir: directory})
		if err != nil {
			t.Fatal(err)
		}
		return service
	}
	first := open()
	key, _, err := first.EnsureBootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := open()
	defer func() { _ = second.Close(context.Background()) }()
	if _, created, err := second.EnsureBootstrap(t.Context()); err != nil || created {
		t.Errorf("a second bootstrap: created %v, %v", created, err)
	}
	principal, err := second.KeyResolver().ResolveKey(t.Context(), key)
	if err != nil || principal.Organization != "default" || !principal.HasRole(auth.RoleOperator) || !principal.HasRole(auth.RoleAdmin) {
		t.Errorf("principal %+v, %v", principal, err)
	}
	if err := second.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClosedDatabaseIsUnavailableNotUnauthenticated(t *testing.T) {
	service, err := billing.New(t.Context(), billing.DefaultConfig(), billing.Dependencies{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := service.EnsureBootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = service.KeyResolver().ResolveKey(t.Context(), key)
	wantReason(t, "resolve", err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE)
	if strings.Contains(err.Error(), "sql") || strings.Contains(err.Error(), key.Reveal()) {
		t.Errorf("the public text tells too much: %v", err)
	}
}

func TestStreamEndsWithTheCaller(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithTimeout(w.inside, 50*time.Millisecond)
	defer cancel()
	stream, err := w.billing.RecordUsage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("an idle stream answers")
	}
}
