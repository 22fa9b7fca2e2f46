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

const insertUsage = `INSERT INTO usage_rows (` + usageColumns + `) VALUES ` + usageRow

const (
	usageRow    = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	entryRows   = `(?, 1, ?, ?, ?), (?, 2, ?, ?, ?)`
	unlessTaken = ` ON CONFLICT (request_id, attempt) DO NOTHING`

	insertEntries = `INSERT INTO ledger_entries (usage_id, line, account, amount, units) VALUES ` + entryRows
)

// chunk is how many postings one statement writes at most. A batch is cut into
// chunks, quarters of them and single postings, so that there are three
// statements of each kind to prepare.
const chunk = 16

// statements are those for a number of postings.
type statements struct{ insertUsage, insertEntries, find string }

var chunks = map[int]statements{1: statementsFor(1), chunk / 4: statementsFor(chunk / 4), chunk: statementsFor(chunk)}

func statementsFor(size int) statements {
	return statements{
		insertUsage:   insertUsage + strings.Repeat(", "+usageRow, size-1) + unlessTaken,
		insertEntries: insertEntries + strings.Repeat(", "+entryRows, size-1),
		find:          `SELECT id FROM usage_rows WHERE id IN (?` + strings.Repeat(", ?", size-1) + `)`,
	}
}

// chunkOf is the size of the next chunk of what is left.
func chunkOf(left int) int {
	switch {
	case left >= chunk:
		return chunk
	case left >= chunk/4:
		return chunk / 4
	default:
		return 1
	}
}

// Commit implements ledger.Store.
func (s *Store) Commit(ctx context.Context, postings []ledger.Posting) ([]ledger.Result, error) {
	results := make([]ledger.Result, len(postings))
	err := s.writer.do(ctx, func(tx *tx) error {
		c := commit{store: s, tx: tx, now: time.Now(), budgets: budgeted{}, changes: balances{}}
		for done := 0; done < len(postings); {
			size := chunkOf(len(postings) - done)
			if err := c.book(postings[done:done+size], results[done:done+size]); err != nil {
				return fmt.Errorf("commit usage: %w", err)
			}
			done += size
		}
		return c.changes.apply(tx)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// commit is one call of Commit in its transaction.
type commit struct {
	store   *Store
	tx      *tx
	now     time.Time
	budgets budgeted
	changes balances
}

// book writes one posting or a chunk of them.
func (c *commit) book(postings []ledger.Posting, results []ledger.Result) error {
	ids, err := c.insert(postings)
	if err != nil {
		return err
	}
	if err := c.enter(ids, postings); err != nil {
		return err
	}
	for i := range postings {
		if ids[i] == 0 {
			results[i], err = known(c.tx, &postings[i])
		} else {
			results[i], err = c.settle(&postings[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insert writes the usage rows and returns their ids, 0 for those whose
// identity was taken.
func (c *commit) insert(postings []ledger.Posting) ([]int64, error) {
	ids := make([]int64, len(postings))
	values := make([]any, 0, len(postings)*37)
	for i := range postings {
		ids[i] = c.store.ids.next(c.now)
		values = appendUsage(values, ids[i], &postings[i], c.now)
	}
	inserted, err := c.tx.exec(chunks[len(postings)].insertUsage, values...)
	switch {
	case err != nil:
		return nil, err
	case int(inserted) == len(ids):
		return ids, nil
	case len(ids) == 1:
		return []int64{0}, nil
	}
	return c.present(ids)
}

// present keeps the ids that are in the table and turns the others into 0.
func (c *commit) present(ids []int64) ([]int64, error) {
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	found := map[int64]bool{}
	err := c.tx.rows(chunks[len(ids)].find, values, func(row scanner) error {
		var id int64
		err := row.Scan(&id)
		found[id] = true
		return err
	})
	for i, id := range ids {
		if !found[id] {
			ids[i] = 0
		}
	}
	return ids, err
}

// enter writes the ledger entries of the rows that were inserted.
func (c *commit) enter(ids []int64, postings []ledger.Posting) error {
	const perPosting = 8
	values := make([]any, 0, len(ids)*perPosting)
	for i := range postings {
		if ids[i] == 0 {
			continue
		}
		for _, entry := range postings[i].Entries {
			values = append(values, ids[i], storable(entry.Account), int64(entry.Amount), entry.Units)
		}
	}
	for len(values) > 0 {
		size := chunkOf(len(values) / perPosting)
		if _, err := c.tx.exec(chunks[size].insertEntries, values[:size*perPosting]...); err != nil {
			return err
		}
		values = values[size*perPosting:]
	}
	return nil
}

// settle adds a new row's cost to the balances and draws on its hold.
func (c *commit) settle(posting *ledger.Posting) (ledger.Result, error) {
	record := &posting.Record
	if err := c.budgets.load(c.tx, record.Scopes.Organization); err != nil {
		return ledger.Result{}, err
	}
	c.changes.settle(c.budgets, record.Scopes, record.Start, posting.Cost)
	if record.Hold != "" {
		if err := c.store.draw(c.tx, record, posting.Cost, c.changes); err != nil {
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

// appendUsage appends the values of usageColumns.
func appendUsage(values []any, id int64, posting *ledger.Posting, now time.Time) []any {
	r := &posting.Record
	metadata := ""
	if len(r.Metadata) > 0 {
		encoded, _ := json.Marshal(r.Metadata) // texts always marshal
		metadata = string(encoded)
	}
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
