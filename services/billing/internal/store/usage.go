package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

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

// manyEntries books so many postings with one statement.
const manyEntries = 16

var insertManyEntries = insertEntries + strings.Repeat(", (?, 1, ?, ?, ?), (?, 2, ?, ?, ?)", manyEntries-1)

// Commit implements ledger.Store.
func (s *Store) Commit(ctx context.Context, postings []ledger.Posting) ([]ledger.Result, error) {
	results := make([]ledger.Result, len(postings))
	err := s.writer.do(ctx, func(tx *tx) error {
		now := time.Now()
		changes, budgets, entries := balances{}, budgeted{}, entryBatch{}
		for i := range postings {
			if err := budgets.load(tx, postings[i].Record.Scopes.Organization); err != nil {
				return err
			}
			result, err := s.commitOne(tx, &postings[i], now, budgets, changes, &entries)
			if err != nil {
				return fmt.Errorf("commit usage %s: %w", &postings[i].Record, err)
			}
			results[i] = result
		}
		if err := entries.flush(tx); err != nil {
			return err
		}
		return changes.apply(tx)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// entryBatch collects ledger entries, so that many are written by one statement.
type entryBatch struct{ values []any }

// valuesPerPosting is how many values the two entries of a posting have.
const valuesPerPosting = 8

func (b *entryBatch) add(tx *tx, id int64, posting *ledger.Posting) error {
	for _, entry := range posting.Entries {
		b.values = append(b.values, id, storable(entry.Account), int64(entry.Amount), entry.Units)
	}
	if len(b.values) < manyEntries*valuesPerPosting {
		return nil
	}
	_, err := tx.exec(insertManyEntries, b.values...)
	b.values = b.values[:0]
	return err
}

func (b *entryBatch) flush(tx *tx) error {
	for rest := b.values; len(rest) > 0; rest = rest[valuesPerPosting:] {
		if _, err := tx.exec(insertEntries, rest[:valuesPerPosting]...); err != nil {
			return fmt.Errorf("write ledger entries: %w", err)
		}
	}
	return nil
}

func (s *Store) commitOne(tx *tx, posting *ledger.Posting, now time.Time, budgets budgeted, changes balances, entries *entryBatch) (ledger.Result, error) {
	id := s.ids.next(now)
	inserted, err := tx.exec(insertUsage, usageValues(id, posting, now)...)
	if err != nil {
		return ledger.Result{}, err
	}
	if inserted == 0 {
		return known(tx, posting)
	}
	if err := entries.add(tx, id, posting); err != nil {
		return ledger.Result{}, err
	}
	record := &posting.Record
	changes.settle(budgets, record.Scopes, record.Start, posting.Cost)
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
