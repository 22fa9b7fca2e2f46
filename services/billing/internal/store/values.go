package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// stamp is how times are stored: microseconds since 1970, 0 for none.
func stamp(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

func unstamp(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}

// list stores a list of texts; empty is "".
func list(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	encoded, _ := json.Marshal(texts) // texts always marshal
	return string(encoded)
}

func unlist(stored string) ([]string, error) {
	if stored == "" {
		return nil, nil
	}
	var texts []string
	err := json.Unmarshal([]byte(stored), &texts)
	return texts, err
}

// storable makes a text one that every database takes: valid UTF-8 without NUL.
func storable(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "�")
	}
	return strings.ToValidUTF8(text, "�")
}

// isDuplicate tells whether an error is the breach of a unique constraint.
func isDuplicate(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	const uniqueViolation = "23505"
	var postgres *pgconn.PgError
	return errors.As(err, &postgres) && postgres.Code == uniqueViolation
}

// isContention tells whether an operation failed because another process's
// stood in its way, so that it is worth running again.
func isContention(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	const serializationFailure, deadlockDetected = "40001", "40P01"
	var postgres *pgconn.PgError
	return errors.As(err, &postgres) && (postgres.Code == serializationFailure || postgres.Code == deadlockDetected)
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// sequence makes the numbers of usage rows: they rise with time, and the low
// ten bits, random per process, keep replicas of one database apart.
type sequence struct {
	mu   sync.Mutex
	last int64
	node int64
}

const nodeBits = 10

func (q *sequence) next(now time.Time) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == 0 {
		q.node = rand.Int64N(1 << nodeBits)
	}
	q.last = max(now.UnixMicro(), q.last+1)
	return q.last<<nodeBits | q.node
}
