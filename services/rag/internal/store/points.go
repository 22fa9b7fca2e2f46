package store

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// upsertBytes and upsertPoints bound one upsert; Qdrant advises against more
// than a few megabytes.
const (
	upsertBytes  = 2 << 20
	upsertPoints = 256
	// pageSize is how many points one scroll asks for.
	pageSize = 256
)

// put stores points without vectors in the meta collection.
func (s *Store) put(ctx context.Context, id string, payload map[string]any) error {
	values, err := qdrant.TryValueMap(payload)
	if err != nil {
		return public(ctx, err)
	}
	return s.upsert(ctx, s.meta, []*qdrant.PointStruct{{
		Id: qdrant.NewID(id), Payload: values, Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}),
	}})
}

func (s *Store) upsert(ctx context.Context, collection string, points []*qdrant.PointStruct) error {
	return s.call(ctx, func(ctx context.Context) error {
		_, err := s.client.Upsert(ctx, &qdrant.UpsertPoints{
			CollectionName: collection, Wait: qdrant.PtrOf(true), Points: points,
		})
		return err
	})
}

func (s *Store) remove(ctx context.Context, collection string, filter *qdrant.Filter) error {
	return s.call(ctx, func(ctx context.Context) error {
		_, err := s.client.Delete(ctx, &qdrant.DeletePoints{
			CollectionName: collection, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelectorFilter(filter),
		})
		return err
	})
}

func (s *Store) count(ctx context.Context, collection string, filter *qdrant.Filter) (int64, error) {
	var n uint64
	err := s.call(ctx, func(ctx context.Context) (err error) {
		n, err = s.client.Count(ctx, &qdrant.CountPoints{CollectionName: collection, Filter: filter, Exact: qdrant.PtrOf(true)})
		return err
	})
	return int64(n), err // a count
}

type payload map[string]*qdrant.Value

// scroll reads one page of the meta collection; next is empty on the last.
func (s *Store) scroll(ctx context.Context, filter *qdrant.Filter, from string, limit int) (page []payload, next string, err error) {
	var offset *qdrant.PointId
	if from != "" {
		offset = qdrant.NewID(from)
	}
	err = s.call(ctx, func(ctx context.Context) error {
		points, more, err := s.client.ScrollAndOffset(ctx, &qdrant.ScrollPoints{
			CollectionName: s.meta, Filter: filter, Offset: offset,
			Limit:       qdrant.PtrOf(uint32(limit)), // a page size
			WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(false),
		})
		if err != nil {
			return err
		}
		page, next = make([]payload, len(points)), more.GetUuid()
		for i, p := range points {
			page[i] = p.GetPayload()
		}
		return nil
	})
	return page, next, err
}

// all reads every page.
func (s *Store) all(ctx context.Context, filter *qdrant.Filter) ([]payload, error) {
	var out []payload
	from := ""
	for {
		page, next, err := s.scroll(ctx, filter, from, pageSize)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if from = next; from == "" {
			return out, nil
		}
	}
}

func (p payload) string(key string) string { return p[key].GetStringValue() }
func (p payload) int(key string) int64     { return p[key].GetIntegerValue() }

func (p payload) time(key string) time.Time { return time.UnixMilli(p.int(key)).UTC() }

func (p payload) strings(key string) []string {
	var out []string
	for _, v := range p[key].GetListValue().GetValues() {
		out = append(out, v.GetStringValue())
	}
	return out
}

func (p payload) labels(key string) map[string]string {
	fields := p[key].GetStructValue().GetFields()
	if len(fields) == 0 {
		return nil
	}
	out := make(map[string]string, len(fields))
	for k, v := range fields {
		out[k] = v.GetStringValue()
	}
	return out
}

func anyList(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func anyMap(in map[string]string) map[string]any {
	out := make(map[string]any, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}
