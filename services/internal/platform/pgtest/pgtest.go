// Package pgtest runs a private PostgreSQL for tests, from the binaries that
// are installed: own data directory, own port, gone with the test.
package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/services/internal/platform/daemontest"
)

// startLimit bounds initdb and the first answer of a server.
const startLimit = 60 * time.Second

// Server is a running PostgreSQL with one superuser, postgres, and no
// password. It listens on loopback only.
type Server struct {
	bin      string
	dir      string
	settings []string
	port     int
	log      daemontest.Log
	process  daemontest.Process
	names    atomic.Int64
}

// Start runs a server until the test ends. Settings are PostgreSQL's, such as
// "fsync=on"; by default durability is off, for speed. Without PostgreSQL the
// test is skipped, or fails when the environment says CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	bin, err := findBinaries()
	if err != nil {
		daemontest.Missing(tb, "PostgreSQL", err)
	}
	// Not tb.TempDir: the user postgres could not enter it.
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{bin: bin, dir: dir, settings: settings, log: daemontest.Log(filepath.Join(dir, "log"))}
	tb.Cleanup(func() {
		s.Stop(tb)
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the data of PostgreSQL: %v", err)
		}
	})
	if err := giveToPostgres(dir); err != nil {
		daemontest.Missing(tb, "PostgreSQL", err)
	}
	s.initialise(tb)
	s.start(tb)
	return s
}

// findBinaries prefers the newest version under /usr/lib/postgresql.
func findBinaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("initdb is neither in /usr/lib/postgresql nor in PATH: %w", err)
	}
	return filepath.Dir(path), nil
}

func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin))) // 0 sorts last
	return n
}

func (s *Server) initialise(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata="+s.data(), "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	attr, err := processAttributes()
	if err != nil {
		tb.Fatal(err)
	}
	cmd.SysProcAttr, cmd.Dir = attr, s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) start(tb testing.TB) {
	tb.Helper()
	err := daemontest.OnFreePort(func(port int) error {
		s.port = port
		err := s.run()
		if err != nil {
			s.Stop(tb)
		}
		return err
	})
	if err != nil {
		tb.Fatalf("start PostgreSQL: %v", s.log.Explain(err))
	}
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", ""}
	for _, setting := range append([]string{
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200",
	}, s.settings...) {
		args = append(args, "-c", setting)
	}
	attr, err := processAttributes()
	if err != nil {
		return err
	}
	log, err := s.log.Open()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = attr, s.dir, log, log
	if s.process, err = daemontest.Start(cmd, syscall.SIGQUIT); err != nil {
		return err
	}
	return s.awaitAnswer()
}

func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return s.process.Await(startLimit, func() error {
		conn, err := pgx.Connect(ctx, s.dsn("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// Stop ends the server at once, as an outage would; open connections break.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.process.End(tb, syscall.SIGINT) // PostgreSQL's fast shutdown
}

// Kill ends the server without letting it write anything.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.process.End(tb, syscall.SIGQUIT) // PostgreSQL's immediate shutdown, children included
}

// Restart starts the server again on the same port, with its data.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	if err := s.run(); err != nil {
		tb.Fatalf("restart PostgreSQL: %v", s.log.Explain(err))
	}
}

// Database makes an empty database for the test and returns its URL. It is
// dropped with the test if the server still runs then.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", s.names.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		tb.Fatalf("create database: %v", err)
	}
	tb.Cleanup(func() {
		if !s.process.Running() {
			return
		}
		if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("drop database: %v", err)
		}
	})
	return s.dsn(name)
}

func (s *Server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (s *Server) dsn(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: database}
	u.RawQuery = strings.Join([]string{"sslmode=disable", "connect_timeout=5"}, "&")
	return u.String()
}
