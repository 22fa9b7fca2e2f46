// Package recall keeps what clients want to come back to, such as responses
// that a later request goes on from: per owner, for a time, within bounds.
package recall

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/packed"
)

// Options bound what is kept.
type Options struct {
	// TTL is how long something is kept.
	TTL time.Duration
	// MaxEntries and MaxBytes bound all owners together; the oldest goes first.
	MaxEntries int
	MaxBytes   int64
	// OwnerBytes bounds one owner, so that it cannot drive out all others; zero
	// means a quarter of MaxBytes.
	OwnerBytes int64
}

// Memory keeps things in this process. It is safe for concurrent use.
type Memory struct {
	options Options
	now     func() time.Time

	mu      sync.Mutex
	entries map[name]*entry
	owners  map[string]*owner
	all     *list.List // of *entry, the oldest in front
	bytes   int64
}

// name is an entry's: another owner's entry of the same id is another entry.
type name struct{ owner, id string }

type entry struct {
	name
	data      []byte
	expires   time.Time
	all, owns *list.Element
}

type owner struct {
	entries *list.List
	bytes   int64
}

// overhead is what an entry takes beside its data, roughly.
const overhead = 512

func (e *entry) size() int64 { return int64(len(e.data)+len(e.owner)+len(e.id)) + overhead }

// NewMemory makes an empty memory; now is time.Now but in tests.
func NewMemory(o Options, now func() time.Time) *Memory {
	if o.OwnerBytes <= 0 {
		o.OwnerBytes = o.MaxBytes / 4
	}
	return &Memory{
		options: o, now: now, entries: make(map[name]*entry), owners: make(map[string]*owner), all: list.New(),
	}
}

// Put keeps data, which must not change afterwards, until its time is over or
// its room is needed. It fails with packed.ErrTooLarge for what is larger than an
// owner's room.
func (m *Memory) Put(_ context.Context, of, id string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.expire(now)
	e := &entry{name: name{of, id}, data: data, expires: now.Add(m.options.TTL)}
	if old := m.entries[e.name]; old != nil {
		m.remove(old)
	}
	if e.size() > m.options.OwnerBytes {
		return packed.ErrTooLarge
	}
	mine := m.owners[of]
	if mine == nil {
		mine = &owner{entries: list.New()}
		m.owners[of] = mine
	}
	m.entries[e.name] = e
	e.all, e.owns = m.all.PushBack(e), mine.entries.PushBack(e)
	m.bytes += e.size()
	mine.bytes += e.size()
	for mine.bytes > m.options.OwnerBytes {
		m.remove(mine.entries.Front().Value.(*entry))
	}
	for m.bytes > m.options.MaxBytes || m.all.Len() > m.options.MaxEntries {
		m.remove(m.all.Front().Value.(*entry))
	}
	return nil
}

// Get returns what an owner has put; nil if it has not, or no more.
func (m *Memory) Get(_ context.Context, of, id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(m.now())
	if e := m.entries[name{of, id}]; e != nil {
		return e.data, nil
	}
	return nil, nil
}

// Delete forgets something and says whether it was there.
func (m *Memory) Delete(_ context.Context, of, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(m.now())
	e := m.entries[name{of, id}]
	if e == nil {
		return false, nil
	}
	m.remove(e)
	return true, nil
}

// Len is how much is kept.
func (m *Memory) Len() (entries int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries), m.bytes
}

// expire forgets what is over its time. All live equally long, so the oldest
// ends first.
func (m *Memory) expire(now time.Time) {
	for front := m.all.Front(); front != nil; front = m.all.Front() {
		e := front.Value.(*entry)
		if now.Before(e.expires) {
			return
		}
		m.remove(e)
	}
}

func (m *Memory) remove(e *entry) {
	delete(m.entries, e.name)
	m.all.Remove(e.all)
	m.bytes -= e.size()
	mine := m.owners[e.owner]
	mine.entries.Remove(e.owns)
	if mine.bytes -= e.size(); mine.entries.Len() == 0 {
		delete(m.owners, e.owner)
	}
}
