package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// tx runs statements of the writer's transaction. Statements are prepared once
// per connection. None is cancelled by a caller: that would break the
// transaction for all who share it.
type tx struct {
	ctx      context.Context // bounds the transaction
	conn     *sql.Conn
	dialect  dialect
	prepared map[string]*sql.Stmt
}

// bound sets the transaction's time limit and returns what ends it. SQLite
// needs none, and watching for one costs a goroutine per statement.
func (t *tx) bound() (end func()) {
	if !t.dialect.server {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	t.ctx = ctx
	return func() {
		cancel()
		t.ctx = context.Background()
	}
}

func (t *tx) statement(query string) (*sql.Stmt, error) {
	if stmt, ok := t.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(t.ctx, t.dialect.bind(query))
	if err != nil {
		return nil, err
	}
	t.prepared[query] = stmt
	return stmt, nil
}

// command runs BEGIN, COMMIT and their like.
func (t *tx) command(text string) error {
	stmt, err := t.statement(text)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(t.ctx)
	return err
}

// exec runs a statement and tells how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	stmt, err := t.statement(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row runs a query for one row; scanning gives sql.ErrNoRows when there is none.
func (t *tx) row(query string, args []any, into ...any) error {
	stmt, err := t.statement(query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(t.ctx, args...).Scan(into...)
}

// rows runs a query and scans each row.
func (t *tx) rows(query string, args []any, scan func(scanner) error) error {
	stmt, err := t.statement(query)
	if err != nil {
		return err
	}
	found, err := stmt.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	return each(found, scan)
}

// Kinds of advisory locks, each of one organisation.
const (
	budgetLock = 1
	auditLock  = 2
)

// share and exclude order the makers of an organisation's budgets and those who
// book its usage; exclude also orders the writers of its audit log. SQLite has
// one writer, which is order enough.
func (t *tx) share(kind int, organization string) error {
	return t.advise("pg_advisory_xact_lock_shared", kind, organization)
}

func (t *tx) exclude(kind int, organization string) error {
	return t.advise("pg_advisory_xact_lock", kind, organization)
}

func (t *tx) advise(function string, kind int, organization string) error {
	if !t.dialect.server {
		return nil
	}
	_, err := t.exec(`SELECT `+function+`(CAST(? AS INTEGER), hashtext(?))`, kind, storable(organization))
	return err
}

func (t *tx) close() {
	for _, stmt := range t.prepared {
		_ = stmt.Close()
	}
	_ = t.conn.Close()
}

// scanner is a row under the cursor.
type scanner interface{ Scan(into ...any) error }

func each(found *sql.Rows, scan func(scanner) error) error {
	defer func() { _ = found.Close() }()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// query reads outside the writer.
func (s *Store) query(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	found, err := s.reads.QueryContext(ctx, s.dialect.bind(query), args...)
	if err != nil {
		return err
	}
	return each(found, scan)
}

// bind writes placeholders the way the database wants them.
func (d dialect) bind(query string) string {
	if !d.numbered || !strings.Contains(query, "?") {
		return query
	}
	var out strings.Builder
	number := 0
	for _, c := range query {
		if c != '?' {
			out.WriteRune(c)
			continue
		}
		number++
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(number))
	}
	return out.String()
}
