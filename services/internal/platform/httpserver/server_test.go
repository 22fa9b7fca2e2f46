package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type running struct {
	server *httpserver.Server
	url    string
	addr   string
	log    *lockedBuffer
	client *http.Client
	stop   context.CancelFunc
	notice context.CancelCauseFunc // stop, with a reason
	ended  chan error
}

func defaults() httpserver.Config { return httpserver.DefaultConfig("127.0.0.1:0") }

// start serves with telemetry on, because its middleware stands in the way
// of streams too.
func start(t *testing.T, cfg httpserver.Config, handler http.HandlerFunc, prepare ...func(*httpserver.Server)) *running {
	t.Helper()
	r := &running{log: &lockedBuffer{}, ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
	var err error
	r.server, err = httpserver.New(cfg, httpserver.Dependencies{Log: slog.New(slog.NewTextHandler(r.log, nil)), Telemetry: telemetry.Discard()}, handler)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(r.server)
	}
	lis, err := r.server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.addr = lis.Addr().String()
	r.url = "http://" + r.addr
	ctx, notice := context.WithCancelCause(context.Background())
	cancel := func() { notice(nil) }
	r.stop, r.notice = cancel, notice
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- r.server.Serve(ctx, lis)
	}()
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		cancel()
		<-done
	})
	return r
}

type answer struct {
	code   int
	header http.Header
	body   string
	err    error // of reading the body
}

func (r *running) do(t *testing.T, method, path string, body io.Reader) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(data), err}, nil
}

func (r *running) must(t *testing.T, method, path string, body io.Reader) answer {
	t.Helper()
	a, err := r.do(t, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRequestID(t *testing.T) {
	r := start(t, defaults(), func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, httpserver.RequestID(r.Context())) })
	first, second := r.must(t, "GET", "/", nil), r.must(t, "GET", "/", nil)
	if first.body == "" || first.body != first.header.Get(httpserver.HeaderRequestID) || first.body == second.body {
		t.Errorf("%q %q %q", first.body, first.header.Get(httpserver.HeaderRequestID), second.body)
	}
	if httpserver.RequestID(t.Context()) != "" {
		t.Error("an id from nowhere")
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		httpserver.WriteError(w, r, err)
		return
	}
	_, _ = w.Write(body) // the client has gone
}

func TestBodyLimit(t *testing.T) {
	cfg := defaults()
	cfg.MaxBody = 1000
	r := start(t, cfg, echo)
	fits := strings.Repeat("x", 1000)
	if a := r.must(t, "POST", "/", strings.NewReader(fits)); a.code != 200 || a.body != fits {
		t.Errorf("%d %q", a.code, a.body)
	}
	for name, body := range map[string]io.Reader{
		"announced": strings.NewReader(fits + "x"),
		"chunked":   io.MultiReader(strings.NewReader(fits), strings.NewReader("x")),
	} {
		a := r.must(t, "POST", "/", body)
		if a.code != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, `"BODY_TOO_LARGE"`) {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
}

func TestSlowBodyTimesOut(t *testing.T) {
	cfg := defaults()
	cfg.ReadBodyTimeout = config.Duration(50 * time.Millisecond)
	r := start(t, cfg, echo)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestSlowHeaderTimesOut(t *testing.T) {
	cfg := defaults()
	cfg.ReadHeaderTimeout = config.Duration(50 * time.Millisecond)
	r := start(t, cfg, echo)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHo")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestHugeHeader(t *testing.T) {
	cfg := defaults()
	cfg.MaxHeader = 4 << 10
	r := start(t, cfg, echo)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Huge", strings.Repeat("x", 64<<10))
	resp, err := r.client.Do(req)
	if err != nil {
		return // the server may close before the client has written all
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestPanics(t *testing.T) {
	const inside = "10.0.0.1 password"
	r := start(t, defaults(), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/begun":
			fmt.Fprint(w, "half an ans")
			_ = http.NewResponseController(w).Flush()
		case "/begun-unflushed":
			fmt.Fprint(w, "half an ans")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic(inside)
	})
	a := r.must(t, "GET", "/", nil)
	if a.code != 500 || strings.Contains(a.body, inside) || !strings.Contains(a.body, `"INTERNAL"`) || !strings.Contains(a.body, a.header.Get(httpserver.HeaderRequestID)) {
		t.Errorf("%d %s", a.code, a.body)
	}
	if !strings.Contains(r.log.String(), inside) {
		t.Error("the log lacks the panic")
	}
	for _, path := range []string{"/begun", "/begun-unflushed", "/abort"} {
		if a, err := r.do(t, "GET", path, nil); err == nil && a.err == nil {
			t.Errorf("%s: a broken answer looks complete: %q", path, a.body)
		}
	}
}

// TestStreamPassesEveryLayer: each piece reaches the client when it is
// flushed, and deadlines can be set through all wrappers.
func TestStreamPassesEveryLayer(t *testing.T) {
	next := make(chan struct{})
	r := start(t, defaults(), func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		if err := controller.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("write deadline: %v", err)
		}
		if err := controller.SetReadDeadline(time.Time{}); err != nil {
			t.Errorf("read deadline: %v", err)
		}
		for range 3 {
			fmt.Fprint(w, "piece\n")
			if err := controller.Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
			<-next
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != "piece\n" {
			t.Errorf("%q %v", line, err)
		}
		next <- struct{}{}
	}
}

func TestReadiness(t *testing.T) {
	var mu sync.Mutex
	var broken error
	hang := make(chan struct{})
	r := start(t, defaults(), echo, func(s *httpserver.Server) {
		s.AddReadiness("billing", func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			return broken
		})
		s.AddReadiness("rag", func(context.Context) error { return nil })
	})
	if a := r.must(t, "GET", "/healthz", nil); a.code != 200 {
		t.Errorf("healthz %d", a.code)
	}
	a := r.must(t, "GET", "/readyz", nil)
	var state struct {
		Status string
		Checks map[string]string
	}
	if err := json.Unmarshal([]byte(a.body), &state); err != nil || a.code != 200 || state.Checks["billing"] != "ok" || len(state.Checks) != 2 {
		t.Errorf("%d %s %v", a.code, a.body, err)
	}
	mu.Lock()
	broken = errors.New("dial 10.0.0.1")
	mu.Unlock()
	a = r.must(t, "GET", "/readyz", nil)
	if a.code != 503 || !strings.Contains(a.body, `"billing":"failing"`) || !strings.Contains(a.body, `"rag":"ok"`) || strings.Contains(a.body, "10.0.0.1") {
		t.Errorf("%d %s", a.code, a.body)
	}
	if !strings.Contains(r.log.String(), "10.0.0.1") {
		t.Error("the log lacks the reason")
	}
	r.server.AddReadiness("hanging", func(context.Context) error { <-hang; return nil })
	begin := time.Now()
	if a := r.must(t, "GET", "/readyz", nil); a.code != 503 || !strings.Contains(a.body, `"hanging":"failing"`) || time.Since(begin) > 10*time.Second {
		t.Errorf("%d %s", a.code, a.body)
	}
	close(hang)
}

func TestDrain(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	cfg := defaults()
	cfg.DrainDelay = config.Duration(300 * time.Millisecond)
	r := start(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		fmt.Fprint(w, "whole")
	})
	result := make(chan answer, 1)
	go func() {
		a, err := r.do(t, "GET", "/", nil)
		a.err = errors.Join(a.err, err)
		result <- a
	}()
	<-started
	r.stop()
	for a := r.must(t, "GET", "/readyz", nil); a.code != 503; a = r.must(t, "GET", "/readyz", nil) {
		time.Sleep(5 * time.Millisecond)
	}
	if a := r.must(t, "GET", "/readyz", nil); !strings.Contains(a.body, "draining") {
		t.Errorf("readyz: %s", a.body)
	}
	time.Sleep(400 * time.Millisecond)
	close(release)
	if a := <-result; a.body != "whole" || a.err != nil {
		t.Errorf("a request under way: %q %v", a.body, a.err)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := r.do(t, "GET", "/", nil); err == nil {
		t.Error("still accepts")
	}
}

// TestDrainLimitTellsHandlers: past the limit a handler's context ends, and it
// may still say so.
func TestDrainLimitTellsHandlers(t *testing.T) {
	started := make(chan struct{})
	cfg := defaults()
	cfg.DrainTimeout = config.Duration(50 * time.Millisecond)
	r := start(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		httpserver.WriteError(w, r, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "shutting down"))
	})
	result := make(chan answer, 1)
	go func() {
		a, err := r.do(t, "GET", "/", nil)
		a.err = errors.Join(a.err, err)
		result <- a
	}()
	<-started
	r.stop()
	if a := <-result; a.code != 503 || a.err != nil {
		t.Errorf("%+v", a)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestPlaintextStaysOnLoopback(t *testing.T) {
	cfg := httpserver.DefaultConfig("0.0.0.0:0")
	server, err := httpserver.New(cfg, httpserver.Dependencies{}, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(t.Context()); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("Listen: %v", err)
	}
	lis, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(t.Context(), lis); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("Serve: %v", err)
	}
}

func TestWriteError(t *testing.T) {
	w := httptest.NewRecorder()
	e := errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slow").WithRetryAfter(1200*time.Millisecond).WithField("model").WithMetadata("scope", "key")
	httpserver.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), fmt.Errorf("wrapped: %w", e))
	want := `{"error":{"code":"RATE_LIMITED","message":"slow","field":"model","metadata":{"scope":"key"}}}`
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestBodyError(t *testing.T) {
	tests := []struct {
		err  error
		want llmv1.ErrorReason
	}{
		{&http.MaxBytesError{Limit: 5}, llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE},
		{io.ErrUnexpectedEOF, llmv1.ErrorReason_ERROR_REASON_CANCELLED},
		{context.Canceled, llmv1.ErrorReason_ERROR_REASON_CANCELLED},
		{errors.New("malformed chunked encoding"), llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
	}
	for _, tt := range tests {
		if got := httpserver.BodyError(tt.err); got.Reason != tt.want {
			t.Errorf("%v: %v", tt.err, got.Reason)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	v := config.NewValidator()
	httpserver.Config{Addr: "x"}.Validate(v)
	var faults config.Faults
	if err := v.Err(); !errors.As(err, &faults) || len(faults) != 7 {
		t.Errorf("got %v", err)
	}
	v = config.NewValidator()
	defaults().Validate(v)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}
