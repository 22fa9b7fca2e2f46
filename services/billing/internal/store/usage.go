package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

const usageColumns = `id, request_id, attempt, payload_hash, organization_id, team_id, user_id, key_id,
 provider, model, region, mode, target, requested_model,
 input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, output, reasoning, output_audio,
 usage_source, outcome, started_at, duration, first_token, streamed, hold_id, last_attempt, trace_id, metadata,
 cost, price_version, unpriced, committed_at`

const insertUsage = `INSERT INTO usage_rows (` + usageColumns + `)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT (request_id, attempt) DO NOTHING`

const insertEntries = `INSERT INTO ledger_entries (usage_id, line, account, amount, units) VALUES (?, 1, ?, ?, ?), (?, 2, ?, ?, ?)`

// Commit implements ledger.Store.
func (s *Store) Commit(ctx context.Context, postings []ledger.Posting) ([]ledger.Result, error) {
	results := make([]ledger.Result, len(postings))
	err := s.writer.do(ctx, func(tx *tx) error {
		now := time.Now()
		changes := balances{}
		for i := range postings {
			result, err := s.commitOne(tx, &postings[i], now, changes)
			if err != nil {
				return fmt.Errorf("commit usage %s: %w", &postings[i].Record, err)
			}
			results[i] = result
		}
		return changes.apply(tx)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (s *Store) commitOne(tx *tx, posting *ledger.Posting, now time.Time, changes balances) (ledger.Result, error) {
	id := s.ids.next(now)
	inserted, err := tx.exec(insertUsage, usageValues(id, posting, now)...)
	if err != nil {
		return ledger.Result{}, err
	}
	if inserted == 0 {
		return known(tx, posting)
	}
	debit, credit := posting.Entries[0], posting.Entries[1]
	_, err = tx.exec(insertEntries,
		id, storable(debit.Account), int64(debit.Amount), debit.Units,
		id, storable(credit.Account), int64(credit.Amount), credit.Units)
	if err != nil {
		return ledger.Result{}, err
	}
	record := &posting.Record
	changes.settle(record.Scopes, record.Start, posting.Cost)
	if record.Hold != "" {
		if err := s.draw(tx, record, posting.Cost, changes); err != nil {
			return ledger.Result{}, err
		}
	}
	return ledger.Result{Status: ledger.Committed, Cost: posting.Cost}, nil
}

// known says what an identity that is taken was taken by.
func known(tx *tx, posting *ledger.Posting) (ledger.Result, error) {
	var hash string
	var cost int64
	err := tx.row(`SELECT payload_hash, cost FROM usage_rows WHERE request_id = ? AND attempt = ?`,
		[]any{storable(posting.Record.RequestID), posting.Record.Attempt}, &hash, &cost)
	if err != nil {
		return ledger.Result{}, err
	}
	if hash != posting.Hash {
		return ledger.Result{Status: ledger.Conflict, Message: "another record has this request id and attempt"}, nil
	}
	return ledger.Result{Status: ledger.Duplicate, Cost: money.Amount(cost)}, nil
}

func usageValues(id int64, posting *ledger.Posting, now time.Time) []any {
	r := &posting.Record
	metadata := ""
	if len(r.Metadata) > 0 {
		encoded, _ := json.Marshal(r.Metadata) // texts always marshal
		metadata = string(encoded)
	}
	values := make([]any, 0, 37)
	values = append(values, id, storable(r.RequestID), r.Attempt, posting.Hash,
		storable(r.Scopes.Organization), storable(r.Scopes.Team), storable(r.Scopes.User), storable(r.Scopes.Key),
		storable(r.Provider), storable(r.Model), storable(r.Region), string(r.Mode), storable(r.Target), storable(r.RequestedModel))
	for _, count := range r.Tokens {
		values = append(values, count)
	}
	return append(values, int(r.Source), int(r.Outcome), stamp(r.Start), r.Duration.Microseconds(), r.FirstToken.Microseconds(),
		flag(r.Streamed), storable(r.Hold), flag(r.Last), storable(r.TraceID), storable(metadata),
		int64(posting.Cost), posting.PriceVersion, flag(posting.Unpriced), stamp(now))
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

// settle adds a cost to every window of every scope, at the time of the usage.
func (b balances) settle(scopes budget.Scopes, at time.Time, cost money.Amount) {
	if cost == 0 {
		return
	}
	for _, scope := range scopes.Names() {
		for _, window := range budget.Windows {
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
