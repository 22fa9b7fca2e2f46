package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// Verify recomputes the balance of every budget from the ledger and the live
// holds, and checks that each ledger transaction adds up to zero. It reads the whole
// ledger, while nothing else is written.
func (s *Store) Verify(ctx context.Context) error {
	return wrap("verify ledger", s.writer.do(ctx, func(tx *tx) error {
		if err := verifyEntries(tx); err != nil {
			return err
		}
		expected := balances{}
		since, err := budgetsSince(tx)
		if err != nil {
			return err
		}
		if err := replayUsage(tx, since, expected); err != nil {
			return err
		}
		if err := replayHolds(tx, expected); err != nil {
			return err
		}
		return compareBalances(tx, since, expected)
	}))
}

func verifyEntries(tx *tx) error {
	query := `SELECT usage_id, CAST(SUM(amount) AS BIGINT), COUNT(*) FROM ledger_entries GROUP BY usage_id HAVING SUM(amount) <> 0 OR SUM(units) <> 0 OR COUNT(*) <> 2`
	err := tx.rows(query, nil, func(row scanner) error {
		var id, sum, count int64
		if err := row.Scan(&id, &sum, &count); err != nil {
			return err
		}
		return fmt.Errorf("entries of row %d: %d of them add up to %d", id, count, sum)
	})
	if err != nil {
		return err
	}
	var rows, booked int64
	err = tx.row(`SELECT (SELECT COUNT(*) FROM usage_rows), (SELECT COUNT(DISTINCT usage_id) FROM ledger_entries)`, nil, &rows, &booked)
	if err == nil && rows != booked {
		err = fmt.Errorf("%d usage rows, but entries of %d", rows, booked)
	}
	return err
}

// budgetsSince tells from which window on each budget keeps a balance.
func budgetsSince(tx *tx) (map[balanceKey]int64, error) {
	since := map[balanceKey]int64{}
	err := tx.rows(`SELECT `+budgetColumns+` FROM budgets`, nil, func(row scanner) error {
		b, err := scanBudget(row)
		since[balanceKey{organization: b.Organization, scope: b.Scope, window: b.Window}] = stamp(b.Window.Start(b.Created))
		return err
	})
	return since, err
}

func replayUsage(tx *tx, since map[balanceKey]int64, expected balances) error {
	budgets := budgeted{}
	for key := range since {
		if budgets[key.organization] == nil {
			budgets[key.organization] = map[string][]budget.Window{}
		}
		budgets[key.organization][key.scope] = append(budgets[key.organization][key.scope], key.window)
	}

	query := fmt.Sprintf(`SELECT organization_id, team_id, user_id, key_id, CAST(started_at / %d AS BIGINT), CAST(SUM(cost) AS BIGINT)
	 FROM usage_rows GROUP BY 1, 2, 3, 4, 5`, dayMicros)
	return tx.rows(query, nil, func(row scanner) error {
		var scopes budget.Scopes
		var day, cost int64
		if err := row.Scan(&scopes.Organization, &scopes.Team, &scopes.User, &scopes.Key, &day, &cost); err != nil {
			return err
		}
		expected.settle(budgets, scopes, unstamp(day*dayMicros), money.Amount(cost))
		return nil
	})
}

func replayHolds(tx *tx, expected balances) error {
	return tx.rows(`SELECT organization_id, remaining, charges FROM holds`, nil, func(row scanner) error {
		var organization, stored string
		var remaining int64
		if err := row.Scan(&organization, &remaining, &stored); err != nil {
			return err
		}
		var charges []budget.Charge
		if err := json.Unmarshal([]byte(stored), &charges); err != nil {
			return err
		}
		expected.release(organization, charges, -money.Amount(remaining))
		return nil
	})
}

func compareBalances(tx *tx, since map[balanceKey]int64, expected balances) error {
	kept := func(key balanceKey) bool {
		from, ok := since[balanceKey{organization: key.organization, scope: key.scope, window: key.window}]
		return ok && key.start >= from
	}
	err := tx.rows(`SELECT organization_id, scope, span, span_start, settled, held FROM balances`, nil, func(row scanner) error {
		var key balanceKey
		var settled, held int64
		if err := row.Scan(&key.organization, &key.scope, &key.window, &key.start, &settled, &held); err != nil {
			return err
		}
		want := expected[key]
		delete(expected, key)
		if (kept(key) && want.settled != money.Amount(settled)) || want.held != money.Amount(held) {
			return fmt.Errorf("balance of %s %s %s: settled %d and held %d, the ledger gives %d and %d",
				key.organization, key.scope, key.window, settled, held, want.settled, want.held)
		}
		return nil
	})
	for key, want := range expected {
		if err == nil && (want.held != 0 || (want.settled != 0 && kept(key))) {
			err = fmt.Errorf("balance of %s %s %s is missing", key.organization, key.scope, key.window)
		}
	}
	return err
}
