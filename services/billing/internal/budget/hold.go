package budget

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// ErrInvalid means that a request cannot be met whatever the state is.
var ErrInvalid = errors.New("invalid")

// Exceeded says which budget does not cover a hold.
type Exceeded struct {
	Scope     string
	Window    Window
	Limit     money.Amount
	Remaining money.Amount // never below zero
	Asked     money.Amount
}

// Error names the scope and the amounts; all of it is public.
func (e *Exceeded) Error() string {
	return fmt.Sprintf("the %s budget of %s does not cover this: %s of %s is left, the request may cost %s",
		e.Window, e.Scope, e.Remaining, e.Limit, e.Asked)
}

// Charge is a budget window in which a hold reserves.
type Charge struct {
	Scope       string
	Window      Window
	WindowStart time.Time
	Limit       money.Amount
}

// Hold is a reservation. A lease is a hold on which many settlements draw.
type Hold struct {
	ID           string
	Organization string
	RequestID    string // empty for a lease
	Lease        bool
	Amount       money.Amount
	Created      time.Time
	Expires      time.Time
	Charges      []Charge // sorted, so that two transactions never wait for each other
}

// HoldStore keeps holds. All three calls are atomic.
type HoldStore interface {
	// Reserve takes the amount in every charge or in none. It returns the hold
	// that the same request got before, if it lives, and *Exceeded if a limit
	// does not cover the amount.
	Reserve(ctx context.Context, hold Hold) (Hold, error)
	// Release gives back what is left of a hold; an unknown one is no error.
	Release(ctx context.Context, id string) error
	// Expire releases holds past their time and tells how many, at most limit.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
}

// Request asks for a hold.
type Request struct {
	RequestID string
	Scopes    Scopes
	Amount    money.Amount
	Lease     bool
	TTL       time.Duration // 0: the default
}

// Limits bound how long holds live.
type Limits struct {
	DefaultTTL time.Duration
	MaxTTL     time.Duration
}

// Holds makes and ends reservations.
type Holds struct {
	index  *Index
	store  HoldStore
	limits Limits
	now    func() time.Time
}

// NewHolds makes the service of holds.
func NewHolds(index *Index, store HoldStore, limits Limits) *Holds {
	return &Holds{index: index, store: store, limits: limits, now: time.Now}
}

// Create reserves an amount in every scope that has a budget. Without such a
// scope, or with nothing to reserve, it returns a Hold without an ID and
// writes nothing.
func (h *Holds) Create(ctx context.Context, request Request) (Hold, error) {
	switch {
	case request.Scopes.Organization == "":
		return Hold{}, fmt.Errorf("%w: a hold needs an organisation", ErrInvalid)
	case request.Amount < 0 || request.TTL < 0:
		return Hold{}, fmt.Errorf("%w: a hold needs an amount and a time of at least 0", ErrInvalid)
	case request.Lease && request.RequestID != "":
		return Hold{}, fmt.Errorf("%w: a lease belongs to no single request", ErrInvalid)
	}
	now := h.now().UTC()
	ttl := cmp.Or(request.TTL, h.limits.DefaultTTL)
	hold := Hold{
		Organization: request.Scopes.Organization, RequestID: request.RequestID, Lease: request.Lease,
		Amount: request.Amount, Created: now, Expires: now.Add(min(ttl, h.limits.MaxTTL)),
	}
	budgets := h.index.For(request.Scopes)
	if len(budgets) == 0 || request.Amount == 0 {
		return hold, nil
	}
	hold.ID = newID("hld_")
	hold.Charges = charges(budgets, now)
	return h.store.Reserve(ctx, hold)
}

// Limited says whether a budget applies to any of the scopes.
func (h *Holds) Limited(scopes Scopes) bool { return len(h.index.For(scopes)) > 0 }

// charges turns budgets into the windows to reserve in, in a fixed order.
func charges(budgets []Budget, now time.Time) []Charge {
	list := make([]Charge, len(budgets))
	for i, budget := range budgets {
		list[i] = Charge{Scope: budget.Scope, Window: budget.Window, WindowStart: budget.Window.Start(now), Limit: budget.Limit}
	}
	slices.SortFunc(list, func(a, b Charge) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Window, b.Window))
	})
	return list
}

// Release gives a hold back without usage. Releasing twice is no error.
func (h *Holds) Release(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	return h.store.Release(ctx, id)
}

// expireBatch bounds one transaction of the reaper.
const expireBatch = 500

// Reap releases holds past their time until the context ends.
func (h *Holds) Reap(ctx context.Context, every time.Duration, onError func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := h.ExpireNow(ctx); err != nil && ctx.Err() == nil {
				onError(err)
			}
		}
	}
}

// ExpireNow releases all holds past their time and tells how many.
func (h *Holds) ExpireNow(ctx context.Context) (int, error) {
	total := 0
	for {
		released, err := h.store.Expire(ctx, h.now(), expireBatch)
		total += released
		if err != nil || released < expireBatch {
			return total, err
		}
	}
}

// newID makes an unguessable id of 128 bits.
func newID(prefix string) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + hex.EncodeToString(random[:])
}
