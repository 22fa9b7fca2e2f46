package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

const testSettings = `
data_dir: %q
http: {addr: 127.0.0.1:0}
grpc: {router: {addr: 127.0.0.1:0}, guardrail: {addr: 127.0.0.1:0}, rag: {addr: 127.0.0.1:0}, billing: {addr: 127.0.0.1:0}}
telemetry: {metrics_addr: ""}
targets:
  - {name: fake, provider: openai-compatible, base_url: %q, models: "*"}
routes:
  - {model: %s, targets: [fake]}
`

func settings(dataDir, upstream, model string) string {
	return fmt.Sprintf(testSettings, dataDir, upstream, model)
}

// start runs all services in this process and returns how to stop them.
func start(t *testing.T, content, path string) (*App, func()) {
	t.Helper()
	cfg := DefaultConfig()
	if err := config.Parse([]byte(content), os.LookupEnv, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := New(ctx, Options{Config: cfg, ConfigPath: path, LogWriter: io.Discard})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func post(ctx context.Context, t *testing.T, a *App, client *http.Client, model string, stream bool) *http.Response {
	t.Helper()
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"count for a long time"}]}`, model, stream)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.HTTPAddr()+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.AdminKey().Reveal())
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestDisconnectLeavesNothing cancels streams in the middle: the provider is
// told within a second, and after a stop no goroutine is left.
func TestDisconnectLeavesNothing(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	up := providertest.New(t)
	up.Answer = func(*providertest.Recorded) string { return strings.Repeat("one more word ", 200) }
	up.Pace = 50 * time.Millisecond
	a, stop := start(t, settings(t.TempDir(), up.BaseURL(), "slow"), "")
	client := &http.Client{Transport: &http.Transport{}}
	for range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		resp := post(ctx, t, a, client, "slow", true)
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		left := time.Now()
		cancel()
		resp.Body.Close()
		at, ok := up.Last().AwaitCancelled(5 * time.Second)
		if !ok || at.Sub(left) > time.Second {
			t.Errorf("the provider was told after %s (%v), want within a second", at.Sub(left), ok)
		}
	}
	stop()
	client.CloseIdleConnections()
	up.CloseClientConnections()
	up.Close()
	goleak.VerifyNone(t, leaks)
}

// TestReload changes the routes of a running process.
func TestReload(t *testing.T) {
	up := providertest.New(t)
	path := filepath.Join(t.TempDir(), "tollgate.yaml")
	dir := t.TempDir()
	write := func(model string) string {
		content := settings(dir, up.BaseURL(), model)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return content
	}
	a, stop := start(t, write("before"), path)
	defer stop()
	status := func(model string) int {
		resp := post(context.Background(), t, a, http.DefaultClient, model, false)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if before, after := status("before"), status("after"); before != http.StatusOK || after != http.StatusNotFound {
		t.Fatalf("before the change: %d and %d", before, after)
	}
	write("after")
	deadline := time.Now().Add(15 * time.Second)
	for status("after") != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the changed file is not in force after 15 s")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := status("before"); got != http.StatusNotFound {
		t.Errorf("the old route answers %d", got)
	}
	write("${NOT_SET_ANYWHERE}")
	time.Sleep(3 * time.Second)
	if got := status("after"); got != http.StatusOK {
		t.Errorf("a faulty file is in force: %d", got)
	}
}

// TestSecondStart keeps the admin key and the internal token.
func TestSecondStart(t *testing.T) {
	up := providertest.New(t)
	content := settings(t.TempDir(), up.BaseURL(), "m")
	a, stop := start(t, content, "")
	first, token := a.AdminKey(), a.token
	stop()
	b, stop := start(t, content, "")
	defer stop()
	if !first.Equal(b.AdminKey()) || !token.Equal(b.token) || first.IsZero() {
		t.Error("the second start has another key or token")
	}
	resp := post(context.Background(), t, b, http.DefaultClient, "m", false)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the first key is answered %s after a restart", resp.Status)
	}
}
