// Package quota holds targets to the requests and tokens a minute that their
// providers grant, and keys to their rates: in this process, or shared by all
// replicas of the router.
//
// What was granted is counted by the second, and counts for a minute: no
// minute, wherever it begins, holds more than the limit. Who asks reserves one request
// and the most tokens that it may use, and settles what it used.
//
// While replicas share a store, it decides, on its own clock. While it is away,
// each replica decides alone: what all were granted before still counts, and
// of what is left it has its share, by the number of replicas that were last
// seen. When the store is back, each says what it granted meanwhile, and keeps to
// its share as well until the others have said so too.
package quota

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// patience is how long a replica waits for others that were there before the
// store went away.
const patience = 10 * time.Second

// Book holds the gates of all targets, or of guests. It is safe for concurrent use.
type Book struct {
	now    func() time.Time
	shared Shared
	// flow is held for reading while the store is asked, so that nothing is
	// under way while it is told what was granted.
	flow   sync.RWMutex
	offset atomic.Int64 // how far the store's clock is ahead, in nanoseconds
	state  atomic.Pointer[state]
	kick   chan struct{}

	muChanges sync.Mutex
	changes   map[*Gate]bool // what is to be flushed

	mu    sync.Mutex // state and gates change under it
	gates map[string]*Gate
}

// state is how replicas stand to each other.
type state struct {
	// linked is set while the store decides; careful, while others are not back.
	linked, careful bool
	share           Share
	spell           int
	// known are the replicas that were seen last, and since is when the store
	// was back, by its clock.
	known []string
	since time.Time
}

// New makes a book for a router that is alone.
func New(now func() time.Time) *Book { return NewShared(nil, 1, now) }

// NewShared makes a book for one of some replicas. Until the store has been
// reached they are taken to be as many as given.
func NewShared(shared Shared, replicas int, now func() time.Time) *Book {
	b := &Book{now: now, shared: shared, kick: make(chan struct{}, 1), changes: make(map[*Gate]bool), gates: make(map[string]*Gate)}
	b.state.Store(&state{share: Share{0, int64(max(replicas, 1))}})
	return b
}

// Gate returns the gate of a target, with the given limits from now on.
func (b *Book) Gate(target string, l provider.Limits) *Gate {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.gates[target]
	if g == nil {
		g = &Gate{target: target, book: b, deny: denyTarget}
		b.gates[target] = g
	}
	st := b.state.Load()
	g.limit(l, st.linked, st.spell)
	return g
}

func (b *Book) all() []*Gate {
	b.mu.Lock()
	defer b.mu.Unlock()
	gates := make([]*Gate, 0, len(b.gates))
	for _, g := range b.gates {
		gates = append(gates, g)
	}
	return gates
}

// enter says whether the store is to be asked; leave follows then.
func (b *Book) enter() bool {
	if b.shared == nil || !b.state.Load().linked || !b.flow.TryRLock() {
		return false
	}
	if b.state.Load().linked {
		return true
	}
	b.flow.RUnlock()
	return false
}

func (b *Book) leave() { b.flow.RUnlock() }

// time is the store's clock, as far as it is known here.
func (b *Book) time() time.Time { return b.now().Add(time.Duration(b.offset.Load())) }

func (b *Book) second() int64 { return b.time().Unix() }

func (b *Book) until(second int64) time.Duration {
	return max(time.Unix(second, 0).Sub(b.time()), 0)
}

func (b *Book) observe(store time.Time) { b.offset.Store(int64(store.Sub(b.now()))) }

func (b *Book) changed(g *Gate) {
	b.muChanges.Lock()
	b.changes[g] = true
	b.muChanges.Unlock()
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// Changed says that there is something to Flush.
func (b *Book) Changed() <-chan struct{} { return b.kick }

// Away has every replica decide alone, from what it knows. It is called by
// whoever notices that the store cannot be asked.
func (b *Book) Away() {
	if !b.state.Load().linked {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st := *b.state.Load()
	if !st.linked {
		return
	}
	st.spell++
	for _, g := range b.gates {
		g.each(func(_ string, s *scope) { s.away(st.spell, st.careful) })
	}
	st.linked, st.careful = false, false
	b.state.Store(&st)
}

// Return tells the store what this replica granted, and has it decide again.
// It shows the time store. First is set if it never was away since the start:
// then there are no others that have not heard of it.
func (b *Book) Return(ctx context.Context, store time.Time, first bool) error {
	b.flow.Lock()
	defer b.flow.Unlock()
	ahead := store.Unix() - b.second()
	b.observe(store)
	gates := b.all()
	for _, g := range gates {
		if err := g.link(ctx, ahead); err != nil {
			for _, g := range gates {
				g.each(func(_ string, s *scope) { s.unlink() })
			}
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st := *b.state.Load()
	st.linked, st.careful, st.since = true, !first, store
	b.state.Store(&st)
	for _, g := range b.gates { // one may be new
		g.each(func(_ string, s *scope) {
			if s.linkLate() {
				b.changed(g)
			}
		})
	}
	return nil
}

// Members says which replicas there are, this one included, and when each said
// so last, by the store's clock.
func (b *Book) Members(me string, seen map[string]time.Time, store time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := *b.state.Load()
	if !st.linked {
		return
	}
	if st.careful && !st.complete(seen) && store.Sub(st.since) < patience {
		return
	}
	st.known = st.known[:0:0]
	for id := range seen {
		st.known = append(st.known, id)
	}
	slices.Sort(st.known)
	if rank, ok := slices.BinarySearch(st.known, me); ok {
		st.share = Share{int64(rank), int64(len(st.known))}
	}
	st.careful = false
	b.state.Store(&st)
}

// complete says whether all replicas that there were have been seen since the
// store is back.
func (st *state) complete(seen map[string]time.Time) bool {
	for _, id := range st.known {
		if at, ok := seen[id]; !ok || !at.After(st.since) {
			return false
		}
	}
	return int64(len(seen)) >= st.share.Of
}

// Flush tells the store what has changed since it was granted.
func (b *Book) Flush(ctx context.Context) {
	b.muChanges.Lock()
	gates := b.changes
	b.changes = make(map[*Gate]bool)
	b.muChanges.Unlock()
	for g := range gates {
		g.flush(ctx)
	}
}

// Refresh asks what all replicas were granted where this one has not asked for
// longer than age.
func (b *Book) Refresh(ctx context.Context, age time.Duration) {
	for _, g := range b.all() {
		g.refresh(ctx, age)
	}
}

// Replicas is how many replicas a limit is shared between.
func (b *Book) Replicas() int { return int(b.state.Load().share.Of) }
