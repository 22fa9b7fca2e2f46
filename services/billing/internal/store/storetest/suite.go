// Package storetest holds the tests that every database behind the store must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// Store is what the suite tests.
type Store interface {
	account.Store
	budget.Store
	budget.HoldStore
	ledger.Store
	Report(ctx context.Context, query ledger.ReportQuery) ([]ledger.Sums, error)
	Rows(ctx context.Context, query ledger.RowQuery) ([]ledger.Row, error)
	KeepPrices(ctx context.Context, prices []*price.Price) error
	Verify(ctx context.Context) error
}

// Run runs the suite; open gives each test an empty store.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, *world){
		"usage is booked once":              usageIsBookedOnce,
		"repetitions in a batch":            repetitionsInABatch,
		"bad records leave others alone":    badRecordsLeaveOthersAlone,
		"every kind of usage is balanced":   everyKindOfUsageIsBalanced,
		"rows come back as they went in":    rowsComeBack,
		"reports":                           reports,
		"holds":                             holds,
		"settlement draws on holds":         settlementDrawsOnHolds,
		"leases":                            leases,
		"holds expire":                      holdsExpire,
		"windows follow the usage":          windowsFollowTheUsage,
		"holds never overshoot":             holdsNeverOvershoot,
		"budgets":                           budgets,
		"budgets begin with the ledger":     budgetsBeginWithTheLedger,
		"prices are kept":                   pricesAreKept,
		"accounts":                          accounts,
		"keys":                              keys,
		"audit log":                         auditLog,
		"organisations are apart":           organisationsAreApart,
		"bootstrap":                         bootstrap,
		"the same record from many writers": sameRecordFromOne,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, open(t))
			test(t, w)
			if err := w.store.Verify(w.ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// RunReplicas tests two stores over one empty database.
func RunReplicas(t *testing.T, first, second Store) {
	a, b := newWorld(t, first), newWorld(t, second)
	a.found(t)
	neverOvershoot(t, a, b)
	sameRecordFromMany(t, a, b)
	auditLogOf(t, a, b)
	if err := first.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// world is a store with the services above it and two organisations in it.
type world struct {
	ctx      context.Context
	store    Store
	accounts *account.Service
	index    *budget.Index
	holds    *budget.Holds
	recorder *ledger.Recorder
	now      time.Time
	ended    []string // keys that ended before their time
}

// acme and other are the actors of the two organisations.
var (
	acme  = account.Actor{Organization: "acme", Name: "keys/a"}
	other = account.Actor{Organization: "other", Name: "keys/b"}
)

func newWorld(t *testing.T, store Store) *world {
	t.Helper()
	pepper, err := account.NewPepper(secret.New("a pepper for tests only"))
	if err != nil {
		t.Fatal(err)
	}
	book, faults := price.NewBook(nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	w := &world{ctx: t.Context(), store: store, now: time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)}
	w.accounts = account.NewService(store, pepper, func(id string) { w.ended = append(w.ended, id) })
	w.index = budget.NewIndex(store)
	w.holds = budget.NewHolds(w.index, store, budget.Limits{DefaultTTL: time.Minute, MaxTTL: time.Hour})
	w.recorder = ledger.NewRecorder(func() ledger.Pricer { return book }, store)
	return w
}

// found makes the two organisations.
func (w *world) found(t *testing.T) {
	t.Helper()
	for _, id := range []string{acme.Organization, other.Organization} {
		if _, _, _, err := w.accounts.CreateOrganization(w.ctx, account.System, account.Organization{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

// record is a usage of gpt-4o-mini that costs $0.00075 a thousand tokens each way: 1,000 in and 1,000 out.
func (w *world) record(request string, attempt int32) ledger.Record {
	return ledger.Record{
		RequestID: request, Attempt: attempt, Scopes: budget.Scopes{Organization: "acme", Team: "eng", User: "ada", Key: "key_1"},
		Provider: "openai", Model: "gpt-4o-mini", Mode: price.Standard, Target: "east", RequestedModel: "small",
		Tokens: price.Tokens{price.Input: 1000, price.Output: 1000}, Source: ledger.FromProvider, Outcome: ledger.Succeeded,
		Start: w.now, Duration: time.Second, FirstToken: 300 * time.Millisecond, Streamed: true, Last: true, TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
}

// recordCost is what record costs.
const recordCost = money.Amount(750_000)

// book books records and fails the test unless all have the wanted status.
func (w *world) book(t *testing.T, want ledger.Status, records ...ledger.Record) {
	t.Helper()
	results, err := w.recorder.Record(w.ctx, records)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Status != want {
			t.Fatalf("record %s: status %d (%s), want %d", &records[i], result.Status, result.Message, want)
		}
	}
}

// budget makes a budget of acme.
func (w *world) budget(t *testing.T, scope string, window budget.Window, limit money.Amount) budget.Budget {
	t.Helper()
	made, err := w.index.Create(w.ctx, budget.Budget{Organization: "acme", Scope: scope, Window: window, Limit: limit}, "keys/a")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// state is what is settled and held in the current window of each budget of
// acme, by scope and window.
func (w *world) state(t *testing.T, at time.Time) map[string][2]money.Amount {
	t.Helper()
	list, err := w.store.ListBudgets(w.ctx, "acme", "", 1000, at)
	if err != nil {
		t.Fatal(err)
	}
	state := map[string][2]money.Amount{}
	for _, b := range list {
		state[b.Scope+" "+b.Window.String()] = [2]money.Amount{b.Settled, b.Held}
	}
	return state
}

// expect checks one entry of state.
func (w *world) expect(t *testing.T, at time.Time, name string, settled, held money.Amount) {
	t.Helper()
	if got := w.state(t, at)[name]; got != [2]money.Amount{settled, held} {
		t.Errorf("%s: settled and held %v, want [%v %v]", name, got, settled, held)
	}
}

func requestName(number int) string { return fmt.Sprintf("req-%06d", number) }

func isExceeded(err error) (*budget.Exceeded, bool) {
	var exceeded *budget.Exceeded
	return exceeded, errors.As(err, &exceeded)
}
