// Package concurrency bounds how many requests run at once, of one target or
// of the whole router. Those that find no place wait in a queue that is fair
// between tenants: a free place goes to the tenant that has the fewest, and
// when the queue is full it is the tenant with most in it that is turned away.
package concurrency

import (
	"context"
	"sync"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Limiter hands out places. It is safe for concurrent use.
type Limiter struct {
	mu       sync.Mutex
	config   Config
	bound    bound
	inFlight int
	waiting  int
	arrivals uint64 // numbers the waiting
	tenants  map[string]*tenant
	free     *tenant       // structs to use again
	took     time.Duration // moving mean of how long a place is held
}

// tenant is one of those who have places or wait for them.
type tenant struct {
	inFlight int
	queue    []*waiter // in the order of arrival
	next     *tenant   // in the free list
}

// waiter is a request in the queue.
type waiter struct {
	arrival uint64
	told    chan struct{} // closed when it is decided
	fate    fate
}

// fate is what becomes of a waiter.
type fate uint8

const (
	undecided fate = iota
	granted
	refused
)

// New makes a limiter.
func New(c Config) *Limiter {
	l := &Limiter{tenants: make(map[string]*tenant)}
	l.Configure(c)
	return l
}

// Configure changes the bounds. Places that are taken stay so.
func (l *Limiter) Configure(c Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config = c
	l.bound.configure(c)
	l.serve()
}

// Acquire takes a place, for which it may wait. It fails with OVERLOADED, and
// the time after which it is worth trying again, or with the end of ctx.
// Release follows a success.
func (l *Limiter) Acquire(ctx context.Context, name string) error {
	l.mu.Lock()
	t := l.tenant(name)
	if l.config.Max == 0 || l.waiting == 0 && l.inFlight < l.bound.places() {
		l.inFlight++
		t.inFlight++
		l.mu.Unlock()
		return nil
	}
	w := l.enqueue(name, t)
	if w == nil {
		err := l.overloaded(l.crowded())
		l.mu.Unlock()
		return err
	}
	patience := l.config.wait()
	l.mu.Unlock()
	return l.await(ctx, name, w, patience)
}

// await waits for a place.
func (l *Limiter) await(ctx context.Context, name string, w *waiter, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var gone error
	select {
	case <-w.told:
	case <-timer.C:
	case <-ctx.Done():
		gone = errs.From(ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	why := l.crowded()
	switch {
	case w.fate == granted && gone == nil:
		return nil // maybe at the last moment
	case w.fate == granted:
		l.giveBack(name)
	case w.fate == undecided:
		why = waited
		l.leaveQueue(name, w)
	}
	if gone != nil {
		return gone
	}
	return l.overloaded(why)
}

// Sample is what a request says about the other side when it gives its place back.
type Sample struct {
	Time time.Time
	// FirstContent is how long the first content took; 0 says nothing.
	FirstContent time.Duration
	// Duration is how long the place was held.
	Duration time.Duration
	// Overloaded is true if the other side said that it has too much to do, or
	// did not answer in time.
	Overloaded bool
}

// Release gives a place back.
func (l *Limiter) Release(name string, s Sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.took == 0 {
		l.took = s.Duration
	}
	l.took += (s.Duration - l.took) / 8
	l.bound.observe(s, l.inFlight)
	l.giveBack(name)
}

func (l *Limiter) giveBack(name string) {
	l.inFlight--
	t := l.tenants[name]
	t.inFlight--
	l.forget(name, t)
	l.serve()
}

// Bound is how many may run at once now; 0 means any number.
func (l *Limiter) Bound() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.config.Max == 0 {
		return 0
	}
	return l.bound.places()
}

// Waiting is how many wait for a place.
func (l *Limiter) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// InFlight is how many places are taken.
func (l *Limiter) InFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight
}

// Bounds of the advice when to come again.
const (
	soonest = time.Second
	latest  = 30 * time.Second
)

// Which limit a request has met, as the refusal's metadata "limit" says.
const (
	noPlace   = "concurrency" // no place is free, and none may wait for one
	queueFull = "queue_full"
	waited    = "queue_wait" // it has waited for as long as it may
)

// crowded is the limit that keeps a request from waiting.
func (l *Limiter) crowded() string {
	if l.config.Queue == 0 {
		return noPlace
	}
	return queueFull
}

// overloaded is the refusal: those who wait will be served in about so long.
func (l *Limiter) overloaded(limit string) error {
	wait := l.took * time.Duration(l.waiting+1) / time.Duration(max(1, l.bound.places()))
	return errs.New(llmv1.ErrorReason_ERROR_REASON_OVERLOADED, "too many requests run at once").
		WithRetryAfter(min(max(wait, soonest), latest)).WithMetadata("limit", limit)
}
