package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
)

// dashboard is what the test looks at in the Grafana dashboard.
type dashboard struct {
	Panels []struct {
		ID         int
		Title      string
		Datasource struct{ UID string }
		Targets    []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b([a-z][a-zA-Z0-9]*(?:_[a-zA-Z0-9]+)+)(?:\{([^}]*)\})?(?:\[|\{|$|\})`)
	grouping   = regexp.MustCompile(`by \(([^)]*)\)`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*=~?"`)
)

// Every metric on the dashboard, with every label it is read by, must be one
// that a running Tollgate shows after a request.
func TestDashboardShowsWhatIsEmitted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts all services; run without -short")
	}
	var d dashboard
	if err := json.Unmarshal(readRepository(t, "deploy/grafana/dashboards/tollgate.json"), &d); err != nil {
		t.Fatal(err)
	}
	emitted := emittedMetrics(t)
	checked := 0
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if q.Datasource.UID != "prometheus" {
				t.Errorf("panel %q reads from %q", p.Title, q.Datasource.UID)
			}
			for _, m := range metricName.FindAllStringSubmatch(q.Expr, -1) {
				labels, ok := emitted[m[1]]
				if !ok {
					t.Errorf("panel %q: nobody emits %s", p.Title, m[1])
					continue
				}
				checked++
				var read []string
				for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
					read = append(read, l[1])
				}
				for _, g := range grouping.FindAllStringSubmatch(q.Expr, -1) {
					read = append(read, strings.Split(strings.ReplaceAll(g[1], " ", ""), ",")...)
				}
				for _, l := range read {
					if !slices.Contains(labels, l) && l != "job" && l != "instance" {
						t.Errorf("panel %q: %s has no label %s, only %v", p.Title, m[1], l, labels)
					}
				}
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d metrics were checked: is the expression still right?", checked)
	}
}

// emittedMetrics runs Tollgate on free ports, sends it a streamed request with
// an e-mail address, and returns the names that Prometheus reads, with their labels.
func emittedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	cfg := DefaultConfig()
	cfg.DataDir = t.TempDir()
	cfg.HTTP = httpserver.DefaultConfig("127.0.0.1:0")
	cfg.GRPC.Router.Addr, cfg.GRPC.Guardrail.Addr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.GRPC.RAG.Addr, cfg.GRPC.Billing.Addr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Telemetry.MetricsAddr = ""
	ctx, stop := context.WithCancel(context.Background())
	a, err := New(ctx, Options{Config: cfg, LogWriter: io.Discard})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	send(t, a)
	var metrics map[string][]string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if metrics = gather(t, a); metrics["tollgate_billing_records_total"] != nil {
			break // the ledger follows the answer
		}
	}
	return metrics
}

func send(t *testing.T, a *App) {
	t.Helper()
	body := `{"model":"any","stream":true,"messages":[{"role":"user","content":"What is Tollgate? I am jane.doe@example.com"}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.HTTPAddr()+"/v1/chat/completions", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.AdminKey().Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, answer)
	}
}

func gather(t *testing.T, a *App) map[string][]string {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, f := range families {
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
		}
		out[f.GetName()] = labels
		if f.GetMetric()[0].GetHistogram() != nil {
			out[f.GetName()+"_bucket"] = append(labels, "le")
			out[f.GetName()+"_sum"], out[f.GetName()+"_count"] = labels, labels
		}
	}
	return out
}
