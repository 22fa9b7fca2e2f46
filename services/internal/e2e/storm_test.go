package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
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
	arrived   sync.Map // the providers' requests, by their tags
}

// tag is what tells the streams apart: the first word of the question. Their
// models have few names, for the gateway keeps what it knows of each.
var tag = regexp.MustCompile(`(warm|storm)-[0-9]+-`)

func newStorm(t *testing.T) *storm {
	s := &storm{providers: newProviders(t), transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var targets, routes strings.Builder
	for _, name := range dialects {
		p := s.providers[name]
		p.host.Delay, p.host.Pace = time.Hour, 200*time.Millisecond
		p.host.Arrived = func(rec *providertest.Recorded) { s.arrived.Store(string(tag.Find(rec.Body)), rec) }
		fmt.Fprintf(&targets, "  - {name: %s, %s, models: \"*\", retries: 0, timeouts: {first_token: 5m, idle: 5m}}\n", name, p.config)
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

// way is a dialect in which clients ask for streams: path, and body with the
// model and the text in it.
type way struct{ path, body string }

var ways = []way{
	{"/v1/chat/completions", `{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`},
	{"/v1/responses", `{"model":%q,"stream":true,"store":false,"input":%q}`},
	{"/anthropic/v1/messages", `{"model":%q,"stream":true,"max_tokens":1000,"messages":[{"role":"user","content":%q}]}`},
	{"/gemini/v1beta/models/{model}:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":%q}]}]}`},
	{"/bedrock/model/{model}/converse-stream", `{"messages":[{"role":"user","content":[{"text":%q}]}]}`},
}

// moment is when a client leaves, and how the provider gets it there.
type moment struct {
	name, behaviour string
}

// moments are those of the stream's life. A client that leaves at once does so
// while the gateway still looks at the request, or dials.
var moments = []moment{
	{"at once", providertest.Silent},
	{"before headers", providertest.Silent},
	{"before the first token", providertest.SlowFirstToken},
	{"within the stream", ""},
	{"within the stream", ""},
}

// gone is a stream whose client has left.
type gone struct {
	moment
	model string
	tag   string
	at    time.Time
	bytes int
	err   error
}

// opening is how many streams are opened at the same time, and leaving how long
// it takes until the last client has left.
const (
	opening = 64
	leaving = 2 * time.Second
)

// blow opens n streams, all of which are open at once, and then leaves each of
// them at a random moment.
func (s *storm) blow(t *testing.T, round string, n int) []*gone {
	out := make([]*gone, n)
	places := make(chan struct{}, opening)
	may := make(chan struct{})
	var open, ended sync.WaitGroup
	open.Add(n)
	for i := range out {
		g := &gone{moment: moments[i%len(moments)]}
		g.model, g.tag = dialects[rand.IntN(len(dialects))]+".m~"+g.behaviour, fmt.Sprintf("%s-%d-", round, i)
		out[i] = g
		ended.Go(func() {
			places <- struct{}{}
			s.ask(g, ways[i/len(moments)%len(ways)], func() { <-places; open.Done() }, may)
		})
	}
	open.Wait()
	inUse := 0
	for _, p := range s.providers {
		inUse += p.host.InUse()
	}
	t.Logf("%s: %d streams are open at once", round, inUse)
	close(may)
	ended.Wait()
	return out
}

// long is a question whose answer takes longer than any client stays.
var long = strings.Repeat(words+" ", 4)

// ask opens a stream, says so once it is where it should be, and leaves a while
// after it may.
func (s *storm) ask(g *gone, w way, opened func(), may <-chan struct{}) {
	said := sync.OnceFunc(opened)
	defer said()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	leave := func(within time.Duration) {
		time.Sleep(rand.N(within))
		g.at = time.Now()
		cancel()
	}
	go func() {
		if g.name == "at once" {
			leave(20 * time.Millisecond)
			return
		}
		if g.name != "within the stream" { // whose first byte says so
			s.await(ctx, g)
			said()
		}
		<-may
		leave(leaving)
	}()
	resp, err := s.transport.RoundTrip(w.request(ctx, s, g))
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		piece := make([]byte, 4096)
		for n := 0; err == nil; g.bytes += n {
			if n, err = resp.Body.Read(piece); n > 0 && resp.StatusCode == http.StatusOK {
				said()
			}
		}
		err = fmt.Errorf("%s: %w: %s", resp.Status, err, piece)
	}
	if ctx.Err() == nil {
		g.err = fmt.Errorf("ended before its client left: %w", err)
		cancel()
	}
}

// await waits until the provider has the request.
func (s *storm) await(ctx context.Context, g *gone) {
	for ctx.Err() == nil && s.recorded(g) == nil {
		time.Sleep(10 * time.Millisecond)
	}
}

// recorded is the provider's request; nil if it has none.
func (s *storm) recorded(g *gone) *providertest.Recorded {
	rec, _ := s.arrived.Load(g.tag)
	out, _ := rec.(*providertest.Recorded)
	return out
}

// request is a request of the dialect.
func (w way) request(ctx context.Context, s *storm, g *gone) *http.Request {
	args := []any{g.model, g.tag + " " + long}
	if strings.Contains(w.path, "{model}") {
		args = args[1:]
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+strings.ReplaceAll(w.path, "{model}", g.model),
		strings.NewReader(fmt.Sprintf(w.body, args...)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(w.path, "/gemini") {
		req.Header.Set("X-Goog-Api-Key", s.key)
	} else {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	return req
}

// state is what a storm must leave as it was.
type state struct {
	goroutines         int
	connections, inUse int // of the providers
	heap               uint64
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
		out.inUse += p.host.InUse()
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

// calm waits until everything is as it was. A connection that was being dialled
// when its client left is kept for the next, unused, with its goroutines: two of
// the gateway's and one of the provider's. There are no more of those than dials
// that were left.
func (s *storm) calm(before state, dials int) (state, bool) {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		now := s.state()
		kept := max(0, now.connections-before.connections)
		switch {
		case kept <= dials && now.inUse <= before.inUse && now.heap <= before.heap+extraHeap &&
			now.goroutines <= before.goroutines+extraThreads+3*kept:
			return now, true
		case time.Since(began) > calmWithin:
			return now, false
		}
	}
}

// forget drops what the providers have seen, which is not the gateway's.
func (s *storm) forget() {
	for _, p := range s.providers {
		p.host.Forget()
	}
	s.arrived.Clear()
}

// cancelled waits until the provider's requests have ended, and says how long
// behind the client's each of them did.
func (s *storm) cancelled(t *testing.T, storm []*gone) []time.Duration {
	var out []time.Duration
	for _, g := range storm {
		rec := s.recorded(g)
		if rec == nil {
			continue // the client left before the provider was asked
		}
		at, ok := rec.AwaitCancelled(calmWithin)
		if !ok {
			t.Errorf("%s %s: the provider's request was never cancelled", g.tag, g.model)
			continue
		}
		out = append(out, max(0, at.Sub(g.at)))
	}
	slices.Sort(out)
	return out
}

// lag is how late this machine is with what it is to do, at worst.
func lag(ctx context.Context) <-chan time.Duration {
	out := make(chan time.Duration, 1)
	go func() {
		var worst time.Duration
		for ctx.Err() == nil {
			began := time.Now()
			time.Sleep(10 * time.Millisecond)
			worst = max(worst, time.Since(began)-10*time.Millisecond)
		}
		out <- worst
	}()
	return out
}

// TestStorm: when many clients leave at random moments, nothing is left of them.
func TestStorm(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 150
	}
	s := newStorm(t)
	s.cancelled(t, s.blow(t, "warm", n/4)) // what is made once, and kept, is there now
	s.forget()
	before := s.settled()
	stacks := goroutines()
	ctx, stop := context.WithCancel(context.Background())
	lagging := lag(ctx)
	streams := s.blow(t, "storm", n)
	ended := time.Now()
	late := s.cancelled(t, streams)
	stop()
	worst := <-lagging
	s.forget()
	after, ok := s.calm(before, n/len(moments))
	took := time.Since(ended)
	count := map[string]int{}
	for _, g := range streams {
		if g.err != nil {
			t.Errorf("%s, %s: %v", g.model, g.name, g.err)
		}
		if g.name == "within the stream" && g.bytes == 0 {
			t.Errorf("%s: nothing came of the stream", g.model)
		}
		count[g.name]++
	}
	if !ok {
		t.Errorf("not calm %v after the storm: %+v, was %+v; more than before:\n%s", took, after, before, more(stacks, goroutines()))
	}
	if len(late) < n-count["at once"] {
		t.Fatalf("only %d of %d streams reached a provider", len(late), n)
	}
	if last := late[len(late)-1]; last > cancelWithin+worst {
		t.Errorf("a provider's request ended %v after its client had left", last)
	}
	t.Logf("%d streams, left by their clients: %v", n, count)
	t.Logf("%d had reached a provider, whose request ended p50 %v, p99 %v, at most %v after the client had left; the machine itself was up to %v late",
		len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1], worst)
	t.Logf("calm %v after the last had left: goroutines %d → %d, provider connections in use %d → %d, open %d → %d, heap %d → %d KiB",
		took.Round(time.Millisecond), before.goroutines, after.goroutines, before.inUse, after.inUse,
		before.connections, after.connections, before.heap>>10, after.heap>>10)
}
