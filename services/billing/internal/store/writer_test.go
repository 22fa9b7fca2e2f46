package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func countOrganizations(t *testing.T, s *Store) (count int) {
	t.Helper()
	err := s.query(t.Context(), `SELECT COUNT(*) FROM organizations`, nil, func(row scanner) error { return row.Scan(&count) })
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func insertOrganization(id string) func(*tx) error {
	return func(tx *tx) error {
		_, err := tx.exec(`INSERT INTO organizations (id, display_name, created_at) VALUES (?, '', 0)`, id)
		return err
	}
}

// block keeps the writer busy until the returned function is called, so that
// what is queued meanwhile shares one transaction.
func block(t *testing.T, s *Store) (unblock func()) {
	t.Helper()
	begun, free := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		_ = s.writer.do(context.Background(), func(*tx) error {
			close(begun)
			<-free
			return nil
		})
	})
	<-begun
	return func() {
		close(free)
		done.Wait()
	}
}

func TestOneBadOperationDoesNotFailItsNeighbours(t *testing.T) {
	s := openSQLiteForTest(t, Options{})
	unblock := block(t, s)
	boom := errors.New("boom")
	operations := map[string]func(*tx) error{
		"a": insertOrganization("a"),
		"a again, half done": func(tx *tx) error {
			if err := insertOrganization("half")(tx); err != nil {
				return err
			}
			return insertOrganization("b")(tx)
		},
		"fails after a write": func(tx *tx) error {
			if err := insertOrganization("gone")(tx); err != nil {
				return err
			}
			return boom
		},
		"breaks a constraint": func(tx *tx) error {
			_, err := tx.exec(`INSERT INTO teams (organization_id, id, display_name, created_at) VALUES ('nobody', 't', '', 0)`)
			return err
		},
		"no such table": func(tx *tx) error { _, err := tx.exec(`DELETE FROM nothing`); return err },
		"c":             insertOrganization("c"),
	}
	failed := map[string]error{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for name, run := range operations {
		group.Go(func() {
			err := s.writer.do(t.Context(), run)
			mu.Lock()
			defer mu.Unlock()
			failed[name] = err
		})
	}
	for len(s.writer.queue) < len(operations) {
		time.Sleep(time.Millisecond)
	}
	unblock()
	group.Wait()
	for name, err := range failed {
		if wantFailure := name == "fails after a write" || name == "breaks a constraint" || name == "no such table"; (err != nil) != wantFailure {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !errors.Is(failed["fails after a write"], boom) {
		t.Errorf("the operation's own error is lost: %v", failed["fails after a write"])
	}
	if got := countOrganizations(t, s); got != 4 { // a, half, b, c
		t.Errorf("%d organisations", got)
	}
}

func TestABrokenConnectionIsReplaced(t *testing.T) {
	s := openSQLiteForTest(t, Options{})
	if err := s.writer.do(t.Context(), insertOrganization("a")); err != nil {
		t.Fatal(err)
	}
	err := s.writer.do(t.Context(), func(tx *tx) error {
		tx.close() // as if the server had gone
		return insertOrganization("b")(tx)
	})
	if err == nil {
		t.Error("a write without a connection succeeds")
	}
	if err := s.writer.do(t.Context(), insertOrganization("c")); err != nil {
		t.Errorf("after the connection broke: %v", err)
	}
}

func TestACallerMayGiveUpWhileWaiting(t *testing.T) {
	s := openSQLiteForTest(t, Options{})
	unblock := block(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := s.writer.do(ctx, insertOrganization("late")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	unblock()
	if err := s.writer.do(t.Context(), insertOrganization("next")); err != nil {
		t.Fatal(err)
	}
	if got := countOrganizations(t, s); got != 1 {
		t.Errorf("%d organisations: what was given up is written", got)
	}
}

func TestCloseCommitsWhatIsQueuedAndRefusesMore(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir()+"/billing.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	unblock := block(t, s)
	queued := make(chan error)
	go func() { queued <- s.writer.do(context.Background(), insertOrganization("queued")) }()
	for len(s.writer.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-s.writer.stop
	unblock()
	if err := <-queued; err != nil {
		t.Errorf("queued: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.writer.do(t.Context(), insertOrganization("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestBind(t *testing.T) {
	const query = `SELECT a FROM b WHERE c = ? AND d > ?`
	if got := postgresDialect.bind(query); got != `SELECT a FROM b WHERE c = $1 AND d > $2` {
		t.Error(got)
	}
	if got := sqliteDialect.bind(query); got != query {
		t.Error(got)
	}
}

func TestSequenceRises(t *testing.T) {
	var q sequence
	now := time.Now()
	last := int64(0)
	for i := range 1000 {
		next := q.next(now.Add(-time.Duration(i) * time.Microsecond)) // a clock that goes back
		if next <= last {
			t.Fatalf("%d follows %d", next, last)
		}
		last = next
	}
}
