package pgtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/services/internal/platform/pgtest"
)

func query(t *testing.T, url, sql string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	var n int
	err = conn.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestServer(t *testing.T) {
	server := pgtest.Start(t, "fsync=on", "synchronous_commit=on")
	first, second := server.Database(t), server.Database(t)
	const count = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'"
	execute(t, first, "CREATE TABLE mine (n int)")
	if n, err := query(t, first, count); err != nil || n != 1 {
		t.Errorf("first: %d %v", n, err)
	}
	if n, err := query(t, second, count); err != nil || n != 0 {
		t.Errorf("second: %d %v", n, err)
	}
	server.Stop(t)
	if _, err := query(t, second, "SELECT 1"); err == nil {
		t.Error("a stopped server answers")
	}
	server.Restart(t)
	if _, err := query(t, second, "SELECT 1"); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	server.Kill(t)
	server.Restart(t)
	if n, err := query(t, first, count); err != nil || n != 1 {
		t.Errorf("after the kill: %d %v", n, err)
	}
}
