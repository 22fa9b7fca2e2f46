package recall

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func has(t *testing.T, m *Memory, owner, id string) bool {
	t.Helper()
	data, err := m.Get(context.Background(), owner, id)
	if err != nil {
		t.Fatal(err)
	}
	return data != nil
}

func put(m *Memory, owner, id string, size int) {
	_ = m.Put(context.Background(), owner, id, make([]byte, size))
}

func TestBounds(t *testing.T) {
	const size = 10 << 10
	m := NewMemory(Options{TTL: time.Hour, MaxEntries: 4, MaxBytes: 100 << 10, OwnerBytes: 2*size + 4*overhead}, time.Now)
	for i := range 3 {
		put(m, "loud", fmt.Sprint(i), size)
	}
	if has(t, m, "loud", "0") || !has(t, m, "loud", "2") {
		t.Error("an owner is not bounded, or loses the newest")
	}
	put(m, "quiet", "q", size)
	put(m, "loud", "3", size)
	if !has(t, m, "quiet", "q") {
		t.Error("one owner drives out another")
	}
	for i := range 4 {
		put(m, fmt.Sprint("owner", i), "x", 1)
	}
	if n, _ := m.Len(); n != 4 || has(t, m, "quiet", "q") {
		t.Errorf("%d entries", n)
	}
	if put(m, "big", "x", 1<<20); has(t, m, "big", "x") {
		t.Error("what is larger than an owner's room is kept")
	}
}

// Whatever happens, the books agree and the bounds hold.
func TestMemoryProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		m := NewMemory(Options{TTL: 10, MaxEntries: 5, MaxBytes: 8 << 10}, func() time.Time { return now })
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			of := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "owner")
			id := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "id")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				put(m, of, id, rapid.IntRange(0, 3000).Draw(t, "size"))
			case 1:
				_, _ = m.Delete(context.Background(), of, id)
			default:
				now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "time")))
			}
			var bytes int64
			perOwner := map[string]int64{}
			for _, e := range m.entries {
				bytes += e.size()
				perOwner[e.owner] += e.size()
			}
			if n, have := m.Len(); have != bytes || n > 5 || bytes > 8<<10 || n != m.all.Len() {
				t.Fatalf("%d entries, %d bytes, counted %d", n, have, bytes)
			}
			for of, o := range m.owners {
				if o.bytes != perOwner[of] || o.bytes > m.options.OwnerBytes {
					t.Fatalf("%s has %d bytes, counted %d", of, perOwner[of], o.bytes)
				}
			}
		}
	})
}
