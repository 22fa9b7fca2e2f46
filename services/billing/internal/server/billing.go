package server

import (
	"context"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// Prices is the price list of the moment.
type Prices interface {
	Find(query price.Query) (*price.Price, error)
	Prices() []*price.Price
}

// Budgets manages limits.
type Budgets interface {
	Create(ctx context.Context, b budget.Budget, actor string) (budget.Budget, error)
	Update(ctx context.Context, b budget.Budget, actor string) (budget.Budget, error)
	Delete(ctx context.Context, organization, id, actor string) error
	List(ctx context.Context, organization, after string, limit int) ([]budget.Budget, error)
}

// Holds reserves and gives back.
type Holds interface {
	Limited(budget.Scopes) bool
	Create(ctx context.Context, request budget.Request) (budget.Hold, error)
	Release(ctx context.Context, id string) error
}

// Recorder books usage.
type Recorder interface {
	Record(ctx context.Context, records []ledger.Record) ([]ledger.Result, error)
}

// Reports reads the ledger.
type Reports interface {
	Report(ctx context.Context, query ledger.ReportQuery) ([]ledger.Sums, error)
	Rows(ctx context.Context, query ledger.RowQuery) ([]ledger.Row, error)
}

// Policy says what happens to requests whose models have no price.
type Policy struct {
	RejectUnpriced bool
}

// Meters counts what is settled and held.
type Meters interface {
	Settled(ctx context.Context, status ledger.Status, cost money.Amount)
	Held(ctx context.Context, refused bool)
}

// Billing implements billingv1.BillingServiceServer.
type Billing struct {
	billingv1.UnimplementedBillingServiceServer

	Budgets  Budgets
	Holds    Holds
	Recorder Recorder
	Reports  Reports
	// Prices and Policy give what is configured at the moment.
	Prices func() Prices
	Policy func() Policy
	Meters Meters
}

// now is when a request without a time is priced.
func now() time.Time { return time.Now() }
