package providertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// created is the time of every answer, so that answers can be compared.
const created = 1_750_000_000

// maxBody is how much of a request a fake reads.
const maxBody = 64 << 20

// LeakyText is in every error of a fake; a gateway must not show it.
const LeakyText = "Incorrect API key provided: sk-leaked; see http://10.1.2.3/internal"

// Recorded is a request that a fake saw.
type Recorded struct {
	Method string
	Path   string // as it was sent, escapes and all
	Query  url.Values
	Header http.Header
	Body   []byte
	Model  string
	Stream bool

	ended     chan struct{}
	cancelled time.Time
}

// Host is what every fake provider stands on: a server on a loopback port that
// keeps what it was asked. Its fields may be set before the first request.
type Host struct {
	*httptest.Server
	// Delay is how long SlowFirstToken waits; 200ms.
	Delay time.Duration
	// Pace is the time between two pieces of a streamed answer; none.
	Pace time.Duration
	// Answer writes the text of an answer; nil lets the fake say what it saw
	// and what the user said last.
	Answer func(*Recorded) string
	// Arrived is told of each request; nil tells nobody.
	Arrived func(*Recorded)
	// Key is the credential that is asked for; empty asks for any.
	Key string

	// Period is how long Flapping is down, and then up; half a second.
	Period time.Duration

	connections atomic.Int64
	states      sync.Map // of the open connections
	began       time.Time

	mu       sync.Mutex
	requests []*Recorded
	seen     map[string]bool
	stopping context.Context // ends the handlers that wait
}

// NewHost starts a server and stops it with the test.
func NewHost(t testing.TB, handler http.Handler) *Host {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	h := &Host{
		Delay: 200 * time.Millisecond, Period: 500 * time.Millisecond,
		began: time.Now(), seen: make(map[string]bool), stopping: ctx,
	}
	h.Server = httptest.NewUnstartedServer(handler)
	// AWS's SDK for Node speaks HTTP/2 to some services, without TLS too.
	h.Config.Protocols = &http.Protocols{}
	h.Config.Protocols.SetHTTP1(true)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			h.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			h.states.Delete(conn)
			return
		}
		h.states.Store(conn, state)
	}
	h.Start()
	t.Cleanup(func() {
		stop()
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// Connections is how many connections clients have opened.
func (h *Host) Connections() int { return int(h.connections.Load()) }

// Open is how many of them are open now, in use or not.
func (h *Host) Open() (n int) {
	h.states.Range(func(any, any) bool { n++; return true })
	return n
}

// InUse is how many of them have a request.
func (h *Host) InUse() (n int) {
	h.states.Range(func(_, state any) bool {
		if state == http.StateActive {
			n++
		}
		return true
	})
	return n
}

// Requests lists what the server has seen, the oldest first.
func (h *Host) Requests() []*Recorded {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Recorded(nil), h.requests...)
}

// Forget drops what has been seen.
func (h *Host) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests, h.seen = nil, make(map[string]bool)
}

// Asked counts the requests for a model.
func (h *Host) Asked(model string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, rec := range h.requests {
		if rec.Model == model {
			n++
		}
	}
	return n
}

// Last returns the latest request; nil before the first.
func (h *Host) Last() *Recorded {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.requests) == 0 {
		return nil
	}
	return h.requests[len(h.requests)-1]
}

// AwaitCancelled waits until the client has given the request up, and says when it did.
func (r *Recorded) AwaitCancelled(timeout time.Duration) (time.Time, bool) {
	select {
	case <-r.ended:
		return r.cancelled, !r.cancelled.IsZero()
	case <-time.After(timeout):
		return time.Time{}, false
	}
}

// Namer says which model a request is for, and whether it asks for a stream.
type Namer func(r *http.Request, body []byte) (model string, stream bool)

// Recorded wraps a handler so that its requests are seen in Requests.
func (h *Host) Recorded(name Namer, handle func(http.ResponseWriter, *http.Request, *Recorded)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return
		}
		rec := &Recorded{
			Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(),
			Header: r.Header.Clone(), Body: body, ended: make(chan struct{}),
		}
		rec.Model, rec.Stream = name(r, body)
		h.mu.Lock()
		h.requests = append(h.requests, rec)
		h.mu.Unlock()
		if h.Arrived != nil {
			h.Arrived(rec)
		}
		defer func() {
			if r.Context().Err() != nil && h.stopping.Err() == nil {
				rec.cancelled = time.Now()
			}
			close(rec.ended)
		}()
		dressed, finish := dress(w, Behaviour(rec.Model))
		handle(dressed, r, rec)
		finish()
	}
}

// first says whether this is the first time that something is seen.
func (h *Host) first(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := !h.seen[what]
	h.seen[what] = true
	return first
}

// Wait waits, or until the client or the server has gone.
func (h *Host) Wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-h.stopping.Done():
	}
	return false
}
