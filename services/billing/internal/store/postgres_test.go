package store

import (
	"testing"

	"github.com/tollgate/tollgate/services/billing/internal/store/storetest"
	"github.com/tollgate/tollgate/services/internal/platform/pgtest"
)

func openPostgresForTest(t *testing.T, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{})
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

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t, "synchronous_commit=on") // the server is killed below
	storetest.Run(t, func(t *testing.T) storetest.Store { return openPostgresForTest(t, server.Database(t)) })
	t.Run("two replicas", func(t *testing.T) {
		dsn := server.Database(t)
		storetest.RunReplicas(t, openPostgresForTest(t, dsn), openPostgresForTest(t, dsn))
	})
	t.Run("the server goes away and comes back", func(t *testing.T) {
		s := openPostgresForTest(t, server.Database(t))
		if err := s.writer.do(t.Context(), insertOrganization("a")); err != nil {
			t.Fatal(err)
		}
		server.Kill(t)
		if err := s.writer.do(t.Context(), insertOrganization("b")); err == nil {
			t.Error("a write without a server succeeds")
		}
		if err := s.Ready(t.Context()); err == nil {
			t.Error("ready without a server")
		}
		server.Restart(t)
		if err := s.writer.do(t.Context(), insertOrganization("b")); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		if got := countOrganizations(t, s); got != 2 {
			t.Errorf("%d organisations", got)
		}
	})
}
