package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/drain"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
)

// underWay starts a request that ends when it is released, or its context is.
func underWay(t *testing.T, cfg httpserver.Config) (r *running, release chan struct{}, result chan answer) {
	t.Helper()
	started := make(chan struct{})
	release, result = make(chan struct{}), make(chan answer, 1)
	r = start(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/long" {
			fmt.Fprint(w, "short")
			return
		}
		fmt.Fprint(w, "begun, ")
		_ = http.NewResponseController(w).Flush()
		close(started)
		select {
		case <-release:
			fmt.Fprint(w, "whole")
		case <-r.Context().Done():
			fmt.Fprint(w, context.Cause(r.Context()))
		}
	})
	go func() {
		a, err := r.do(t, "GET", "/long", nil)
		a.err = errors.Join(a.err, err)
		result <- a
	}()
	<-started
	return r, release, result
}

// awaitRefusal asks, each time on the same connection if the server lets it,
// until the server refuses.
func awaitRefusal(t *testing.T, r *running) *http.Response {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/short", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatalf("a request met a closed door: %v", err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return resp
		}
	}
	t.Fatal("nothing is refused")
	return nil
}

func TestDrainRefusesNewWork(t *testing.T) {
	r, release, result := underWay(t, defaults())
	if resp, err := r.do(t, "GET", "/short", nil); err != nil || resp.code != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	r.stop()
	resp := awaitRefusal(t, r)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("refused with %d, Retry-After %q, closing %v", resp.StatusCode, resp.Header.Get("Retry-After"), resp.Close)
	}
	if a := r.must(t, "GET", "/healthz", nil); a.code != http.StatusOK {
		t.Errorf("healthz says %d while requests end", a.code)
	}
	close(release)
	if a := <-result; a.body != "begun, whole" || a.err != nil {
		t.Errorf("the request under way: %q, %v", a.body, a.err)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if conn, err := net.Dial("tcp", r.addr); err == nil {
		conn.Close()
		t.Error("the address is still open")
	}
	if strings.Contains(r.log.String(), "cut off") {
		t.Errorf("log: %s", r.log.String())
	}
}

// Whoever is cut off hears why.
func TestDrainSaysWhyItCutsOff(t *testing.T) {
	for name, stop := range map[string]func(*running){
		"after the timeout": func(r *running) { r.stop() },
		"before the machine goes, though the timeout is long": func(r *running) {
			r.notice(&drain.Notice{Time: time.Now().Add(400 * time.Millisecond), Reason: "spot"})
		},
	} {
		cfg := defaults()
		if !strings.Contains(name, "long") {
			cfg.DrainTimeout = config.Duration(200 * time.Millisecond)
		}
		r, _, result := underWay(t, cfg)
		began := time.Now()
		stop(r)
		a := <-result
		if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: cut off after %s", name, took)
		}
		if a.body != "begun, "+drain.Err.Message || a.err != nil {
			t.Errorf("%s: %q, %v", name, a.body, a.err)
		}
		if err := <-r.ended; err != nil {
			t.Errorf("%s: Serve: %v", name, err)
		}
	}
}
