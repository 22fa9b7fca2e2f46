package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/app"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// What must hold behind a storm.
const (
	calmWithin   = 10 * time.Second // until everything is as it was before
	cancelWithin = time.Second      // until the provider's request ends, after the client's
	extraHeap    = 8 << 20          // bytes that the heap may hold more than before
	extraThreads = 8                // goroutines that may be about to end, or belong to timers
)

// stormConfig leaves out what has a time of its own: no stream may end but by
// its client's leaving.
const stormConfig = `
data_dir: %q
http: {addr: 127.0.0.1:0, drain_timeout: 3s}
grpc: {router: {addr: 127.0.0.1:0}, guardrail: {addr: 127.0.0.1:0}, rag: {addr: 127.0.0.1:0}, billing: {addr: 127.0.0.1:0}}
telemetry: {metrics_addr: ""}
targets:
%s
routes:
%s
`

// storm is a service in this process, so that its goroutines can be counted,
// with the providers that it asks.
type storm struct {
	url, key  string
	providers map[string]*provider
	transport *http.Transport
}

func newStorm(t *testing.T) *storm {
	s := &storm{providers: newProviders(t), transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var targets, routes strings.Builder
	for _, name := range dialects {
		p := s.providers[name]
		p.host.Delay, p.host.Pace = time.Minute, 20*time.Millisecond
		fmt.Fprintf(&targets, "  - {name: %s, %s, models: \"*\", retries: 0}\n", name, p.config)
		fmt.Fprintf(&routes, "  - {model: \"%s.*\", targets: [%s]}\n", name, name)
	}
	cfg := app.DefaultConfig()
	content := fmt.Sprintf(stormConfig, t.TempDir(), targets.String(), routes.String())
	if err := config.Parse([]byte(content), os.LookupEnv, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := app.New(ctx, app.Options{Config: cfg, LogWriter: io.Discard})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.url, s.key = "http://"+a.HTTPAddr(), a.AdminKey().Reveal()
	return s
}

// ways are the dialects in which clients ask for streams: path, and body with
// the model and the text in it.
var ways = []struct{ path, body string }{
	{"/v1/chat/completions", `{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`},
	{"/v1/responses", `{"model":%q,"stream":true,"store":false,"input":%q}`},
	{"/anthropic/v1/messages", `{"model":%q,"stream":true,"max_tokens":1000,"messages":[{"role":"user","content":%q}]}`},
	{"/gemini/v1beta/models/{model}:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":%q}]}]}`},
	{"/bedrock/model/{model}/converse-stream", `{"messages":[{"role":"user","content":[{"text":%q}]}]}`},
}

// moments are when clients leave: before the provider's headers, between those
// and the first token, and within the stream.
var moments = []string{providertest.Silent, providertest.SlowFirstToken, ""}

// gone is a stream whose client has left.
type gone struct {
	model, provider string
	moment          string
	at              time.Time
	bytes           int
	status          int
	err             error
}

// blow sends n streams at once and cancels each at a random moment. The models
// have names of their own, so that the provider's requests can be found.
func (s *storm) blow(round string, n int) []*gone {
	out := make([]*gone, n)
	var group sync.WaitGroup
	for i := range out {
		group.Go(func() {
			time.Sleep(rand.N(2 * time.Second)) // they do not all come in the same instant
			g := &gone{provider: dialects[rand.IntN(len(dialects))], moment: moments[rand.IntN(len(moments))]}
			g.model = fmt.Sprintf("%s.%s%d~%s", g.provider, round, i, g.moment)
			s.ask(g, 50*time.Millisecond+rand.N(2*time.Second))
			out[i] = g
		})
	}
	group.Wait()
	return out
}

// long is a question whose answer takes longer than any client stays.
var long = strings.Repeat(words+" ", 4)

// ask asks, and leaves after a while.
func (s *storm) ask(g *gone, after time.Duration) {
	way := ways[rand.IntN(len(ways))]
	var body string
	if strings.Contains(way.path, "{model}") {
		body = fmt.Sprintf(way.body, long)
	} else {
		body = fmt.Sprintf(way.body, g.model, long)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+strings.ReplaceAll(way.path, "{model}", g.model), strings.NewReader(body))
	if err != nil {
		g.err = err
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.key)
	if strings.HasPrefix(way.path, "/gemini") {
		req.Header.Del("Authorization")
		req.Header.Set("X-Goog-Api-Key", s.key)
	}
	leaving := time.AfterFunc(after, func() {
		g.at = time.Now()
		cancel()
	})
	defer leaving.Stop()
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() == nil {
			g.err = err
		}
		return
	}
	defer func() { _ = resp.Body.Close() }()
	g.status = resp.StatusCode
	var got bytes.Buffer
	_, err = got.ReadFrom(resp.Body)
	g.bytes = got.Len()
	if ctx.Err() == nil {
		g.err = fmt.Errorf("ended before its client left: %s, %v: %s", resp.Status, err, tail(got.String()))
	}
}

// state is what a storm must leave as it was.
type state struct {
	goroutines, connections int
	heap                    uint64
}

func (s *storm) state() state {
	s.transport.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	out := state{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	for _, p := range s.providers {
		out.connections += p.host.Open()
	}
	return out
}

// settled waits until nothing ends any more.
func (s *storm) settled() state {
	last := s.state()
	for range 20 {
		time.Sleep(250 * time.Millisecond)
		now := s.state()
		if now.goroutines == last.goroutines && now.connections == last.connections {
			return now
		}
		last = now
	}
	return last
}

// calm waits until everything is as it was, and says how long that took.
func (s *storm) calm(before state) (state, time.Duration, bool) {
	began := time.Now()
	for {
		now := s.state()
		if now.goroutines <= before.goroutines+extraThreads && now.connections <= before.connections && now.heap <= before.heap+extraHeap {
			return now, time.Since(began), true
		}
		if time.Since(began) > calmWithin {
			return now, time.Since(began), false
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// cancelled waits until the provider's requests have ended, and says how long
// behind the client's each of them did.
func (s *storm) cancelled(t *testing.T, storm []*gone) []time.Duration {
	recorded := map[string]*providertest.Recorded{}
	for _, p := range s.providers {
		for _, rec := range p.host.Requests() {
			recorded[rec.Model] = rec
		}
	}
	var out []time.Duration
	for _, g := range storm {
		rec := recorded[g.model]
		if rec == nil {
			continue // the client left before the provider was asked
		}
		at, ok := rec.AwaitCancelled(calmWithin)
		if !ok {
			t.Errorf("%s: the provider's request was never cancelled", g.model)
			continue
		}
		out = append(out, max(0, at.Sub(g.at)))
	}
	slices.Sort(out)
	return out
}

// TestStorm: when many clients leave at random moments, nothing is left of them.
func TestStorm(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 150
	}
	s := newStorm(t)
	s.cancelled(t, s.blow("warm", n/4)) // what is made once, and kept, is there now
	for _, p := range s.providers {
		p.host.Forget()
	}
	before := s.settled()
	stacks := goroutines()
	streams := s.blow("storm", n)
	ended := time.Now()
	during := s.state()
	late := s.cancelled(t, streams)
	for _, p := range s.providers {
		p.host.Forget()
	}
	after, _, ok := s.calm(before)
	count := map[string]int{}
	for _, g := range streams {
		if g.err != nil {
			t.Errorf("%s: %v", g.model, g.err)
		}
		switch {
		case g.bytes > 0:
			count["within the stream"]++
		case g.moment == providertest.Silent:
			count["before headers"]++
		default:
			count["before the first token"]++
		}
	}
	if !ok {
		t.Errorf("not calm after %v: %+v, was %+v; more than before:\n%s", calmWithin, after, before, more(stacks, goroutines()))
	}
	if len(late) < n*9/10 {
		t.Errorf("only %d of %d streams reached a provider", len(late), n)
	}
	if worst := late[len(late)-1]; worst > cancelWithin {
		t.Errorf("a provider's request was cancelled %v after the client's", worst)
	}
	t.Logf("%d streams cancelled: %v; %d had reached a provider, whose request ended p50 %v, p99 %v, at most %v after the client's",
		n, count, len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
	t.Logf("at the end of the storm %d goroutines, %d connections, %d KiB; calm %v later", during.goroutines, during.connections,
		during.heap>>10, time.Since(ended).Round(time.Millisecond))
	t.Logf("goroutines %d → %d, provider connections %d → %d, heap %d → %d KiB", before.goroutines, after.goroutines,
		before.connections, after.connections, before.heap>>10, after.heap>>10)
}
