package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// budgeted holds the windows that have a budget, by organisation and scope.
// Balances are kept for these alone; a new budget begins with what the ledger
// says (see openBalance), so that usage without budgets costs no further write.
type budgeted map[string]map[string][]budget.Window

// load reads an organisation's budgets once per transaction. Whoever makes a
// budget meanwhile waits, or is waited for: else usage could miss its balance.
func (b budgeted) load(tx *tx, organization string) error {
	if _, known := b[organization]; known {
		return nil
	}
	if err := tx.share(budgetLock, organization); err != nil {
		return err
	}
	windows := map[string][]budget.Window{}
	err := tx.rows(`SELECT scope, span FROM budgets WHERE organization_id = ?`, []any{storable(organization)}, func(row scanner) error {
		var scope string
		var window budget.Window
		err := row.Scan(&scope, &window)
		windows[scope] = append(windows[scope], window)
		return err
	})
	if err != nil {
		return fmt.Errorf("read budgets: %w", err)
	}
	b[organization] = windows
	return nil
}

// openBalance gives a new budget the balance of its current window, from the
// ledger. What is held there by holds of an earlier budget stays.
func openBalance(tx *tx, b *budget.Budget) error {
	kind, id, _ := strings.Cut(b.Scope, "/")
	column := scopeColumns[kind]
	start := b.Window.Start(b.Created)
	var settled int64
	err := tx.row(`SELECT `+sum("cost")+` FROM usage_rows WHERE organization_id = ? AND `+column+` = ? AND started_at >= ? AND started_at < ?`,
		[]any{b.Organization, id, stamp(start), endOf(b.Window, start)}, &settled)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO balances (organization_id, scope, span, span_start, settled, held) VALUES (?, ?, ?, ?, ?, 0)
	 ON CONFLICT (organization_id, scope, span, span_start) DO UPDATE SET settled = excluded.settled`,
		b.Organization, b.Scope, int(b.Window), stamp(start), settled)
	return err
}

// scopeColumns are the columns of usage rows that name the kinds of scope.
var scopeColumns = map[string]string{"organizations": "organization_id", "teams": "team_id", "users": "user_id", "keys": "key_id"}

// endOf is the stored time at which a window ends.
func endOf(window budget.Window, start time.Time) int64 {
	switch window {
	case budget.Day:
		return stamp(start.AddDate(0, 0, 1))
	case budget.Week:
		return stamp(start.AddDate(0, 0, 7))
	case budget.Month:
		return stamp(start.AddDate(0, 1, 0))
	}
	return math.MaxInt64
}

// balances collects what a transaction changes, so that each row of the table
// is written once, and always in the same order.
type balances map[balanceKey]balanceChange

type balanceKey struct {
	organization, scope string
	window              budget.Window
	start               int64
}

type balanceChange struct{ settled, held money.Amount }

// settle adds a cost to the windows that have a budget, at the time of the usage.
func (b balances) settle(budgets budgeted, scopes budget.Scopes, at time.Time, cost money.Amount) {
	windows := budgets[scopes.Organization]
	if cost == 0 || len(windows) == 0 {
		return
	}
	for _, scope := range scopes.Names() {
		for _, window := range windows[scope] {
			key := balanceKey{scopes.Organization, scope, window, stamp(window.Start(at))}
			change := b[key]
			change.settled += cost
			b[key] = change
		}
	}
}

// release gives back part of a hold.
func (b balances) release(organization string, charges []budget.Charge, amount money.Amount) {
	for _, charge := range charges {
		key := balanceKey{organization, charge.Scope, charge.Window, stamp(charge.WindowStart)}
		change := b[key]
		change.held -= amount
		b[key] = change
	}
}

const addToBalance = `INSERT INTO balances (organization_id, scope, span, span_start, settled, held) VALUES (?, ?, ?, ?, ?, ?)
 ON CONFLICT (organization_id, scope, span, span_start)
 DO UPDATE SET settled = balances.settled + excluded.settled, held = balances.held + excluded.held`

func (b balances) apply(tx *tx) error {
	keys := make([]balanceKey, 0, len(b))
	for key := range b {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(x, y balanceKey) int {
		return cmp.Or(cmp.Compare(x.organization, y.organization), cmp.Compare(x.scope, y.scope),
			cmp.Compare(x.window, y.window), cmp.Compare(x.start, y.start))
	})
	for _, key := range keys {
		change := b[key]
		_, err := tx.exec(addToBalance, storable(key.organization), storable(key.scope), int(key.window), key.start,
			int64(change.settled), int64(change.held))
		if err != nil {
			return fmt.Errorf("add to balance: %w", err)
		}
	}
	return nil
}
