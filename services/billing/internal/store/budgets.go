package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

const budgetColumns = `budgets.id, budgets.organization_id, budgets.scope, budgets.span, limit_nano, alerts, budgets.created_at`

func scanBudget(row scanner, more ...any) (budget.Budget, error) {
	var b budget.Budget
	var limit, created int64
	var alerts string
	into := append([]any{&b.ID, &b.Organization, &b.Scope, &b.Window, &limit, &alerts, &created}, more...)
	if err := row.Scan(into...); err != nil {
		return b, err
	}
	b.Limit, b.Created = money.Amount(limit), unstamp(created)
	if alerts != "" {
		if err := json.Unmarshal([]byte(alerts), &b.Alerts); err != nil {
			return b, fmt.Errorf("read alerts: %w", err)
		}
	}
	return b, nil
}

func encodeAlerts(alerts []int32) string {
	if len(alerts) == 0 {
		return ""
	}
	encoded, _ := json.Marshal(alerts) // numbers always marshal
	return string(encoded)
}

// audited is the audit change of a budget.
func audited(change budget.Change, organization, id string) account.Change {
	return account.Change{
		Organization: organization, Actor: change.Actor, Action: change.Action, Resource: "budgets/" + id, At: change.At,
	}
}

// CreateBudget implements budget.Store.
func (s *Store) CreateBudget(ctx context.Context, b budget.Budget, change budget.Change) error {
	err := s.writer.do(ctx, func(tx *tx) error {
		if err := tx.exclude(budgetLock, b.Organization); err != nil {
			return err
		}
		_, err := tx.exec(`INSERT INTO budgets (id, organization_id, scope, span, limit_nano, alerts, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			b.ID, b.Organization, b.Scope, int(b.Window), int64(b.Limit), encodeAlerts(b.Alerts), stamp(b.Created))
		if err != nil {
			return err
		}
		if err := openBalance(tx, &b); err != nil {
			return err
		}
		return s.audit(tx, audited(change, b.Organization, b.ID))
	})
	if isDuplicate(err) {
		return budget.ErrExists
	}
	return wrap("create budget", err)
}

// UpdateBudget implements budget.Store.
func (s *Store) UpdateBudget(ctx context.Context, b budget.Budget, change budget.Change) (budget.Budget, error) {
	var updated budget.Budget
	err := s.writer.do(ctx, func(tx *tx) error {
		changed, err := tx.exec(`UPDATE budgets SET limit_nano = ?, alerts = ? WHERE organization_id = ? AND id = ?`,
			int64(b.Limit), encodeAlerts(b.Alerts), b.Organization, b.ID)
		if err != nil {
			return err
		}
		if changed == 0 {
			return budget.ErrNotFound
		}
		err = tx.rows(`SELECT `+budgetColumns+` FROM budgets WHERE id = ?`, []any{b.ID}, func(row scanner) (err error) {
			updated, err = scanBudget(row)
			return err
		})
		if err != nil {
			return err
		}
		return s.audit(tx, audited(change, b.Organization, b.ID))
	})
	return updated, wrap("update budget", err)
}

// DeleteBudget implements budget.Store.
func (s *Store) DeleteBudget(ctx context.Context, organization, id string, change budget.Change) error {
	return wrap("delete budget", s.writer.do(ctx, func(tx *tx) error {
		changed, err := tx.exec(`DELETE FROM budgets WHERE organization_id = ? AND id = ?`, organization, id)
		if err != nil {
			return err
		}
		if changed == 0 {
			return budget.ErrNotFound
		}
		return s.audit(tx, audited(change, organization, id))
	}))
}

// AllBudgets implements budget.Store.
func (s *Store) AllBudgets(ctx context.Context) ([]budget.Budget, error) {
	var all []budget.Budget
	err := s.query(ctx, `SELECT `+budgetColumns+` FROM budgets ORDER BY organization_id, scope, span`, nil, func(row scanner) error {
		b, err := scanBudget(row)
		all = append(all, b)
		return err
	})
	return all, wrap("read budgets", err)
}

// listBudgets joins each budget with the row of its current window.
const listBudgets = `SELECT ` + budgetColumns + `, COALESCE(settled, 0), COALESCE(held, 0)
 FROM budgets LEFT JOIN balances ON balances.organization_id = budgets.organization_id
  AND balances.scope = budgets.scope AND balances.span = budgets.span
  AND balances.span_start = CASE budgets.span WHEN 2 THEN CAST(? AS BIGINT) WHEN 3 THEN CAST(? AS BIGINT) WHEN 4 THEN CAST(? AS BIGINT) ELSE 0 END
 WHERE budgets.organization_id = ? AND (budgets.scope > ? OR (budgets.scope = ? AND budgets.id > ?))
 ORDER BY budgets.scope, budgets.id LIMIT ?`

// ListBudgets implements budget.Store; the cursor is budget.Cursor of the last.
func (s *Store) ListBudgets(ctx context.Context, organization, after string, limit int, now time.Time) ([]budget.Budget, error) {
	scope, id, _ := strings.Cut(after, "\n")
	args := []any{
		stamp(budget.Day.Start(now)), stamp(budget.Week.Start(now)), stamp(budget.Month.Start(now)),
		organization, scope, scope, id, limit,
	}
	var page []budget.Budget
	err := s.query(ctx, listBudgets, args, func(row scanner) error {
		var settled, held int64
		b, err := scanBudget(row, &settled, &held)
		b.Settled, b.Held = money.Amount(settled), money.Amount(held)
		page = append(page, b)
		return err
	})
	return page, wrap("list budgets", err)
}

// wrap says what failed; errors that callers test for pass through errors.Is.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
