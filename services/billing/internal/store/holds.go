package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

const insertHold = `INSERT INTO holds (id, organization_id, request_id, lease, amount, remaining, charges, created_at, expires_at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization_id, request_id) WHERE request_id <> '' DO NOTHING`

// reserve takes an amount where the limit covers it; no row changes where it
// does not. The first hold of a window makes its row.
const reserve = `INSERT INTO balances (organization_id, scope, span, span_start, settled, held) VALUES (?, ?, ?, ?, 0, ?)
 ON CONFLICT (organization_id, scope, span, span_start)
 DO UPDATE SET held = balances.held + excluded.held WHERE balances.settled + balances.held + excluded.held <= ?`

// Reserve implements budget.HoldStore.
func (s *Store) Reserve(ctx context.Context, hold budget.Hold) (budget.Hold, error) {
	made := hold
	charges, err := json.Marshal(hold.Charges)
	if err != nil {
		return budget.Hold{}, fmt.Errorf("reserve: %w", err)
	}
	err = s.writer.do(ctx, func(tx *tx) error {
		made = hold
		inserted, err := tx.exec(insertHold, hold.ID, hold.Organization, storable(hold.RequestID), flag(hold.Lease),
			int64(hold.Amount), int64(hold.Amount), string(charges), stamp(hold.Created), stamp(hold.Expires))
		if err != nil {
			return err
		}
		if inserted == 0 {
			made, err = s.renew(tx, &hold)
			return err
		}
		for _, charge := range hold.Charges {
			if err := take(tx, &hold, charge); err != nil {
				return err // which takes the row back as well
			}
		}
		return nil
	})
	if err != nil {
		return budget.Hold{}, fmt.Errorf("reserve: %w", err)
	}
	return made, nil
}

// renew prolongs the hold that a request has already.
func (s *Store) renew(tx *tx, hold *budget.Hold) (budget.Hold, error) {
	var id string
	var amount, created int64
	err := tx.row(`SELECT id, amount, created_at FROM holds WHERE organization_id = ? AND request_id = ?`,
		[]any{hold.Organization, storable(hold.RequestID)}, &id, &amount, &created)
	if err != nil {
		return budget.Hold{}, err
	}
	earlier := *hold
	earlier.ID, earlier.Amount, earlier.Created = id, money.Amount(amount), unstamp(created)
	_, err = tx.exec(`UPDATE holds SET expires_at = ? WHERE id = ?`, stamp(hold.Expires), id)
	return earlier, err
}

// take reserves in one window or says what is left there.
func take(tx *tx, hold *budget.Hold, charge budget.Charge) error {
	place := []any{hold.Organization, charge.Scope, int(charge.Window), stamp(charge.WindowStart)}
	if hold.Amount <= charge.Limit {
		changed, err := tx.exec(reserve, append(place, int64(hold.Amount), int64(charge.Limit))...)
		if err != nil || changed == 1 {
			return err
		}
	}
	var settled, held int64
	err := tx.row(`SELECT settled, held FROM balances WHERE organization_id = ? AND scope = ? AND span = ? AND span_start = ?`,
		place[:4:4], &settled, &held)
	if err != nil && !isNoRows(err) {
		return err
	}
	return &budget.Exceeded{
		Scope: charge.Scope, Window: charge.Window, Limit: charge.Limit, Asked: hold.Amount,
		Remaining: max(0, charge.Limit-money.Amount(settled)-money.Amount(held)),
	}
}

// draw lets a settlement use up its hold: its cost, or all that is left when
// the request ends. A hold that is gone (released, expired) changes nothing.
func (s *Store) draw(tx *tx, record *ledger.Record, cost money.Amount, changes balances) error {
	if record.Last {
		ended, err := endOwn(tx, record, changes)
		if err != nil || ended {
			return err
		}
	}
	left, found, err := s.holdLeft(tx, record.Hold)
	if err != nil || !found || left.organization != record.Scopes.Organization {
		return err
	}
	used := min(cost, left.remaining)
	changes.release(left.organization, left.charges, used)
	_, err = tx.exec(`UPDATE holds SET remaining = remaining - ? WHERE id = ?`, int64(used), record.Hold)
	return err
}

// endOwn ends the hold of a request with its last record, in one statement; a
// lease goes on.
func endOwn(tx *tx, record *ledger.Record, changes balances) (ended bool, err error) {
	hold := &liveHold{id: record.Hold, organization: record.Scopes.Organization}
	var remaining int64
	var charges string
	err = tx.row(`DELETE FROM holds WHERE id = ? AND organization_id = ? AND lease = 0 RETURNING remaining, charges`,
		[]any{storable(hold.id), storable(hold.organization)}, &remaining, &charges)
	if isNoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal([]byte(charges), &hold.charges); err != nil {
		return false, fmt.Errorf("read hold: %w", err)
	}
	changes.release(hold.organization, hold.charges, money.Amount(remaining))
	return true, nil
}

// liveHold is a hold as far as ending it needs.
type liveHold struct {
	id, organization string
	lease            bool
	remaining        money.Amount
	charges          []budget.Charge
}

func (s *Store) holdLeft(tx *tx, id string) (*liveHold, bool, error) {
	hold := &liveHold{id: id}
	var remaining int64
	var lease int
	var charges string
	err := tx.row(`SELECT organization_id, lease, remaining, charges FROM holds WHERE id = ?`+s.dialect.lock,
		[]any{storable(id)}, &hold.organization, &lease, &remaining, &charges)
	if isNoRows(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	hold.lease, hold.remaining = lease != 0, money.Amount(remaining)
	if err := json.Unmarshal([]byte(charges), &hold.charges); err != nil {
		return nil, false, fmt.Errorf("read hold: %w", err)
	}
	return hold, true, nil
}

func (h *liveHold) end(tx *tx, changes balances) error {
	changes.release(h.organization, h.charges, h.remaining)
	_, err := tx.exec(`DELETE FROM holds WHERE id = ?`, h.id)
	return err
}

// Release implements budget.HoldStore.
func (s *Store) Release(ctx context.Context, id string) error {
	err := s.writer.do(ctx, func(tx *tx) error { return s.end(tx, []string{id}) })
	if err != nil {
		return fmt.Errorf("release hold: %w", err)
	}
	return nil
}

// Expire implements budget.HoldStore.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	var expired []string
	err := s.writer.do(ctx, func(tx *tx) error {
		expired = expired[:0]
		err := tx.rows(`SELECT id FROM holds WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`, []any{stamp(now), limit},
			func(row scanner) error {
				var id string
				err := row.Scan(&id)
				expired = append(expired, id)
				return err
			})
		if err != nil {
			return err
		}
		return s.end(tx, expired)
	})
	if err != nil {
		return 0, fmt.Errorf("expire holds: %w", err)
	}
	return len(expired), nil
}

func (s *Store) end(tx *tx, ids []string) error {
	changes := balances{}
	for _, id := range ids {
		hold, found, err := s.holdLeft(tx, id)
		if err != nil {
			return err
		}
		if found {
			if err := hold.end(tx, changes); err != nil {
				return err
			}
		}
	}
	return changes.apply(tx)
}
