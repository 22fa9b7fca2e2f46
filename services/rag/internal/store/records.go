package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/qdrant/go-client/qdrant"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// recordKind keeps records apart from the store's own kinds.
func recordKind(kind string) string { return "record/" + kind }

// PutRecord stores a record in place of any other of its kind, name and version.
func (s *Store) PutRecord(ctx context.Context, org string, r corpus.Record) error {
	if _, err := scope(org); err != nil {
		return err
	}
	return s.put(ctx, pointID(recordKind(r.Kind), org, r.Name, strconv.Itoa(r.Version)), map[string]any{
		fieldOrg: org, fieldKind: recordKind(r.Kind), fieldName: r.Name,
		"version": int64(r.Version), "body": r.Body, "created": r.Created.UnixMilli(),
	})
}

// Records lists the records of a kind by name and rising version; with a name,
// only those of that name.
func (s *Store) Records(ctx context.Context, org, kind, name string) ([]corpus.Record, error) {
	filter, err := records(org, kind, name)
	if err != nil {
		return nil, err
	}
	points, err := s.all(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := make([]corpus.Record, len(points))
	for i, p := range points {
		out[i] = corpus.Record{
			Kind: kind, Name: p.string(fieldName), Version: int(p.int("version")), Body: p.string("body"), Created: p.time("created"),
		}
	}
	slices.SortFunc(out, func(a, b corpus.Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return out, nil
}

// DeleteRecords deletes all versions of a record.
func (s *Store) DeleteRecords(ctx context.Context, org, kind, name string) error {
	filter, err := records(org, kind, name)
	if err != nil {
		return err
	}
	return s.removeAll(ctx, s.meta, filter)
}

func records(org, kind, name string) (*qdrant.Filter, error) {
	conditions := []*qdrant.Condition{qdrant.NewMatch(fieldKind, recordKind(kind))}
	if name != "" {
		conditions = append(conditions, qdrant.NewMatch(fieldName, name))
	}
	return scope(org, conditions...)
}
