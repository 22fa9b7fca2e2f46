package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestPublicErrors(t *testing.T) {
	secretText := "dial tcp 10.0.0.7:5432: password=hunter2"
	for _, tc := range []struct {
		err  error
		want llmv1.ErrorReason
	}{
		{fmt.Errorf("find: %w", account.ErrNotFound), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{account.ErrExists, llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS},
		{account.ErrInUse, llmv1.ErrorReason_ERROR_REASON_CONFLICT},
		{account.ErrDenied, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
		{account.ErrBadKey, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED},
		{&account.InvalidError{Field: "key.roles", Message: "is empty"}, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
		{budget.ErrNotFound, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
		{budget.ErrExists, llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS},
		{fmt.Errorf("%w: a reason", budget.ErrInvalid), llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
		{&budget.Exceeded{Scope: "keys/k"}, llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED},
		{price.ErrUnpriced, llmv1.ErrorReason_ERROR_REASON_UNPRICED},
		{context.Canceled, llmv1.ErrorReason_ERROR_REASON_CANCELLED},
		{context.DeadlineExceeded, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED},
		{errors.New(secretText), llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE},
		{fmt.Errorf("%s: %w", secretText, account.ErrNotFound), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
	} {
		err := public(tc.err)
		if got := errs.From(err).Reason; got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.err, got, tc.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v tells too much", err)
		}
	}
	if public(nil) != nil {
		t.Error("no error becomes one")
	}
}

func TestPageTokens(t *testing.T) {
	token := pageToken("keys", "123:key_x")
	if got, err := cursorOf("keys", token); err != nil || got != "123:key_x" {
		t.Errorf("got %q, %v", got, err)
	}
	for list, bad := range map[string]string{"teams": token, "keys": "%%%", "usage": pageToken("usage", "abc")} {
		if _, err := numberOf(list, bad); err == nil {
			t.Errorf("%s takes %q", list, bad)
		}
	}
}

func FuzzPageToken(f *testing.F) {
	f.Add(pageToken("keys", "1:a"))
	f.Fuzz(func(t *testing.T, token string) {
		cursor, err := cursorOf("keys", token)
		if err == nil && token != "" && pageToken("keys", cursor) != strings.TrimRight(token, "=") && !strings.ContainsAny(token, "\r\n") {
			t.Fatalf("%q reads as %q", token, cursor)
		}
	})
}

// fakeHolds grants everything up to a limit.
type fakeHolds struct{ limit money.Amount }

func (f fakeHolds) Create(_ context.Context, r budget.Request) (budget.Hold, error) {
	if r.Amount > f.limit {
		return budget.Hold{}, &budget.Exceeded{Scope: "keys/k", Window: budget.Day, Limit: f.limit, Asked: r.Amount}
	}
	return budget.Hold{ID: "hld_1", Amount: r.Amount, Expires: time.Unix(2_000_000_000, 0)}, nil
}

func (fakeHolds) Release(context.Context, string) error { return nil }
func (fakeHolds) Limited(budget.Scopes) bool            { return false }

type noMeters struct{}

func (noMeters) Settled(context.Context, ledger.Status, money.Amount) {}
func (noMeters) Held(context.Context, bool)                           {}

func TestHoldsAreTraced(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
	ctx = auth.NewContext(ctx, &auth.Principal{Internal: true})
	book, _ := price.NewBook(nil)
	s := &Billing{
		Holds: fakeHolds{limit: 1000}, Meters: noMeters{},
		Prices: func() Prices { return book }, Policy: func() Policy { return Policy{} },
	}
	request := &billingv1.CreateHoldRequest{RequestId: "req-1", Scopes: &billingv1.Scopes{Organization: "organizations/acme"}, AmountNanousd: 700}
	if _, err := s.CreateHold(ctx, request); err != nil {
		t.Fatal(err)
	}
	request.AmountNanousd = 7000
	if _, err := s.CreateHold(ctx, request); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED) {
		t.Errorf("got %v", err)
	}
	parent.End()
	spans := recorder.Ended()
	if len(spans) != 3 || spans[0].Name() != "billing.hold" || spans[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Fatalf("spans %v", spans)
	}
	attributes := map[string]string{}
	for _, attribute := range spans[0].Attributes() {
		attributes[string(attribute.Key)] = attribute.Value.String()
	}
	if attributes["tollgate.hold.amount_nanousd"] != "700" || attributes["tollgate.hold"] != "hld_1" || attributes["tollgate.request_id"] != "req-1" {
		t.Errorf("attributes %v", attributes)
	}
	if status := spans[1].Status(); status.Description == "" {
		t.Errorf("the refused hold's span has status %+v", status)
	}
}

// TestWorstCaseOfSeveralCandidates takes the dearest of those with a price.
func TestWorstCaseOfSeveralCandidates(t *testing.T) {
	book, _ := price.NewBook(nil)
	candidate := func(model string, tokens int64) *billingv1.CreateHoldRequest_Candidate {
		return &billingv1.CreateHoldRequest_Candidate{
			PricedModel: &billingv1.PricedModel{Provider: "openai", Model: model}, WorstCase: &llmv1.Usage{OutputTokens: tokens},
		}
	}
	for _, tc := range []struct {
		name       string
		reject     bool
		candidates []*billingv1.CreateHoldRequest_Candidate
		want       money.Amount
		unpriced   bool
		err        error
	}{
		{"none", false, nil, 0, false, nil},
		{"dearest", false, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-4o", 1000), candidate("gpt-4o-mini", 1000)}, 10_000_001, false, nil},
		{"one without a price", false, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-9", 1000), candidate("gpt-4o-mini", 1000)}, 600_001, false, nil},
		{"all without a price", false, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-9", 1000)}, 0, true, nil},
		{"refused", true, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-4o-mini", 1), candidate("gpt-9", 1000)}, 0, false, price.ErrUnpriced},
		{"negative", false, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-4o", -1)}, 0, false, budget.ErrInvalid},
		{"overflow", false, []*billingv1.CreateHoldRequest_Candidate{candidate("gpt-4o", 1<<62)}, 0, false, money.ErrOverflow},
	} {
		s := &Billing{Prices: func() Prices { return book }}
		amount, unpriced, err := s.worstCase(&billingv1.CreateHoldRequest{Candidates: tc.candidates}, tc.reject)
		if amount != tc.want || unpriced != tc.unpriced || !errors.Is(err, tc.err) {
			t.Errorf("%s: got %d, %v, %v", tc.name, amount, unpriced, err)
		}
	}
}
