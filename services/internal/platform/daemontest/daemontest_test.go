package daemontest

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// verdict notes how a test was ended.
type verdict struct {
	testing.TB
	failed, skipped bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Name() string          { return "TestOfAnother" }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (v *verdict) Errorf(string, ...any) { v.failed = true }
func (v *verdict) Skipf(string, ...any)  { v.skipped = true }

// A test that CI skips in silence tests nothing.
func TestMissing(t *testing.T) {
	for ci, wantFailed := range map[string]bool{"true": true, "": false} {
		t.Setenv("CI", ci)
		v := &verdict{TB: t}
		Missing(v, "a server", errors.New("not installed"))
		if v.failed != wantFailed {
			t.Errorf("CI=%q: failed %v, skipped %v", ci, v.failed, v.skipped)
		}
		if !wantFailed && !v.skipped {
			t.Error("neither failed nor skipped")
		}
	}
}

func TestOnFreePortTriesAgain(t *testing.T) {
	var ports []int
	taken := errors.New("taken")
	err := OnFreePort(func(port int) error {
		if ports = append(ports, port); len(ports) < 3 {
			return taken
		}
		return nil
	})
	if err != nil || len(ports) != 3 || ports[0] == 0 {
		t.Errorf("ports %v: %v", ports, err)
	}
	if err := OnFreePort(func(int) error { return taken }); !errors.Is(err, taken) {
		t.Errorf("the reason is lost: %v", err)
	}
}

func TestProcess(t *testing.T) {
	p, err := Start(exec.Command("sleep", "60"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	err = p.Await(10*time.Second, func() error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 || !p.Running() {
		t.Errorf("asked %d times, running %v: %v", asked, p.Running(), err)
	}
	p.End(t, syscall.SIGTERM)
	if p.Running() {
		t.Error("it still runs")
	}
	p.End(t, syscall.SIGTERM) // once is enough
}

func TestAwaitSeesTheEnd(t *testing.T) {
	p, err := Start(exec.Command("true"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err = p.Await(time.Minute, func() error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "ended at once") || time.Since(begin) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	p.End(t, syscall.SIGTERM)
}
