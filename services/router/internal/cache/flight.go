package cache

import (
	"context"
	"sync"
	"time"
)

// Flights lets identical questions share one answer. It is safe for concurrent use.
type Flights struct {
	mu   sync.Mutex
	open map[Key]*Flight
}

// NewFlights makes an empty set.
func NewFlights() *Flights { return &Flights{open: make(map[Key]*Flight)} }

// Flight is a question under way. Whoever leads it lands it exactly once. Others
// wait for the whole answer, or follow it while it is written.
type Flight struct {
	set  *Flights
	key  Key
	done chan struct{} // closed once it is closed or has landed
	end  Landing       // for those who wait; set before done is closed

	mu     sync.RWMutex
	closed bool // nobody joins any more
	live   live
}

// Landing is how a flight ended.
type Landing struct {
	// Kept is the answer; nil if there is none to share.
	Kept *Kept
	// Found is true if it was kept already and not asked for.
	Found bool
	// Again is true if it failed, so that somebody else may succeed; without an
	// answer and without Again nobody can share one, and each asks on its own.
	Again bool
	// Entry is what is known of an answer that was asked for and is complete, kept
	// or not; it has no completion unless it is kept. Nil after a failure.
	Entry *Entry
	// Err is the failure.
	Err error
}

// Join returns the flight of a question, and whether the caller leads it: it
// does if none was under way.
func (s *Flights) Join(key Key) (f *Flight, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.open[key]; f != nil {
		return f, false
	}
	f = &Flight{set: s, key: key, done: make(chan struct{})}
	s.open[key] = f
	return f, true
}

// Land ends the flight; only the first call counts. Whoever comes from now on
// begins another.
func (f *Flight) Land(l Landing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live.landed {
		return
	}
	f.live.landed, f.live.end = true, l
	f.close(l)
	f.live.wake()
}

// Close lets nobody join any more, because the answer is not one to share: those
// who wait for it ask on their own. Those who follow it have read a part of it,
// and go on.
func (f *Flight) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close(Landing{})
}

func (f *Flight) close(l Landing) {
	if f.closed {
		return
	}
	f.closed, f.end = true, l
	f.set.mu.Lock()
	delete(f.set.open, f.key)
	f.set.mu.Unlock()
	close(f.done)
}

// Wait waits for the flight to land, at most for so long; then each asks on its
// own. Its error is that of ctx.
func (f *Flight) Wait(ctx context.Context, most time.Duration) (Landing, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.end, nil
	case <-timer.C:
		return Landing{}, nil
	case <-ctx.Done():
		return Landing{}, ctx.Err()
	}
}

// Len is how many are under way and can be joined.
func (s *Flights) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
