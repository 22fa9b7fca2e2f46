package cache

import (
	"context"
	"sync"
	"time"
)

// Flights lets identical questions wait for one answer. It is safe for
// concurrent use.
type Flights struct {
	mu   sync.Mutex
	open map[Key]*Flight
}

// NewFlights makes an empty set.
func NewFlights() *Flights { return &Flights{open: make(map[Key]*Flight)} }

// Flight is a question under way. Whoever leads it ends it exactly once.
type Flight struct {
	set  *Flights
	key  Key
	done chan struct{}
	end  Landing
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
	f.set.mu.Lock()
	defer f.set.mu.Unlock()
	if f.set.open[f.key] != f {
		return
	}
	delete(f.set.open, f.key)
	f.end = l
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

// Len is how many are under way.
func (s *Flights) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
