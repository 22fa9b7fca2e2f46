// Package daemontest runs the server of a store for a test: the binary that is
// installed, on a free port of loopback, gone with the test.
package daemontest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// stopLimit is how long a server may take to end.
const stopLimit = 20 * time.Second

// Missing ends the test because a server cannot be had: it is skipped, or fails
// when the environment says CI=true.
func Missing(tb testing.TB, what string, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is needed here: %v", what, err)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: no %s: %v\n", tb.Name(), what, err)
	tb.Skipf("no %s: %v", what, err)
}

// OnFreePort runs start with a port that was free just now. Between choosing
// it and listening on it someone else may take it, so a few are tried.
func OnFreePort(start func(port int) error) error {
	var err error
	for range 3 {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); err == nil {
			return nil
		}
	}
	return err
}

func freePort() (int, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer lis.Close()
	return lis.Addr().(*net.TCPAddr).Port, nil
}

// Process is a server that runs. The zero value has ended.
type Process struct {
	name    string
	process *os.Process
	ended   chan struct{}
}

// Start runs a command. It dies with the test's process, by the signal death
// where the system can do that.
func Start(cmd *exec.Cmd, death syscall.Signal) (Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr, death)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// Linux ties the death to the thread that started it, so that thread
		// must stay.
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
		return Process{}, err
	}
	return Process{cmd.Path, cmd.Process, ended}, nil
}

// Running says whether it was started and not ended by End.
func (p Process) Running() bool { return p.process != nil }

// Await calls ask until it succeeds, the process ends or limit is over.
func (p Process) Await(limit time.Duration, ask func() error) error {
	deadline := time.After(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended at once: %w", err)
		case <-deadline:
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Signal sends a signal that does not end it.
func (p Process) Signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := p.process.Signal(sig); err != nil {
		tb.Errorf("%v to %s: %v", sig, p.name, err)
	}
}

// End ends the process with a signal and waits for it.
func (p *Process) End(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if p.process == nil {
		return
	}
	_ = p.process.Signal(sig) // it may have ended by itself
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		_ = p.process.Kill()
		<-p.ended
		tb.Errorf("%s did not stop on %v and was killed", p.name, sig)
	}
	*p = Process{}
}

// Log is a file to which a server writes; it is read for messages only.
type Log string

// Open opens it for appending.
func (l Log) Open() (io.WriteCloser, error) {
	return os.OpenFile(string(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Explain adds what the server wrote to an error.
func (l Log) Explain(err error) error {
	text, readErr := os.ReadFile(string(l))
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	return fmt.Errorf("%w\n%s", err, text)
}
