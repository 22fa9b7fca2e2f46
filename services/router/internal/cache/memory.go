package cache

import (
	"container/list"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds are how much a memory keeps.
type Bounds struct {
	// MaxEntries and MaxBytes bound all tenants together; what was used least
	// recently goes first.
	MaxEntries int
	MaxBytes   int64
	// TenantPercent is the share that one tenant may have of either, so that it
	// cannot drive out all others; 0 means 25.
	TenantPercent int
}

// Memory keeps values in this process. It is safe for concurrent use.
type Memory struct {
	now      func() time.Time
	shards   []shard
	evicted  atomic.Int64
	bytes    atomic.Int64
	entries  atomic.Int64
	outlived atomic.Int64
}

// shard is a part of a memory with its own lock; each has its part of the bounds.
type shard struct {
	mu      sync.Mutex
	memory  *Memory
	bounds  Bounds // of this shard
	share   Bounds // of one tenant in it
	values  map[name]*value
	tenants map[string]*tenant
	used    list.List // of *value, the latest in front
	bytes   int64
}

// name is a value's: another tenant's value of the same key is another value.
type name struct {
	tenant string
	key    Key
}

type value struct {
	name
	data    []byte
	expires time.Time
	all     *list.Element // in shard.used
	own     *list.Element // in tenant.used
}

type tenant struct {
	used  list.List // of *value, the latest in front
	bytes int64
}

// overhead is what a value takes beside its data, roughly.
const overhead = 512

func (v *value) size() int64 { return int64(len(v.data)+len(v.tenant)) + overhead }

const (
	maxShards = 16
	// roomy and many are the least that a tenant's share of a shard must hold, so
	// that splitting neither makes entries too large to be kept nor wastes room.
	roomy = maxValue
	many  = 64
	// maxValue is the most that an answer may take, as routes allow it.
	maxValue = 4 << 20
)

// NewMemory makes an empty memory; now is time.Now but in tests.
func NewMemory(b Bounds, now func() time.Time) *Memory {
	if b.TenantPercent <= 0 {
		b.TenantPercent = 25
	}
	n := maxShards
	for n > 1 && (b.MaxBytes/int64(n)*int64(b.TenantPercent)/100 < roomy || b.MaxEntries/n*b.TenantPercent/100 < many) {
		n /= 2
	}
	m := &Memory{now: now, shards: make([]shard, n)}
	for i := range m.shards {
		s := &m.shards[i]
		s.memory, s.values, s.tenants = m, make(map[name]*value), make(map[string]*tenant)
		s.bounds = Bounds{MaxEntries: max(1, b.MaxEntries/n), MaxBytes: b.MaxBytes / int64(n)}
		s.share = Bounds{
			MaxEntries: max(1, s.bounds.MaxEntries*b.TenantPercent/100),
			MaxBytes:   s.bounds.MaxBytes * int64(b.TenantPercent) / 100,
		}
	}
	return m
}

// shard is where a key lies: keys are hashes, so any of their bytes spread well.
func (m *Memory) shard(key *Key) *shard {
	return &m.shards[binary.LittleEndian.Uint32(key[:])%uint32(len(m.shards))]
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, of string, key Key) ([]byte, error) {
	s := m.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.values[name{of, key}]
	switch {
	case v == nil:
		return nil, nil
	case !m.now().Before(v.expires):
		s.remove(v)
		m.outlived.Add(1)
		return nil, nil
	}
	s.used.MoveToFront(v.all)
	s.tenants[of].used.MoveToFront(v.own)
	return v.data, nil
}

// Put implements Store. What is larger than a tenant's share is not kept.
func (m *Memory) Put(_ context.Context, of string, key Key, data []byte, ttl time.Duration) error {
	v := &value{name: name{of, key}, data: data, expires: m.now().Add(ttl)}
	s := m.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.values[v.name]; old != nil {
		s.remove(old)
	}
	if v.size() > s.share.MaxBytes {
		return nil
	}
	mine := s.tenants[of]
	if mine == nil {
		mine = &tenant{}
		s.tenants[of] = mine
	}
	s.values[v.name] = v
	v.all, v.own = s.used.PushFront(v), mine.used.PushFront(v)
	s.bytes += v.size()
	mine.bytes += v.size()
	m.bytes.Add(v.size())
	m.entries.Add(1)
	for mine.bytes > s.share.MaxBytes || mine.used.Len() > s.share.MaxEntries {
		s.evict(mine.used.Back())
	}
	for s.bytes > s.bounds.MaxBytes || s.used.Len() > s.bounds.MaxEntries {
		s.evict(s.used.Back())
	}
	s.sweep()
	return nil
}

// sweep forgets some of the values whose time is over: those that nobody asks
// for any more stand at the back.
func (s *shard) sweep() {
	const looks = 2
	now := s.memory.now()
	for range looks {
		back := s.used.Back()
		if back == nil || now.Before(back.Value.(*value).expires) {
			return
		}
		s.remove(back.Value.(*value))
		s.memory.outlived.Add(1)
	}
}

func (s *shard) evict(at *list.Element) {
	s.remove(at.Value.(*value))
	s.memory.evicted.Add(1)
}

func (s *shard) remove(v *value) {
	delete(s.values, v.name)
	s.used.Remove(v.all)
	s.bytes -= v.size()
	s.memory.bytes.Add(-v.size())
	s.memory.entries.Add(-1)
	mine := s.tenants[v.tenant]
	mine.used.Remove(v.own)
	if mine.bytes -= v.size(); mine.used.Len() == 0 {
		delete(s.tenants, v.tenant)
	}
}

// Stats say how full a memory is.
type Stats struct {
	Entries, Bytes int64
	// Evicted were removed for room, Expired because their time was over.
	Evicted, Expired int64
}

// Stats returns how full the memory is.
func (m *Memory) Stats() Stats {
	return Stats{m.entries.Load(), m.bytes.Load(), m.evicted.Load(), m.outlived.Load()}
}
