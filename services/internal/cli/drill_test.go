package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// gateway is one that runs drills as a test says.
type gateway struct {
	*httptest.Server
	asked     routerv1.RunDrillRequest
	beats     atomic.Int64
	questions atomic.Int64
	cancelled chan struct{}
}

func newGateway(t *testing.T, drill func(g *gateway, w io.Writer, r *http.Request)) *gateway {
	t.Helper()
	g := &gateway{cancelled: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/drills:run", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := protojson.Unmarshal(body, &g.asked); err != nil {
			t.Error(err)
		}
		fmt.Fprintln(w, `{"result":{"name":"drills/a"}}`)
		w.(http.Flusher).Flush()
		drill(g, w, r)
	})
	mux.HandleFunc("POST /api/v1/drills/a:keepAlive", func(w http.ResponseWriter, _ *http.Request) {
		g.beats.Add(1)
		fmt.Fprint(w, "{}")
	})
	mux.HandleFunc("POST /api/v1/generate", func(w http.ResponseWriter, _ *http.Request) {
		if g.questions.Add(1)%4 == 0 {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, `{"message":"no"}`)
			return
		}
		fmt.Fprint(w, "{}")
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

func TestDrillCommand(t *testing.T) {
	g := newGateway(t, func(g *gateway, w io.Writer, _ *http.Request) {
		for deadline := time.Now().Add(10 * time.Second); g.beats.Load() == 0 || g.questions.Load() < 8; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				break
			}
		}
		fmt.Fprintln(w, `{"result":{"progress":{"phase":"DRILL_PHASE_DURING","left":"3s","figures":{"requests":"9","p50":"0.1s"}}}}`)
		fmt.Fprintln(w, `{"result":{"report":{"name":"drills/a","text":"in words\n","markdown":"| in | tables |\n"}}}`)
	})
	out := filepath.Join(t.TempDir(), "report.md")
	var stdout, stderr bytes.Buffer
	err := Run(t.Context(), []string{
		"drill", "--url", g.URL, "--key", "k", "--region", "eu", "--fault", "errors", "--status", "500", "--status", "429", "--share", "0.5",
		"--during", "3s", "--load", "100/s", "--model", "m", "--out", out,
	}, &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if f := g.asked.GetFaults(); g.asked.GetRegion() != "eu" || f.GetShare() != .5 || len(f.GetStatuses()) != 2 || f.GetStatuses()[1].GetCode() != 429 ||
		g.asked.GetDuring().AsDuration() != 3*time.Second || g.asked.GetBefore().AsDuration() != 10*time.Second {
		t.Errorf("asked %v", &g.asked)
	}
	if !strings.Contains(stderr.String(), "9 requests, 0 failed") || !strings.HasPrefix(stdout.String(), "in words\n") || !strings.Contains(stdout.String(), "× no") {
		t.Errorf("said %s\n%s", stderr.String(), stdout.String())
	}
	written, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(written), "# Drill report\n\n| in | tables |\n") || !strings.Contains(string(written), "answered whole") {
		t.Errorf("wrote %s, %v", written, err)
	}
}

// Ctrl-C ends the request, and with it the faults.
func TestInterruptedDrill(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := newGateway(t, func(g *gateway, _ io.Writer, r *http.Request) {
		cancel()
		<-r.Context().Done()
		close(g.cancelled)
	})
	err := Run(ctx, []string{"drill", "--url", g.URL, "--key", "k", "--target", "t", "--fault", "blackhole"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "faults have ended") {
		t.Error(err)
	}
	select {
	case <-g.cancelled:
	case <-time.After(5 * time.Second):
		t.Error("the gateway was not told")
	}
	if !g.asked.GetFaults().GetBlackhole() || g.asked.GetTargets()[0] != "t" {
		t.Errorf("asked %v", &g.asked)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"20/s": 20, "20": 20, "90/m": 1.5, "0.5/s": .5, "0": 0, "-1/s": 0, "many": 0, "5/h": 0} {
		got, err := (&load{Load: text}).rate()
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
