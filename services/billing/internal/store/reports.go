package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// dayMicros is a day in stored time.
const dayMicros = int64(24 * time.Hour / time.Microsecond)

// dimensionColumns are the expressions that reports group by.
var dimensionColumns = map[ledger.Dimension]string{
	ledger.ByDay: fmt.Sprintf("CAST(started_at / %d AS BIGINT)", dayMicros), ledger.ByTeam: "team_id", ledger.ByUser: "user_id",
	ledger.ByKey: "key_id", ledger.ByModel: "model", ledger.ByProvider: "provider", ledger.ByTarget: "target",
}

// maxGroups bounds a report.
const maxGroups = 10_000

// Report sums usage, the dearest group first.
func (s *Store) Report(ctx context.Context, query ledger.ReportQuery) ([]ledger.Sums, error) {
	columns := make([]string, len(query.GroupBy))
	for i, dimension := range query.GroupBy {
		columns[i] = dimensionColumns[dimension]
	}
	text := "SELECT "
	for _, column := range columns {
		text += column + ", "
	}
	text += `COUNT(*), COUNT(DISTINCT request_id), `
	for class := range price.ClassCount {
		text += sum(class.String()) + ", "
	}
	text += sum("cost") + ", " + sum("unpriced") + ", " + sum("CASE WHEN usage_source = 2 THEN 1 ELSE 0 END") +
		` FROM usage_rows WHERE organization_id = ? AND started_at >= ? AND started_at < ?`
	if len(columns) > 0 {
		text += " GROUP BY " + strings.Join(columns, ", ")
	}
	text += fmt.Sprintf(" ORDER BY %s DESC LIMIT %d", sum("cost"), maxGroups)
	var found []ledger.Sums
	err := s.query(ctx, text, []any{query.Organization, stamp(query.From), stamp(query.Until)}, func(row scanner) error {
		sums, err := scanSums(row, query.GroupBy)
		found = append(found, sums)
		return err
	})
	return found, wrap("report usage", err)
}

func sum(column string) string { return "CAST(COALESCE(SUM(" + column + "), 0) AS BIGINT)" }

func scanSums(row scanner, groupBy []ledger.Dimension) (ledger.Sums, error) {
	sums := ledger.Sums{Group: make(map[ledger.Dimension]string, len(groupBy))}
	values := make([]string, len(groupBy))
	var day, cost int64
	into := make([]any, 0, len(groupBy)+int(price.ClassCount)+5)
	for i, dimension := range groupBy {
		if dimension == ledger.ByDay {
			into = append(into, &day)
		} else {
			into = append(into, &values[i])
		}
	}
	into = append(into, &sums.Attempts, &sums.Requests)
	for class := range sums.Tokens {
		into = append(into, &sums.Tokens[class])
	}
	into = append(into, &cost, &sums.Unpriced, &sums.Estimated)
	if err := row.Scan(into...); err != nil {
		return sums, err
	}
	sums.Cost = money.Amount(cost)
	for i, dimension := range groupBy {
		if dimension == ledger.ByDay {
			values[i] = time.UnixMicro(day * dayMicros).UTC().Format(time.DateOnly)
		}
		sums.Group[dimension] = values[i]
	}
	return sums, nil
}

// Rows lists ledger rows, the newest first.
func (s *Store) Rows(ctx context.Context, query ledger.RowQuery) ([]ledger.Row, error) {
	text := `SELECT ` + usageColumns + ` FROM usage_rows WHERE organization_id = ?`
	args := []any{query.Organization}
	if query.RequestID != "" {
		text += ` AND request_id = ?`
		args = append(args, query.RequestID)
	}
	if query.Before > 0 {
		text += ` AND id < ?`
		args = append(args, query.Before)
	}
	var found []ledger.Row
	err := s.query(ctx, text+` ORDER BY id DESC LIMIT ?`, append(args, query.Limit), func(row scanner) error {
		scanned, err := scanUsage(row)
		found = append(found, scanned)
		return err
	})
	return found, wrap("list usage", err)
}

func scanUsage(row scanner) (ledger.Row, error) {
	var out ledger.Row
	r := &out.Record
	var started, duration, firstToken, cost, committed int64
	var streamed, last, unpriced int
	var metadata string
	into := []any{
		&out.Sequence, &r.RequestID, &r.Attempt, &out.Hash, &r.Scopes.Organization, &r.Scopes.Team, &r.Scopes.User, &r.Scopes.Key,
		&r.Provider, &r.Model, &r.Region, &r.Mode, &r.Target, &r.RequestedModel,
	}
	for class := range r.Tokens {
		into = append(into, &r.Tokens[class])
	}
	into = append(into, &r.Source, &r.Outcome, &started, &duration, &firstToken, &streamed, &r.Hold, &last, &r.TraceID, &metadata,
		&cost, &out.PriceVersion, &unpriced, &committed)
	if err := row.Scan(into...); err != nil {
		return out, err
	}
	r.Start, r.Duration, r.FirstToken = unstamp(started), time.Duration(duration)*time.Microsecond, time.Duration(firstToken)*time.Microsecond
	r.Streamed, r.Last, out.Unpriced = streamed != 0, last != 0, unpriced != 0
	out.Cost, out.Committed = money.Amount(cost), unstamp(committed)
	if metadata != "" {
		if err := json.Unmarshal([]byte(metadata), &r.Metadata); err != nil {
			return out, fmt.Errorf("read metadata: %w", err)
		}
	}
	return out, nil
}
