package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

const (
	kindCollection = "collection"
	kindDocument   = "document"
)

// PutCollection stores a collection's description.
func (s *Store) PutCollection(ctx context.Context, org string, c corpus.Collection) error {
	if _, err := scope(org); err != nil {
		return err
	}
	return s.put(ctx, pointID(kindCollection, org, c.Name), map[string]any{
		fieldOrg: org, fieldKind: kindCollection, fieldName: c.Name,
		"description": c.Description, "created": c.Created.UnixMilli(),
	})
}

// Collection finds one collection.
func (s *Store) Collection(ctx context.Context, org, name string) (corpus.Collection, bool, error) {
	list, err := s.collections(ctx, org, qdrant.NewMatch(fieldName, name))
	if err != nil || len(list) == 0 {
		return corpus.Collection{}, false, err
	}
	return list[0], true, nil
}

// Collections lists an organisation's collections by name.
func (s *Store) Collections(ctx context.Context, org string) ([]corpus.Collection, error) {
	return s.collections(ctx, org)
}

func (s *Store) collections(ctx context.Context, org string, conditions ...*qdrant.Condition) ([]corpus.Collection, error) {
	filter, err := scope(org, append(conditions, qdrant.NewMatch(fieldKind, kindCollection))...)
	if err != nil {
		return nil, err
	}
	points, err := s.all(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := make([]corpus.Collection, len(points))
	for i, p := range points {
		out[i] = corpus.Collection{Name: p.string(fieldName), Description: p.string("description"), Created: p.time("created")}
	}
	slices.SortFunc(out, func(a, b corpus.Collection) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Counts counts a collection's documents and their chunks.
func (s *Store) Counts(ctx context.Context, org, collection string) (corpus.Counts, error) {
	filter, err := scope(org, qdrant.NewMatch(fieldKind, kindDocument), qdrant.NewMatch(fieldCollection, collection))
	if err != nil {
		return corpus.Counts{}, err
	}
	filter.MustNot = append(filter.MustNot, qdrant.NewMatch(fieldGeneration, ""))
	var out corpus.Counts
	if out.Documents, err = s.count(ctx, s.meta, filter); err != nil {
		return corpus.Counts{}, err
	}
	filter, err = scope(org, qdrant.NewMatch(fieldCollection, collection))
	if err != nil {
		return corpus.Counts{}, err
	}
	out.Chunks, err = s.count(ctx, s.chunks, filter)
	return out, err
}

// DeleteCollection deletes a collection with all its documents. The documents
// go first, so that what a crash leaves can still be named and deleted.
func (s *Store) DeleteCollection(ctx context.Context, org, name string) error {
	heads, err := scope(org, qdrant.NewMatch(fieldKind, kindDocument), qdrant.NewMatch(fieldCollection, name))
	if err != nil {
		return err
	}
	chunks, err := scope(org, qdrant.NewMatch(fieldCollection, name))
	if err != nil {
		return err
	}
	self, err := scope(org, qdrant.NewMatch(fieldKind, kindCollection), qdrant.NewMatch(fieldName, name))
	if err != nil {
		return err
	}
	// Without their heads the documents are out of sight at once.
	if err := s.removeAll(ctx, s.meta, heads); err != nil {
		return err
	}
	if err := s.removeAll(ctx, s.chunks, chunks); err != nil {
		return err
	}
	return s.removeAll(ctx, s.meta, self)
}
