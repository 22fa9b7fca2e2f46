package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/billing/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killedDatabase); path != "" {
		bookUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func openSQLiteForTest(t testing.TB, options Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "billing.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return openSQLiteForTest(t, Options{}) })
}

func TestTheDatabaseIsPrivateAndItsPathTakenLiterally(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%20?mode=memory#.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "missing", "billing.db"), Options{}); err == nil {
		t.Error("a database in a folder that is not there opens")
	}
	_, err := Open(t.Context(), "postgres://ledger:hunter2@127.0.0.1:1/x?connect_timeout=1", Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a server that is not there: %v", err)
	}
}
