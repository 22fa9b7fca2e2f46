package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// TestNoticeDrains takes the machine away while a stream is under way: it ends
// well, and the process with it, though nobody sends a signal.
func TestNoticeDrains(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	var noticed atomic.Bool
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			fmt.Fprint(w, "token")
		case !noticed.Load():
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprintf(w, `{"action":"terminate","time":%q}`, time.Now().Add(2*time.Minute).UTC().Format(time.RFC3339))
		}
	}))
	up := providertest.New(t)
	up.Answer = func(*providertest.Recorded) string { return strings.Repeat("one more word ", 20) }
	up.Pace = 10 * time.Millisecond
	cfg := DefaultConfig()
	text := settings(t.TempDir(), up.BaseURL(), "slow") + fmt.Sprintf("preemption: {provider: aws, url: %q, interval: 100ms}\n", metadata.URL)
	if err := config.Parse([]byte(text), os.LookupEnv, &cfg); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), Options{Config: cfg, LogWriter: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(context.Background()) }()
	client := &http.Client{Transport: &http.Transport{}}
	resp := post(t.Context(), t, a, client, "slow", true)
	noticed.Store(true)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(body)), "data: [DONE]") {
		t.Errorf("the stream under way was cut: %v, …%s", err, body[max(0, len(body)-200):])
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the notice drains nothing")
	}
	client.CloseIdleConnections()
	up.CloseClientConnections()
	up.Close()
	metadata.Close()
	goleak.VerifyNone(t, leaks)
}
