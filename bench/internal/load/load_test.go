package load

import (
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

	"github.com/tollgate/tollgate/bench/internal/mock"
)

func plan() Plan {
	return Plan{
		Modes: []Mode{Chat, Stream}, Clients: 4, Requests: 40, Duration: 20 * time.Second, Rounds: 2,
		Warmup: 2, PromptBytes: 300, Model: "m", Timeout: 10 * time.Second,
	}
}

func gateway(t *testing.T, name string, h http.Handler, extra string) Gateway {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	g, err := ParseGateway("name="+name+",url="+s.URL+"/v1/"+extra, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func provider(t *testing.T, words int) http.Handler {
	t.Helper()
	h, err := mock.New(mock.Config{Words: words})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRun(t *testing.T) {
	var requests, keys atomic.Int64
	through := provider(t, 12)
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Authorization") == "Bearer tg_secret" {
			keys.Add(1)
		}
		through.ServeHTTP(w, r)
	})
	t.Setenv("BENCH_KEY", "tg_secret")
	gateways := []Gateway{
		gateway(t, "direct", provider(t, 12), ""),
		gateway(t, "gateway", counted, fmt.Sprintf(",pid=%d,key_env=BENCH_KEY,model=other", os.Getpid())),
	}
	report, err := Run(t.Context(), plan(), gateways, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(2 * 2 * (40 + 2)); requests.Load() != want || keys.Load() != want {
		t.Errorf("%d requests, %d with the key, want %d", requests.Load(), keys.Load(), want)
	}
	if len(report.Results) != 4 || report.Failed() {
		t.Fatalf("report %+v", report)
	}
	for i, r := range report.Results {
		if r.Requests != 80 || r.Errors != 0 || r.P50 <= 0 || r.P99 < r.P50 || r.PerSecond <= 0 || r.NoUsage != 0 {
			t.Errorf("result %d: %+v", i, r)
		}
		if streamed := i >= 2; (r.Chunks == 80*12) != streamed || (r.FirstTokenP50 != nil) != streamed {
			t.Errorf("result %d: %d chunks", i, r.Chunks)
		}
		if measured := i%2 == 1; (r.CPUPerRequest != nil) != measured || (r.RSSBytes > 0) != measured {
			t.Errorf("result %d: costs %+v", i, r)
		}
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "gateway") || strings.Contains(text.String(), "tg_secret") {
		t.Errorf("report:\n%s", text.String())
	}
}

// A gateway must not look fast by answering badly.
func TestBadAnswersFail(t *testing.T) {
	frame := `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"
	tests := map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, frame) // no [DONE]
		},
		"aborted": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, frame)
			panic(http.ErrAbortHandler)
		},
		"empty": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n")
		},
		"error in stream": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, frame+`data: {"error":{"message":"no"}}`+"\n\ndata: [DONE]\n\n")
		},
		"other text": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(frame, 12)+"data: [DONE]\n\n")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		},
	}
	p := plan()
	p.Modes, p.Requests, p.Rounds, p.Warmup = []Mode{Stream}, 8, 1, 0
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := Run(t.Context(), p, []Gateway{gateway(t, "direct", provider(t, 12), ""), gateway(t, "bad", h, "")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r := report.Results[1]; !report.Failed() || r.Errors+int64(r.OtherText) == 0 {
				t.Errorf("not noticed: %+v", r)
			}
		})
	}
}

// A gateway that stalls must not hide it: with a pace, requests that were due
// during the stall are late.
func TestPacedCountsTheQueue(t *testing.T) {
	var n atomic.Int64
	through := provider(t, 1)
	stalls := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			time.Sleep(200 * time.Millisecond)
		}
		through.ServeHTTP(w, r)
	})
	p := plan()
	p.Modes, p.Clients, p.Rate, p.Requests, p.Rounds, p.Warmup = []Mode{Chat}, 1, 200, 40, 1, 0
	report, err := Run(t.Context(), p, []Gateway{gateway(t, "stalls", stalls, "")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Results[0]; r.P50 < 20_000 {
		t.Errorf("p50 is %.0f µs: the queue is not counted", r.P50)
	}
}

func TestEndsInTime(t *testing.T) {
	p := plan()
	p.Modes, p.Requests, p.Duration, p.Rounds, p.Warmup = []Mode{Chat}, 1_000_000, 300*time.Millisecond, 1, 0
	start := time.Now()
	report, err := Run(t.Context(), p, []Gateway{gateway(t, "direct", provider(t, 1), "")}, nil)
	if err != nil || report.Results[0].Requests == 0 || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v: %+v", err, time.Since(start), report)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, p, []Gateway{gateway(t, "direct", provider(t, 1), "")}, nil); err == nil {
		t.Error("a cancelled run gives a report")
	}
}

func TestParseGateway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("tg_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := ParseGateway("name=a,url=http://127.0.0.1:1/v1/,pid=3+4,model=m,key_file="+file, os.Getenv)
	if err != nil || g.URL.String() != "http://127.0.0.1:1/v1" || len(g.PIDs) != 2 || g.key != "tg_x" || g.Model != "m" {
		t.Errorf("got %+v, %v", g, err)
	}
	for _, bad := range []string{
		"", "name=a", "url=http://127.0.0.1:1", "name=a,url=https://api.openai.com/v1", "name=a,url=http://127.0.0.1:1,pid=x",
		"name=a,url=http://127.0.0.1:1,pid=0", "name=a,url=http://127.0.0.1:1,key=tg_x", "name=a,url=http://127.0.0.1:1,key_env=UNSET_VARIABLE",
		"name=a,url=http://127.0.0.1:1,key_file=/nowhere/key",
	} {
		if _, err := ParseGateway(bad, os.Getenv); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestPlanBounds(t *testing.T) {
	if err := plan().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Plan){
		"mode": func(p *Plan) { p.Modes = []Mode{"x"} }, "no mode": func(p *Plan) { p.Modes = nil },
		"clients": func(p *Plan) { p.Clients = 5000 }, "rate": func(p *Plan) { p.Rate = -1 },
		"requests": func(p *Plan) { p.Requests = 2_000_000 }, "duration": func(p *Plan) { p.Duration = time.Hour },
		"rounds": func(p *Plan) { p.Rounds = 0 }, "warmup": func(p *Plan) { p.Warmup = -1 },
		"prompt": func(p *Plan) { p.PromptBytes = 0 }, "model": func(p *Plan) { p.Model = "" }, "timeout": func(p *Plan) { p.Timeout = 0 },
	} {
		p := plan()
		change(&p)
		if p.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPercentile(t *testing.T) {
	var d []time.Duration
	for i := 100; i >= 1; i-- {
		d = append(d, time.Duration(i)*time.Microsecond)
	}
	for p, want := range map[int]float64{50: 50, 99: 99, 100: 100} {
		if got := percentile(d, p); got != want {
			t.Errorf("p%d is %v", p, got)
		}
	}
	if percentile(nil, 50) != 0 || percentile(d[:1], 99) != 1 {
		t.Error("short lists")
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n", true)
	f.Add("data:[DONE]", false)
	f.Fuzz(func(t *testing.T, body string, sample bool) {
		a, err := readStream(strings.NewReader(body), time.Now(), sample)
		if err == nil && (a.chunks == 0 || !strings.Contains(body, "[DONE]")) {
			t.Fatalf("%q is a whole answer: %+v", body, a)
		}
	})
}
