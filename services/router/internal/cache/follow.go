package cache

import (
	"context"
	"errors"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// live is the part of a flight that can be followed. Its leader writes and never
// waits for those who read: they find what is new by themselves (Follower).
type live struct {
	answer  *Collector // nil while nothing is shown
	terms   Terms
	abandon func() // ends the work for the answer
	begun   bool   // something has come that a client is told
	leads   bool   // the leader's own client is there
	aboard  int    // it, and those who follow
	landed  bool
	end     Landing

	// news reaches one of those who listen, who closes changed for all: to wake a
	// crowd takes a while, and the leader has better things to do. Both are nil
	// while nobody listens.
	news, changed chan struct{}
	listeners     int
}

// wake tells those who listen.
func (l *live) wake() {
	if l.listeners == 0 {
		return
	}
	select {
	case l.news <- struct{}{}:
	default: // they have not yet heard the last
	}
}

// spread passes on that there is something new.
func (f *Flight) spread() {
	f.mu.Lock()
	old := f.live.changed
	f.live.changed = make(chan struct{})
	f.mu.Unlock()
	close(old)
}

// Show lets others follow the answer that is collected, under these terms. Once
// nobody is left who wants it, neither the leader's client nor anybody else,
// abandon is called.
func (f *Flight) Show(answer *Collector, t Terms, abandon func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live.answer, f.live.terms, f.live.abandon = answer, t, abandon
	f.live.leads, f.live.aboard = true, 1
}

// Add collects a chunk, and shows it to those who follow. It waits for nobody.
func (f *Flight) Add(c *stream.Chunk, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &f.live
	if !f.closed && !l.terms.shows(c) {
		f.close(Landing{})
	}
	l.answer.Add(c, now)
	if !l.answer.whole() {
		f.close(Landing{})
	}
	l.begun = l.begun || c.Opens()
	l.wake()
}

// Leave says that the leader's client is gone, and whether somebody follows: then
// the leader goes on for them.
func (f *Flight) Leave() (followed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live.leads {
		f.live.leads = false
		f.live.left()
	}
	return f.live.aboard > 0
}

// left takes one from those aboard.
func (l *live) left() {
	l.aboard--
	l.answer.followed = l.aboard > 0 && !(l.leads && l.aboard == 1)
	if l.aboard == 0 {
		l.abandon()
	}
}

// Follow waits until a client would be told something of the answer, and follows
// it from its beginning; or until the flight lands, as Wait does.
func (f *Flight) Follow(ctx context.Context, most time.Duration) (*Follower, Landing, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	news := f.listen()
	for {
		follower, changed := f.board(news)
		if follower != nil {
			return follower, Landing{}, nil
		}
		select {
		case <-news:
			f.spread()
			continue
		case <-changed:
			continue
		case <-f.done:
		case <-timer.C:
		case <-ctx.Done():
		}
		f.deafen()
		return f.outcome(ctx)
	}
}

// outcome is what there is for one who has not followed.
func (f *Flight) outcome(ctx context.Context) (*Follower, Landing, error) {
	select {
	case <-f.done:
		return nil, f.end, nil
	default:
		return nil, Landing{}, ctx.Err()
	}
}

func (f *Flight) listen() (news chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live.listeners++; f.live.listeners == 1 {
		f.live.news, f.live.changed = make(chan struct{}, 1), make(chan struct{})
	}
	return f.live.news
}

func (f *Flight) deafen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live.deafen()
}

func (l *live) deafen() {
	if l.listeners--; l.listeners == 0 {
		l.news, l.changed = nil, nil
	}
}

// board makes a listener a follower, if it can be one by now. Whoever comes after
// all others have left is too late: the work is being ended.
func (f *Flight) board(news <-chan struct{}) (*Follower, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.live.begun || f.closed || f.live.aboard == 0 {
		return nil, f.live.changed
	}
	f.live.aboard++
	f.live.answer.followed = true
	return &Follower{flight: f, news: news, reader: reader{page: f.live.answer.page}}, nil
}

// ErrBehind says that a follower was so far behind that what it had not read is gone.
var ErrBehind = errors.New("too far behind the answer that is followed")

// errLost is the failure of a flight whose leader could not say why.
var errLost = errors.New("the answer that is followed was lost")

// Follower is one who follows an answer while another request has it written. It
// belongs to one goroutine.
type Follower struct {
	flight *Flight
	news   <-chan struct{}
	reader reader
}

// Next waits for more of the answer and returns all that is new, valid until the
// next call; nil after the end of an answer that ended well.
func (r *Follower) Next(ctx context.Context) (*stream.Chunk, error) {
	f := r.flight
	for {
		f.mu.RLock()
		ok := r.reader.read(f.live.answer)
		changed, landed := f.live.changed, f.live.landed
		f.mu.RUnlock()
		switch {
		case !ok:
			return nil, ErrBehind
		case len(r.reader.chunk.Events) > 0:
			return &r.reader.chunk, nil
		case landed:
			return nil, r.failure()
		}
		select {
		case <-r.news:
			f.spread()
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// failure is why the flight failed; nil if it ended well.
func (r *Follower) failure() error {
	switch end := &r.flight.live.end; {
	case end.Entry != nil:
		return nil
	case end.Err != nil:
		return end.Err
	default:
		return errLost
	}
}

// Entry is what is known of the answer after its end.
func (r *Follower) Entry() *Entry { return r.flight.live.end.Entry }

// Close ends the following. The last one to leave ends the work for the answer.
func (r *Follower) Close() {
	r.flight.mu.Lock()
	defer r.flight.mu.Unlock()
	r.flight.live.left()
	r.flight.live.deafen()
}
