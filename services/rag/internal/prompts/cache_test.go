package prompts

import (
	"context"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// slow answers with what it held when the question came, after during ran.
type slow struct {
	held   []corpus.Record
	during func()
	reads  int
}

func (s *slow) PutRecord(context.Context, string, corpus.Record) error { return nil }
func (s *slow) DeleteRecords(context.Context, string, string, string) error {
	return nil
}

func (s *slow) Records(context.Context, string, string, string) ([]corpus.Record, error) {
	s.reads++
	out := s.held
	if s.during != nil {
		s.during()
	}
	return out, nil
}

func TestCache(t *testing.T) {
	now := time.Unix(0, 0)
	from := &slow{held: []corpus.Record{{Name: "old"}}}
	c := newCache(from, time.Second, func() time.Time { return now })
	get := func() string {
		t.Helper()
		list, err := c.get(t.Context(), "o", "k")
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].Name
	}
	// A change while the first read is under way: what it read is old and must
	// not be kept.
	from.during = func() {
		from.held, from.during = []corpus.Record{{Name: "new"}}, nil
		c.drop("o", "k")
	}
	if got := get(); got != "old" {
		t.Errorf("first read %s", got)
	}
	if got := get(); got != "new" {
		t.Errorf("read after the change %s", got)
	}
	if get(); from.reads != 2 {
		t.Errorf("%d reads, want 2", from.reads)
	}
	now = now.Add(2 * time.Second)
	if get(); from.reads != 3 {
		t.Errorf("%d reads after its time, want 3", from.reads)
	}
}
