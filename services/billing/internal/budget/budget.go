package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// Errors of the budget store and service; test with errors.Is.
var (
	ErrNotFound = errors.New("no such budget")
	ErrExists   = errors.New("the scope has a budget for this window")
)

// Budget is the most that a scope may spend in a window.
type Budget struct {
	ID           string
	Organization string
	Scope        string // a resource name: organizations/…, teams/…, users/…, keys/…
	Window       Window
	Limit        money.Amount
	Alerts       []int32 // percentages of the limit whose crossing is an event
	Created      time.Time

	// Settled and Held are the state of the current window, where it was asked for.
	Settled, Held money.Amount
}

// Change says who changed what; the store writes it to the audit log in the
// transaction of the change.
type Change struct {
	Actor  string
	Action string
	At     time.Time
}

// Store keeps budgets.
type Store interface {
	CreateBudget(ctx context.Context, budget Budget, change Change) error
	// UpdateBudget replaces limit and alerts and returns the whole budget.
	UpdateBudget(ctx context.Context, budget Budget, change Change) (Budget, error)
	DeleteBudget(ctx context.Context, organization, id string, change Change) error
	AllBudgets(ctx context.Context) ([]Budget, error)
	// ListBudgets lists a page by scope, with the state of each current window.
	ListBudgets(ctx context.Context, organization, after string, limit int, now time.Time) ([]Budget, error)
}

// Index knows in memory which scopes have budgets, so that a request without
// any costs no look-up in the database.
type Index struct {
	store Store

	mu      sync.RWMutex
	byScope map[scopeKey][]Budget
	loading sync.Mutex // one Load at a time, so that the newest answer stays
}

type scopeKey struct{ organization, scope string }

// NewIndex makes an empty index; Load fills it.
func NewIndex(store Store) *Index {
	return &Index{store: store, byScope: map[scopeKey][]Budget{}}
}

// Load reads all budgets. It is called at the start, after each change, and
// from time to time where several replicas share a database.
func (x *Index) Load(ctx context.Context) error {
	x.loading.Lock()
	defer x.loading.Unlock()
	all, err := x.store.AllBudgets(ctx)
	if err != nil {
		return fmt.Errorf("load budgets: %w", err)
	}
	fresh := make(map[scopeKey][]Budget, len(all))
	for _, budget := range all {
		at := scopeKey{budget.Organization, budget.Scope}
		fresh[at] = append(fresh[at], budget)
	}
	x.mu.Lock()
	x.byScope = fresh
	x.mu.Unlock()
	return nil
}

// For lists the budgets of the scopes, the widest scope first.
func (x *Index) For(scopes Scopes) []Budget {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.byScope) == 0 {
		return nil
	}
	var found []Budget
	for _, name := range scopes.Names() {
		found = append(found, x.byScope[scopeKey{scopes.Organization, name}]...)
	}
	return found
}

// Create checks and stores a new budget.
func (x *Index) Create(ctx context.Context, budget Budget, actor string) (Budget, error) {
	if !ValidScope(budget.Organization, budget.Scope) {
		return Budget{}, fmt.Errorf("%w: scope %q is not of this organisation", ErrInvalid, budget.Scope)
	}
	if !slices.Contains(Windows[:], budget.Window) || budget.Limit < 0 {
		return Budget{}, fmt.Errorf("%w: a budget needs a window and a limit of at least 0", ErrInvalid)
	}
	budget.ID, budget.Created = newID("bdg_"), time.Now().UTC()
	change := Change{Actor: actor, Action: "budgets.create", At: budget.Created}
	if err := x.store.CreateBudget(ctx, budget, change); err != nil {
		return Budget{}, err
	}
	return budget, x.Load(ctx)
}

// Update changes limit and alerts of a budget.
func (x *Index) Update(ctx context.Context, budget Budget, actor string) (Budget, error) {
	change := Change{Actor: actor, Action: "budgets.update", At: time.Now().UTC()}
	updated, err := x.store.UpdateBudget(ctx, budget, change)
	if err != nil {
		return Budget{}, err
	}
	return updated, x.Load(ctx)
}

// Delete removes a budget.
func (x *Index) Delete(ctx context.Context, organization, id, actor string) error {
	change := Change{Actor: actor, Action: "budgets.delete", At: time.Now().UTC()}
	if err := x.store.DeleteBudget(ctx, organization, id, change); err != nil {
		return err
	}
	return x.Load(ctx)
}

// List lists a page of budgets by scope.
func (x *Index) List(ctx context.Context, organization, after string, limit int) ([]Budget, error) {
	return x.store.ListBudgets(ctx, organization, after, limit, time.Now())
}

// Cursor is where the next page of budgets begins after this one.
func (b *Budget) Cursor() string { return b.Scope + "\n" + b.ID }
