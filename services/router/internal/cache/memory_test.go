package cache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/cache/storetest"
)

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestMemory(t *testing.T) {
	for _, size := range []int64{64 << 20, 1 << 30} { // in one shard, in several
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			storetest.Run(t, func(*testing.T) storetest.Subject {
				c := newClock()
				return storetest.Subject{
					Store:   cache.NewMemory(cache.Bounds{MaxEntries: 100_000, MaxBytes: size}, c.now),
					Unit:    time.Minute,
					Advance: func(d time.Duration) { c.at = c.at.Add(d) },
				}
			})
		})
	}
}

func fill(t *testing.T, m *cache.Memory, tenant string, from, n, size int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		if err := m.Put(context.Background(), tenant, storetest.KeyOf(fmt.Sprint(i)), make([]byte, size), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
}

func has(m *cache.Memory, tenant string, i int) bool {
	got, _ := m.Get(context.Background(), tenant, storetest.KeyOf(fmt.Sprint(i)))
	return got != nil
}

func TestMemoryIsBounded(t *testing.T) {
	for name, b := range map[string]cache.Bounds{
		"bytes":   {MaxEntries: 1 << 20, MaxBytes: 1 << 20, TenantPercent: 100},
		"entries": {MaxEntries: 100, MaxBytes: 1 << 30, TenantPercent: 100},
		"shards":  {MaxEntries: 1 << 20, MaxBytes: 512 << 20, TenantPercent: 100},
	} {
		t.Run(name, func(t *testing.T) {
			m := cache.NewMemory(b, newClock().now)
			size := 10_000
			if name == "shards" {
				size = 1 << 20
			}
			fill(t, m, "a", 0, 600, size)
			s := m.Stats()
			if s.Bytes > b.MaxBytes || s.Entries > int64(b.MaxEntries) || s.Entries == 0 || s.Evicted != 600-s.Entries {
				t.Errorf("%+v of %+v", s, b)
			}
		})
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	m := cache.NewMemory(cache.Bounds{MaxEntries: 10, MaxBytes: 1 << 20, TenantPercent: 100}, newClock().now)
	fill(t, m, "a", 0, 10, 10)
	if !has(m, "a", 0) {
		t.Fatal("0 is missing")
	}
	fill(t, m, "a", 10, 5, 10)
	for i, want := range map[int]bool{0: true, 1: false, 5: false, 6: true, 14: true} {
		if has(m, "a", i) != want {
			t.Errorf("%d is kept: %v", i, !want)
		}
	}
}

// One tenant fills the memory over and over; what another has put stays.
func TestATenantCannotDriveOutOthers(t *testing.T) {
	m := cache.NewMemory(cache.Bounds{MaxEntries: 1000, MaxBytes: 1 << 20, TenantPercent: 25}, newClock().now)
	fill(t, m, "quiet", 0, 10, 1000)
	fill(t, m, "loud", 0, 10_000, 1000)
	for i := range 10 {
		if !has(m, "quiet", i) {
			t.Errorf("%d was driven out", i)
		}
	}
	if s := m.Stats(); s.Bytes > 1<<18+10*2000 {
		t.Errorf("a tenant has %d bytes", s.Bytes)
	}
}

func TestTooLargeIsNotKept(t *testing.T) {
	m := cache.NewMemory(cache.Bounds{MaxEntries: 10, MaxBytes: 4000}, newClock().now)
	fill(t, m, "a", 0, 1, 100)
	fill(t, m, "a", 0, 1, 2000)
	if s := m.Stats(); has(m, "a", 0) || s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v is kept", s)
	}
}

func TestEndedValuesAreSwept(t *testing.T) {
	c := newClock()
	m := cache.NewMemory(cache.Bounds{MaxEntries: 100, MaxBytes: 1 << 20, TenantPercent: 100}, c.now)
	fill(t, m, "a", 0, 20, 10)
	c.at = c.at.Add(2 * time.Hour)
	fill(t, m, "a", 20, 10, 10)
	if s := m.Stats(); s.Entries != 10 || s.Expired != 20 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	m := cache.NewMemory(cache.Bounds{MaxEntries: 1 << 16, MaxBytes: 1 << 30}, time.Now)
	keys := make([]cache.Key, 1024)
	for i := range keys {
		keys[i] = storetest.KeyOf(fmt.Sprint(i))
		_ = m.Put(context.Background(), "a", keys[i], make([]byte, 2000), time.Hour)
	}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if got, _ := m.Get(context.Background(), "a", keys[i%len(keys)]); got == nil {
				b.Error("missing")
			}
		}
	})
}
