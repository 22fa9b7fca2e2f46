package config_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestWatch(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a: 1")
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan struct{}, 16)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		config.Watch(ctx, path, 10*time.Millisecond, func() { changes <- struct{}{} })
	}()
	quiet := func(why string) {
		select {
		case <-changes:
			t.Errorf("called %s", why)
		case <-time.After(60 * time.Millisecond):
		}
	}
	await := func(why string) {
		select {
		case <-changes:
		case <-time.After(5 * time.Second):
			t.Fatalf("not called %s", why)
		}
	}
	quiet("without a change")
	write("a: 1") // same content, new time
	quiet("for the same content")
	write("a: 2")
	await("after a change")
	quiet("twice for one change")

	next := filepath.Join(filepath.Dir(path), "next")
	if err := os.WriteFile(next, []byte("a: 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	quiet("for a missing file")
	if err := os.Symlink(next, path); err != nil {
		t.Fatal(err)
	}
	await("after a swap")
	cancel()
	<-ended
}
