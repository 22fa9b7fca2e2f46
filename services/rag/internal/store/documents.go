package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// How a document is replaced without a reader ever seeing two versions:
//
// Every chunk carries its generation, an id derived from the document and the
// version of its content. The document's head, one point, names the generation
// that counts. Chunks of a new generation are stored first; then the head is
// overwritten, which is one atomic write; then the old chunks are deleted. A
// search reads the heads of what it found and keeps only chunks of the
// generation that counts, so one answer holds one generation of a document.
//
// The head also lists generations that may have left chunks behind (garbage),
// written before the chunks are, so that whatever a crash leaves is known and
// the next ingest or Sweep removes it.
const fieldGarbage = "garbage"

type head struct {
	org        string
	id         string
	doc        corpus.Document
	generation string // that counts; empty while the document is not there
	garbage    []string
}

func (s *Store) putHead(ctx context.Context, h head) error {
	d := h.doc
	return s.put(ctx, h.id, map[string]any{
		fieldOrg: h.org, fieldKind: kindDocument, fieldCollection: d.Collection, fieldName: d.Name,
		fieldDocument: h.id, fieldGeneration: h.generation, fieldGarbage: anyList(h.garbage),
		"title": d.Title, "uri": d.URI, "media_type": d.MediaType, "metadata": anyMap(d.Metadata),
		"size": d.Size, "hash": d.Hash, "version": d.Version, "chunks": int64(d.Chunks), "updated": d.Updated.UnixMilli(),
		"touched": s.opts.Now().UnixMilli(),
	})
}

func headOf(p payload) head {
	return head{
		org: p.string(fieldOrg), id: p.string(fieldDocument), generation: p.string(fieldGeneration), garbage: p.strings(fieldGarbage),
		doc: corpus.Document{
			Collection: p.string(fieldCollection), Name: p.string(fieldName), Title: p.string("title"), URI: p.string("uri"),
			MediaType: p.string("media_type"), Metadata: p.labels("metadata"), Size: p.int("size"), Hash: p.string("hash"),
			Version: p.string("version"), Chunks: int(p.int("chunks")), Updated: p.time("updated"),
		},
	}
}

// heads finds documents by id.
func (s *Store) heads(ctx context.Context, org string, ids []string) (map[string]head, error) {
	out := make(map[string]head, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), pageSize)
		points := make([]*qdrant.PointId, n)
		for i, id := range ids[:n] {
			points[i] = qdrant.NewID(id)
		}
		ids = ids[n:]
		filter, err := scope(org, qdrant.NewMatch(fieldKind, kindDocument), qdrant.NewHasID(points...))
		if err != nil {
			return nil, err
		}
		page, _, err := s.scroll(ctx, filter, "", n)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			h := headOf(p)
			out[h.id] = h
		}
	}
	return out, nil
}

// Document finds one document.
func (s *Store) Document(ctx context.Context, org, collection, name string) (corpus.Document, bool, error) {
	id := documentID(org, collection, name)
	found, err := s.heads(ctx, org, []string{id})
	h := found[id]
	return h.doc, h.generation != "", err
}

// Documents lists a page of a collection's documents, in no meaningful order.
// The token is empty at first and on the last page.
func (s *Store) Documents(ctx context.Context, org, collection, token string, limit int) ([]corpus.Document, string, error) {
	filter, err := scope(org, qdrant.NewMatch(fieldKind, kindDocument), qdrant.NewMatch(fieldCollection, collection))
	if err != nil {
		return nil, "", err
	}
	filter.MustNot = append(filter.MustNot, qdrant.NewMatch(fieldGeneration, ""))
	page, next, err := s.scroll(ctx, filter, token, limit)
	if err != nil {
		return nil, "", err
	}
	out := make([]corpus.Document, len(page))
	for i, p := range page {
		out[i] = headOf(p).doc
	}
	return out, next, nil
}

// Replace stores a document in place of what was there under its name. The
// caller must not replace or delete one document twice at the same time.
func (s *Store) Replace(ctx context.Context, org string, doc corpus.Document, chunks []corpus.Chunk) error {
	if _, err := scope(org); err != nil {
		return err
	}
	id := documentID(org, doc.Collection, doc.Name)
	generation := pointID("generation", id, doc.Version)
	found, err := s.heads(ctx, org, []string{id})
	if err != nil {
		return err
	}
	old, known := found[id]
	if !known {
		old = head{org: org, id: id, doc: doc}
	}
	// What an earlier attempt has left must not mix with what comes now.
	if len(old.garbage) > 0 {
		if err := s.removeGenerations(ctx, org, old.garbage); err != nil {
			return err
		}
		old.garbage = nil
	}
	if old.generation != generation {
		old.garbage = []string{generation}
		if err := s.putHead(ctx, old); err != nil {
			return err
		}
	}
	if err := s.putChunks(ctx, org, id, generation, doc.Collection, chunks); err != nil {
		return err
	}
	now := head{org: org, id: id, doc: doc, generation: generation}
	if old.generation != "" && old.generation != generation {
		now.garbage = []string{old.generation}
	}
	if err := s.putHead(ctx, now); err != nil {
		return err
	}
	// From here on the new version is what readers see. What remains is
	// tidying: if it fails, the head still names the garbage.
	if len(now.garbage) == 0 {
		return nil
	}
	if err := s.removeGenerations(ctx, org, now.garbage); err != nil {
		return nil // the document is in place; Sweep tidies later
	}
	now.garbage = nil
	_ = s.putHead(ctx, now)
	return nil
}

func (s *Store) removeGenerations(ctx context.Context, org string, generations []string) error {
	filter, err := scope(org, qdrant.NewMatchKeywords(fieldGeneration, generations...))
	if err != nil {
		return err
	}
	return s.removeAll(ctx, s.chunks, filter)
}

var errStillThere = errors.New("points are still found after they were deleted")

// removeAll deletes and verifies that nothing is left to find.
func (s *Store) removeAll(ctx context.Context, collection string, filter *qdrant.Filter) error {
	for range attempts {
		if err := s.remove(ctx, collection, filter); err != nil {
			return err
		}
		left, err := s.count(ctx, collection, filter)
		if err != nil || left == 0 {
			return err
		}
	}
	return errs.Internal(fmt.Errorf("%s: %w", collection, errStillThere))
}

// DeleteDocument deletes a document and verifies that nothing of it is found.
// It reports whether there was one.
func (s *Store) DeleteDocument(ctx context.Context, org, collection, name string) (bool, error) {
	id := documentID(org, collection, name)
	found, err := s.heads(ctx, org, []string{id})
	if err != nil {
		return false, err
	}
	h, known := found[id]
	if !known {
		return false, nil
	}
	was := h.generation
	if was != "" { // out of sight first, in one write
		h.garbage, h.generation = append(h.garbage, was), ""
		if err := s.putHead(ctx, h); err != nil {
			return false, err
		}
	}
	return was != "", s.dropDocument(ctx, org, id)
}

func (s *Store) dropDocument(ctx context.Context, org, id string) error {
	chunks, err := scope(org, qdrant.NewMatch(fieldDocument, id))
	if err != nil {
		return err
	}
	if err := s.removeAll(ctx, s.chunks, chunks); err != nil {
		return err
	}
	self, err := scope(org, qdrant.NewMatch(fieldKind, kindDocument), qdrant.NewHasID(qdrant.NewID(id)))
	if err != nil {
		return err
	}
	return s.removeAll(ctx, s.meta, self)
}

func (s *Store) putChunks(ctx context.Context, org, document, generation, collection string, chunks []corpus.Chunk) error {
	var batch []*qdrant.PointStruct
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.upsert(ctx, s.chunks, batch)
		batch, size = nil, 0
		return err
	}
	for _, c := range chunks {
		values, err := qdrant.TryValueMap(map[string]any{
			fieldOrg: org, fieldCollection: collection, fieldDocument: document, fieldGeneration: generation,
			"ordinal": int64(c.Ordinal), "start": int64(c.Start), "end": int64(c.End), "text": c.Text, "headings": anyList(c.Headings), "lead": c.Lead,
		})
		if err != nil {
			return errs.Internal(err)
		}
		batch = append(batch, &qdrant.PointStruct{
			Id: qdrant.NewID(chunkID(generation, c.Ordinal)), Payload: values,
			Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
				termsVector: qdrant.NewVectorSparse(c.Terms.Indices, c.Terms.Values),
			}),
		})
		if size += len(c.Text) + 8*len(c.Terms.Indices); size >= upsertBytes || len(batch) == upsertPoints {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func chunkID(generation string, ordinal int) string {
	return uuid.NewSHA1(uuid.MustParse(generation), []byte(strconv.Itoa(ordinal))).String()
}
