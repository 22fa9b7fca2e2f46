// Package valkeytest runs a private Valkey for tests, or Redis where that is
// what is installed: own port, a password, nothing on disk, gone with the test.
package valkeytest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/daemontest"
)

// startLimit bounds the first answer of a server.
const startLimit = 20 * time.Second

// binaries are the servers that will do, the best first.
var binaries = []string{"valkey-server", "redis-server"}

// Server is a running Valkey. It listens on loopback only, and forgets all
// that it holds when it stops.
type Server struct {
	// Addr is host and port; Password is the one of the user "default".
	Addr, Password string

	bin     string
	dir     string
	log     daemontest.Log
	process daemontest.Process
}

// Start runs a server until the test ends. Without a binary the test is
// skipped, or fails when the environment says CI=true.
func Start(tb testing.TB) *Server {
	tb.Helper()
	bin, err := find()
	if err != nil {
		daemontest.Missing(tb, "Valkey", err)
	}
	dir := tb.TempDir()
	s := &Server{Password: "valkeytest", bin: bin, dir: dir, log: daemontest.Log(filepath.Join(dir, "log"))}
	tb.Cleanup(func() { s.Stop(tb) })
	err = daemontest.OnFreePort(func(port int) error {
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		err := s.run()
		if err != nil {
			s.Stop(tb)
		}
		return err
	})
	if err != nil {
		tb.Fatalf("start Valkey: %v", s.log.Explain(err))
	}
	return s
}

func find() (string, error) {
	for _, name := range binaries {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("none of %v is in PATH", binaries)
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	log, err := s.log.Open()
	if err != nil {
		return err
	}
	defer log.Close()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.bin, "-")
	// The configuration goes in on stdin, so that the password is not in the
	// list of processes.
	cmd.Stdin = strings.NewReader(strings.Join([]string{
		"bind 127.0.0.1", "port " + port, "requirepass " + s.Password, `save ""`, "appendonly no", "dir " + s.dir, "",
	}, "\n"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if s.process, err = daemontest.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	return s.process.Await(startLimit, s.ping)
}

// ping asks without a client library, so that it tests none.
func (s *Server) ping() error {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", s.Password); err != nil {
		return err
	}
	answers := bufio.NewScanner(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		if !answers.Scan() {
			return errors.Join(errors.New("the connection was closed"), answers.Err())
		}
		if got := answers.Text(); got != want {
			return fmt.Errorf("answered %q, not %s", got, want)
		}
	}
	return nil
}

// Stop ends the server at once, as an outage would; connections break, and
// what it held is gone.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.process.End(tb, syscall.SIGKILL)
}

// Restart starts the server again on the same port, empty.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	if err := s.run(); err != nil {
		tb.Fatalf("restart Valkey: %v", s.log.Explain(err))
	}
}

// Freeze makes the server silent: connections stay, and nothing is answered
// until Thaw. That is what a lost network looks like.
func (s *Server) Freeze(tb testing.TB) {
	tb.Helper()
	s.process.Signal(tb, syscall.SIGSTOP)
}

// Thaw ends Freeze.
func (s *Server) Thaw(tb testing.TB) {
	tb.Helper()
	s.process.Signal(tb, syscall.SIGCONT)
}
