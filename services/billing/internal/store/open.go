// Package store keeps accounts, budgets and the ledger in SQLite or
// PostgreSQL. All writes pass through one goroutine, which commits whatever
// has queued up in one transaction.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations
var migrations embed.FS

// Durability says what a commit survives.
type Durability string

// The durabilities of SQLite; PostgreSQL keeps its own setting.
const (
	// Normal survives the death of the process, not always the loss of power.
	Normal Durability = "normal"
	// Full survives the loss of power; each commit waits for the disk.
	Full Durability = "full"
)

// Options tune a store. The zero value works.
type Options struct {
	Durability Durability // empty: Normal
	Readers    int        // connections for reading; 0: 4
	QueueSize  int        // operations that may wait; 0: 1024
}

// Store implements the stores of accounts, budgets and the ledger.
type Store struct {
	dialect dialect
	reads   *sql.DB
	writer  *writer
	ids     sequence
}

// dialect is where the two databases differ.
type dialect struct {
	goose  goose.Dialect
	folder string
	// begin starts a transaction that writes.
	begin string
	// lock is appended to a SELECT whose rows are about to change.
	lock string
	// server: reached over a network, and written by several processes, which
	// order themselves by advisory locks.
	server bool
	// numbered: placeholders are $1, $2, … in place of ?.
	numbered bool
}

var (
	sqliteDialect   = dialect{goose: goose.DialectSQLite3, folder: "migrations/sqlite", begin: "BEGIN IMMEDIATE"}
	postgresDialect = dialect{goose: goose.DialectPostgres, folder: "migrations/postgres", begin: "BEGIN", lock: " FOR UPDATE", server: true, numbered: true}
)

// Open opens a database, brings its tables up to date and starts the writer.
// A dsn that begins with postgres:// is a PostgreSQL address; anything else is
// the path of an SQLite file.
func Open(ctx context.Context, dsn string, options Options) (*Store, error) {
	s := &Store{dialect: sqliteDialect}
	var writes *sql.DB
	var err error
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		s.dialect = postgresDialect
		s.reads, writes, err = openPostgres(dsn)
	} else {
		s.reads, writes, err = openSQLite(dsn, options)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if options.Readers <= 0 {
		options.Readers = 4
	}
	s.reads.SetMaxOpenConns(options.Readers)
	writes.SetMaxOpenConns(1)
	if err := s.migrate(ctx, writes); err != nil {
		return nil, errors.Join(err, s.reads.Close(), writes.Close())
	}
	s.writer = startWriter(writes, s.dialect, options.QueueSize)
	return s, nil
}

func openSQLite(path string, options Options) (reads, writes *sql.DB, err error) {
	query := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "temp_store(MEMORY)", "cache_size(-32000)", "wal_autocheckpoint(8000)",
		"synchronous(" + strings.ToUpper(string(orNormal(options.Durability))) + ")",
	}}
	if err := makePrivate(path); err != nil {
		return nil, nil, err
	}
	name := "file:" + escapePath.Replace(path) + "?" + query.Encode()
	if writes, err = sql.Open("sqlite", name); err != nil {
		return nil, nil, err
	}
	if reads, err = sql.Open("sqlite", name+"&_pragma=query_only(1)"); err != nil {
		return nil, nil, errors.Join(err, writes.Close())
	}
	return reads, writes, nil
}

// escapePath writes a path so that nothing in it is taken for a parameter.
var escapePath = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

// makePrivate makes the database file, readable by its owner alone; SQLite
// gives the files beside it the same mode.
func makePrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

func orNormal(durability Durability) Durability {
	if durability == Full {
		return Full
	}
	return Normal
}

func openPostgres(dsn string) (reads, writes *sql.DB, err error) {
	if writes, err = sql.Open("pgx", dsn); err != nil {
		return nil, nil, errors.New("the address cannot be read") // the driver's error may quote the password
	}
	if reads, err = sql.Open("pgx", dsn); err != nil {
		return nil, nil, errors.Join(err, writes.Close())
	}
	return reads, writes, nil
}

func (s *Store) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, s.dialect.folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(s.dialect.goose, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

// Ready fails when the database cannot be read.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.reads.PingContext(ctx); err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	return nil
}

// Close commits what is queued and closes the database.
func (s *Store) Close() error {
	return errors.Join(s.writer.close(), s.reads.Close())
}
