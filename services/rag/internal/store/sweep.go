package store

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// Sweep removes what unfinished work has left in any organisation: chunks of
// generations that never counted or no longer do, and heads of documents that
// were never finished or not wholly deleted. Work that was touched after the
// given time may still be going on and is left alone.
//
// It is the one request that spans organisations: it reads heads only, and
// each of them is then tidied within its own organisation.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	filter := &qdrant.Filter{
		Must: []*qdrant.Condition{
			qdrant.NewMatch(fieldKind, kindDocument),
			qdrant.NewRange("touched", &qdrant.Range{Lt: qdrant.PtrOf(float64(before.UnixMilli()))}),
		},
		MustNot: []*qdrant.Condition{qdrant.NewIsEmpty(fieldGarbage)},
	}
	points, err := s.all(ctx, filter)
	if err != nil {
		return 0, err
	}
	for i, p := range points {
		if err := s.tidy(ctx, headOf(p)); err != nil {
			return i, err
		}
	}
	return len(points), nil
}

func (s *Store) tidy(ctx context.Context, h head) error {
	if h.generation == "" {
		return s.dropDocument(ctx, h.org, h.id)
	}
	if err := s.removeGenerations(ctx, h.org, h.garbage); err != nil {
		return err
	}
	h.garbage = nil
	return s.putHead(ctx, h)
}
