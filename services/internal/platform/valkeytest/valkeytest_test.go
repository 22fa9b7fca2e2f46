package valkeytest

import (
	"net"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	s := Start(t)
	if err := s.ping(); err != nil {
		t.Fatal(err)
	}
	other := Start(t)
	if other.Addr == s.Addr {
		t.Error("two servers share a port")
	}
	wrong := Server{Addr: s.Addr, Password: "guessed"}
	if err := wrong.ping(); err == nil {
		t.Error("any password will do")
	}
	s.Stop(t)
	if conn, err := net.DialTimeout("tcp", s.Addr, time.Second); err == nil {
		conn.Close()
		t.Error("a stopped server takes connections")
	}
	if err := other.ping(); err != nil {
		t.Errorf("the other one: %v", err)
	}
	addr := s.Addr
	s.Restart(t)
	if s.Addr != addr {
		t.Errorf("it was at %s and is at %s", addr, s.Addr)
	}
	s.Freeze(t)
	if err := s.ping(); err == nil {
		t.Error("a frozen server answers")
	}
	s.Thaw(t)
	if err := s.ping(); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
	s.Freeze(t) // a frozen one must end with the test too
}

func TestWithoutABinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CI", "")
	skipped := t.Run("local", func(t *testing.T) {
		Start(t)
		t.Error("a server runs without a binary")
	})
	if !skipped {
		t.Error("the test failed, although it may be skipped here")
	}
}
