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
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
	process  *os.Process
	ended    chan struct{}
	names    atomic.Int64
}

// Start runs a server until the test ends. Settings are PostgreSQL's, such as
// "fsync=on"; by default durability is off, for speed. Without PostgreSQL the
// test is skipped, or fails when the environment says CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	bin, err := findBinaries()
	if err != nil {
		missing(tb, err)
	}
	// Not tb.TempDir: the user postgres could not enter it.
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{bin: bin, dir: dir, settings: settings}
	tb.Cleanup(func() {
		s.Stop(tb)
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the data of PostgreSQL: %v", err)
		}
	})
	if err := giveToPostgres(dir); err != nil {
		missing(tb, err)
	}
	s.initialise(tb)
	s.start(tb)
	return s
}

func missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("PostgreSQL is needed here: %v", err)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: no PostgreSQL: %v\n", tb.Name(), err)
	tb.Skipf("no PostgreSQL: %v", err)
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

// start tries a few ports: between choosing a free one and listening on it,
// someone else may take it.
func (s *Server) start(tb testing.TB) {
	tb.Helper()
	var err error
	for range 3 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.run(); err == nil {
			return
		}
		s.Stop(tb)
	}
	log, _ := os.ReadFile(s.logFile()) // for the message only
	tb.Fatalf("start PostgreSQL: %v\n%s", err, log)
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

func freePort() (int, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer lis.Close()
	return lis.Addr().(*net.TCPAddr).Port, nil
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
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = attr, s.dir, log, log
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		// The server is to die with the test's process; Linux ties that to
		// the thread which started it, so that thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	return s.awaitAnswer()
}

func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.dsn("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended at once: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server at once, as an outage would; open connections break.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if s.process == nil {
		return
	}
	s.signal(tb, syscall.SIGINT) // PostgreSQL's fast shutdown
}

// Kill ends the server without letting it write anything.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if s.process == nil {
		return
	}
	s.signal(tb, syscall.SIGQUIT) // PostgreSQL's immediate shutdown, children included
}

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	_ = s.process.Signal(sig) // it may have ended by itself
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		_ = s.process.Kill()
		<-s.ended
		tb.Errorf("PostgreSQL did not stop on %v and was killed", sig)
	}
	s.process = nil
}

// Restart starts the server again on the same port, with its data.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	if err := s.run(); err != nil {
		tb.Fatalf("restart PostgreSQL: %v", err)
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
		if s.process == nil {
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
