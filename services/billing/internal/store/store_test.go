package store

import (
	"os"
	"path/filepath"
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
