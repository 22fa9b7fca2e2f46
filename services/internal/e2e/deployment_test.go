// Package e2e runs the real binary, as one process and as four, against fake
// providers on loopback. One suite runs over both.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/tollgate/tollgate/services/internal/cli" // what the binary is built from: a change of it makes a cached result stale
)

var services = []string{"billing", "guardrail", "rag", "router"}

// binary builds tollgate once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tollgate-e2e-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "tollgate")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/tollgate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tollgate: %w\n%s", err, out)
	}
	return path, nil
})

// builtIn is the folder that holds the binary, once a test has built it.
var builtIn string

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

// deployment is a running Tollgate.
type deployment struct {
	t         *testing.T
	dir       string
	url       string
	addr      map[string]string // gRPC, by service
	processes map[string]*process
	split     bool
	key       string // the first admin key
}

// process is one tollgate serve.
type process struct {
	cmd    *exec.Cmd
	output *lockedBuffer
	exited chan struct{}
}

// shape says how a deployment is cut into processes.
type shape struct {
	name  string
	split bool
}

var shapes = []shape{{"one process", false}, {"four processes", true}}

// deploy starts Tollgate with targets and routes as YAML, and waits until it is ready.
func deploy(t *testing.T, split bool, upstreams string, extra ...string) *deployment {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes; run without -short")
	}
	d := &deployment{t: t, dir: t.TempDir(), addr: map[string]string{}, processes: map[string]*process{}, split: split}
	for _, s := range services {
		d.addr[s] = freeAddr(t)
	}
	httpAddr := freeAddr(t)
	d.url = "http://" + httpAddr
	config := fmt.Sprintf(`
http: {addr: %q, drain_timeout: 3s, max_body: 1MiB}
grpc:
  router: {addr: %q, drain_timeout: 3s}
  guardrail: {addr: %q, drain_timeout: 3s}
  rag: {addr: %q, drain_timeout: 3s}
  billing: {addr: %q, drain_timeout: 3s}
peers:
  guardrail: {addr: %q}
  rag: {addr: %q}
  billing: {addr: %q}
internal_token: ${E2E_INTERNAL_TOKEN}
%s
%s
`, httpAddr, d.addr["router"], d.addr["guardrail"], d.addr["rag"], d.addr["billing"],
		d.addr["guardrail"], d.addr["rag"], d.addr["billing"], upstreams, strings.Join(extra, "\n"))
	if !strings.Contains(config, "telemetry:") {
		config += "telemetry: {metrics_addr: \"\"}\n"
	}
	if err := os.WriteFile(d.configPath(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	if split {
		for _, s := range services {
			d.start(s)
		}
	} else {
		d.start("all")
	}
	d.waitReady()
	key, err := os.ReadFile(filepath.Join(d.dataDir("billing"), "admin.key"))
	if err != nil {
		t.Fatalf("read admin key: %v", err)
	}
	d.key = strings.TrimSpace(string(key))
	return d
}

// another starts one more router in front of the same services. The deployment
// is of four processes.
func (d *deployment) another() *deployment {
	d.t.Helper()
	httpAddr := freeAddr(d.t)
	out := &deployment{
		t: d.t, dir: d.t.TempDir(), url: "http://" + httpAddr, addr: maps.Clone(d.addr),
		processes: map[string]*process{}, split: true, key: d.key,
	}
	out.addr["router"] = freeAddr(d.t)
	config, err := os.ReadFile(d.configPath())
	if err != nil {
		d.t.Fatal(err)
	}
	moved := strings.NewReplacer(strings.TrimPrefix(d.url, "http://"), httpAddr, d.addr["router"], out.addr["router"])
	if err := os.WriteFile(out.configPath(), []byte(moved.Replace(string(config))), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(out.stop)
	out.start("router")
	out.waitReady()
	return out
}

func (d *deployment) configPath() string { return filepath.Join(d.dir, "tollgate.yaml") }

// dataDir is a folder of its own for each process, as in containers.
func (d *deployment) dataDir(service string) string {
	if !d.split {
		service = "all"
	}
	return filepath.Join(d.dir, service)
}

// start starts the process of a service, or of all of them.
func (d *deployment) start(service string) {
	d.t.Helper()
	path, err := binary()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", service, "--config", d.configPath())
	if service == "all" {
		cmd = exec.Command(path, "serve", "--config", d.configPath())
	}
	cmd.Env = append(os.Environ(), "TOLLGATE_DATA_DIR="+d.dataDir(service), "E2E_INTERNAL_TOKEN="+strings.Repeat("internal", 6))
	output := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("start %s: %v", service, err)
	}
	p := &process{cmd: cmd, output: output, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // a killed process exits with an error
		close(p.exited)
	}()
	d.processes[service] = p
}

// kill ends a process as a power cut would: no signal handler runs.
func (d *deployment) kill(service string) {
	d.t.Helper()
	p := d.processes[service]
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		d.t.Fatalf("kill %s: %v", service, err)
	}
	<-p.exited
}

func (d *deployment) waitReady() {
	d.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		resp, err := http.Get(d.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK && d.peersReachable() {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.t.Fatalf("not ready after a minute:\n%s", d.logs())
}

func (d *deployment) peersReachable() bool {
	for _, addr := range d.addr {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
	}
	return true
}

// stop ends every process in order, the router first, and shows their logs if the test failed.
func (d *deployment) stop() {
	order := []string{"all", "router", "rag", "guardrail", "billing"}
	for _, name := range order {
		p, ok := d.processes[name]
		if !ok {
			continue
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have exited
		select {
		case <-p.exited:
		case <-time.After(20 * time.Second):
			_ = p.cmd.Process.Kill()
			d.t.Errorf("%s did not end within 20 s of SIGTERM", name)
		}
	}
	if d.t.Failed() {
		d.t.Logf("logs:\n%s", d.logs())
	}
}

func (d *deployment) logs() string {
	var b strings.Builder
	for name, p := range d.processes {
		fmt.Fprintf(&b, "--- %s\n%s\n", name, p.output.tail(6000))
	}
	return b.String()
}

// tollgate runs a command of the binary against the deployment.
func (d *deployment) tollgate(args ...string) (stdout, stderr string, err error) {
	d.t.Helper()
	path, buildErr := binary()
	if buildErr != nil {
		d.t.Fatal(buildErr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "TOLLGATE_URL="+d.url, "TOLLGATE_API_KEY="+d.key)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

func freeAddr(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

// lockedBuffer collects a process's output.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return s[max(0, len(s)-n):]
}
