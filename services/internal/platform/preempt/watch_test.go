package preempt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/drain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var goes = time.Date(2026, 11, 22, 12, 2, 0, 0, time.UTC)

// metadata is the metadata services of three clouds, as they document them.
type metadata struct {
	*httptest.Server
	mu      sync.Mutex
	asked   int
	changed chan struct{} // closed when preempted is set
	gone    bool
	token   int // the number of the AWS token that is valid
	broken  func(asked int) bool
}

func newMetadata(t *testing.T) *metadata {
	t.Helper()
	m := &metadata{changed: make(chan struct{}), broken: func(int) bool { return false }}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT "+awsToken, m.awsToken)
	mux.HandleFunc("GET "+awsAction, m.awsAction)
	mux.HandleFunc("GET "+gcpPreempted, m.gcp)
	mux.HandleFunc("GET /metadata/instance/compute/name", m.azure(func() string { return "vm-1" }))
	mux.HandleFunc("GET /metadata/scheduledevents", m.azure(m.azureEvents))
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked++
		broken := m.broken(m.asked)
		kind := m.asked % 4
		m.mu.Unlock()
		if !broken {
			mux.ServeHTTP(w, r)
			return
		}
		switch kind { // in turns, all the ways in which such a service fails
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			fmt.Fprint(w, "<html>terminate TRUE Preempt</html>")
		default:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	m.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(m.Close)
	return m
}

// preempt gives the notice.
func (m *metadata) preempt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	close(m.changed)
}

func (m *metadata) isGone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}

func (m *metadata) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *metadata) awsToken(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(awsTTL) == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token++
	fmt.Fprintf(w, "token-%d", m.token)
}

func (m *metadata) awsAction(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	valid := fmt.Sprintf("token-%d", m.token)
	m.mu.Unlock()
	switch {
	case r.Header.Get(awsTokenKey) != valid:
		w.WriteHeader(http.StatusUnauthorized)
	case !m.isGone():
		w.WriteHeader(http.StatusNotFound)
	default:
		fmt.Fprintf(w, `{"action": "terminate", "time": %q}`, goes.Format(time.RFC3339))
	}
}

func (m *metadata) gcp(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(gcpFlavor) != "Google" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.URL.Query().Get("wait_for_change") == "true" && r.URL.Query().Get("last_etag") == "etag-0" {
		select {
		case <-m.changed:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set(gcpFlavor, "Google")
	w.Header().Set("ETag", "etag-0")
	fmt.Fprint(w, strings.ToUpper(fmt.Sprint(m.isGone())))
}

func (m *metadata) azure(say func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata") != "true" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, say())
	}
}

func (m *metadata) azureEvents() string {
	event := func(kind, name string) string {
		return fmt.Sprintf(`{"EventId":"1","EventType":%q,"ResourceType":"VirtualMachine","Resources":[%q],"EventStatus":"Scheduled","NotBefore":%q}`,
			kind, name, goes.Format(http.TimeFormat))
	}
	events := []string{event("Preempt", "vm-2"), event("Reboot", "vm-1")}
	if m.isGone() {
		events = append(events, event("Preempt", "vm-1"))
	}
	return `{"DocumentIncarnation":3,"Events":[` + strings.Join(events, ",") + `]}`
}

// watching watches a service of a provider.
func watching(t *testing.T, m *metadata, provider string) (notice chan *drain.Notice, cancel context.CancelFunc, log *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	notice, log = make(chan *drain.Notice, 1), &bytes.Buffer{}
	go func() {
		notice <- Watch(ctx, Config{Provider: provider, URL: m.URL, Interval: config.Duration(minInterval / 10)}, slog.New(slog.NewTextHandler(log, nil)))
	}()
	return notice, cancel, log
}

// await waits until the service was asked so often.
func (m *metadata) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); m.count() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("asked %d times in ten seconds", m.count())
		}
	}
}

func TestNotice(t *testing.T) {
	for provider, least := range map[string]int{"aws": 6, "gcp": 2, "azure": 6} {
		t.Run(provider, func(t *testing.T) {
			m := newMetadata(t)
			notice, cancel, log := watching(t, m, provider)
			defer cancel()
			m.await(t, least)
			select {
			case n := <-notice:
				t.Fatalf("a notice that was not given: %v", n)
			default:
			}
			m.preempt()
			n := <-notice
			left := time.Until(n.Time)
			if at := n.Time.Equal(goes); provider == "gcp" && (left < 20*time.Second || left > gcpLeft) || provider != "gcp" && !at {
				t.Errorf("the machine goes at %s", n.Time)
			}
			if n.Reason == "" || log.Len() > 0 {
				t.Errorf("reason %q, log %s", n.Reason, log)
			}
		})
	}
}

// A service that comes and goes, and what others say in its place, is neither a
// notice nor the end of watching.
func TestFlappingService(t *testing.T) {
	for _, provider := range []string{"aws", "gcp", "azure"} {
		t.Run(provider, func(t *testing.T) {
			m := newMetadata(t)
			m.broken = func(asked int) bool { return asked%12 < 8 && !m.gone }
			notice, cancel, log := watching(t, m, provider)
			defer cancel()
			m.await(t, 9)
			select {
			case n := <-notice:
				t.Fatalf("a notice that was not given: %v", n)
			default:
			}
			m.preempt()
			if n := <-notice; n == nil {
				t.Error("no notice")
			}
			if !strings.Contains(log.String(), "cannot be asked") {
				t.Errorf("log %s", log)
			}
		})
	}
}

func TestExpiredTokenIsRenewed(t *testing.T) {
	m := newMetadata(t)
	notice, cancel, _ := watching(t, m, "aws")
	defer cancel()
	m.await(t, 3)
	m.mu.Lock()
	m.token++ // the one that was given is no longer good
	m.mu.Unlock()
	m.preempt()
	if n := <-notice; n == nil {
		t.Error("no notice")
	}
}

func TestWatchEnds(t *testing.T) {
	for _, provider := range []string{"aws", "gcp", "azure"} {
		m := newMetadata(t)
		notice, cancel, _ := watching(t, m, provider)
		m.await(t, 2) // Google's holds the second request
		began := time.Now()
		cancel()
		if n := <-notice; n != nil || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %s", provider, n, time.Since(began))
		}
	}
	if n := Watch(t.Context(), Config{}, slog.New(slog.DiscardHandler)); n != nil {
		t.Errorf("nothing is watched, and yet: %v", n)
	}
}

func TestAzureEventThatHasBegun(t *testing.T) {
	if left := time.Until(azureEvent{}.time()); left < azureStarted-time.Second || left > azureStarted {
		t.Errorf("%s are left", left)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		Config
		faults int
	}{
		{Config{}, 0},
		{Config{Provider: "none"}, 0},
		{Config{Provider: "aws", URL: "http://127.0.0.1:1", Interval: config.Duration(time.Second)}, 0},
		{Config{Provider: "ibm"}, 1},
		{Config{Provider: "gcp", URL: "metadata", Interval: 1}, 2},
		{Config{Provider: "azure", Interval: config.Duration(time.Hour)}, 1},
	} {
		v := config.NewValidator()
		c.Validate(v)
		faults, _ := v.Err().(config.Faults)
		if len(faults) != c.faults {
			t.Errorf("%+v: %v", c.Config, faults)
		}
	}
}
