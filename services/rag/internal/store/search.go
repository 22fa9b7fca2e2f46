package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// settleTime bounds how long a search is repeated because documents changed
// under it. One repetition is enough unless a document changes again within
// the millisecond that it takes; where a document changes all the time, or the
// machine is so busy that it seems so, the search waits for a quiet moment.
const settleTime = 5 * time.Second

// Search finds the chunks that fit best, the best first, in the named
// collections or, without names, in all. One answer never holds two versions
// of a document, nor anything of a deleted one, nor less than there is: when
// the documents do not hold still for long enough, the store is busy.
func (s *Store) Search(ctx context.Context, org string, collections []string, terms sparse.Vector, limit int) ([]corpus.Hit, error) {
	q := search{store: s, org: org, collections: collections, terms: terms, limit: limit, outdated: map[string]string{}, counted: map[string]string{}}
	if _, err := scope(org); err != nil {
		return nil, err
	}
	if len(terms.Indices) == 0 || limit <= 0 {
		return nil, nil
	}
	var pause time.Duration // none the first time
	for began := time.Now(); time.Since(began) < settleTime; pause = min(2*pause+time.Millisecond, 50*time.Millisecond) {
		hits, again, err := q.run(ctx)
		if err != nil || !again {
			return hits, err
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "documents change too fast to search them").WithRetryAfter(time.Second)
}

// search is one search with what it has learnt of documents that change.
type search struct {
	store       *Store
	org         string
	collections []string
	terms       sparse.Vector
	limit       int
	// outdated are generations that did not count when last looked at, with
	// their document. They may be of the past, or of a replacement under way.
	outdated map[string]string
	// counted are the generations that counted instead, by document.
	counted map[string]string
}

// run searches once. again says that something was dropped or left out
// wrongly, so that what should have taken its place is missing.
func (q *search) run(ctx context.Context) (hits []corpus.Hit, again bool, err error) {
	points, err := q.query(ctx)
	if err != nil {
		return nil, false, err
	}
	ids := map[string]struct{}{}
	for _, document := range q.outdated {
		ids[document] = struct{}{}
	}
	for _, p := range points {
		ids[payload(p.GetPayload()).string(fieldDocument)] = struct{}{}
	}
	heads, err := q.store.heads(ctx, q.org, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return nil, false, err
	}
	for generation, document := range q.outdated {
		now := heads[document].generation
		if now != q.counted[document] { // what was left out may have counted meanwhile
			again = true
		}
		if now == generation {
			delete(q.outdated, generation)
		}
	}
	for _, p := range points {
		fields := payload(p.GetPayload())
		document, generation := fields.string(fieldDocument), fields.string(fieldGeneration)
		h, ok := heads[document]
		if !ok || h.generation != generation {
			q.outdated[generation] = document
			again = true
			continue
		}
		hits = append(hits, hitOf(p, h))
	}
	for _, document := range q.outdated {
		q.counted[document] = heads[document].generation
	}
	return hits, again, nil
}

func (q *search) query(ctx context.Context) (points []*qdrant.ScoredPoint, err error) {
	filter, err := scope(q.org)
	if err != nil {
		return nil, err
	}
	if len(q.collections) > 0 {
		filter.Must = append(filter.Must, qdrant.NewMatchKeywords(fieldCollection, q.collections...))
	}
	if len(q.outdated) > 0 {
		filter.MustNot = append(filter.MustNot, qdrant.NewMatchKeywords(fieldGeneration, slices.Sorted(maps.Keys(q.outdated))...))
	}
	err = q.store.call(ctx, func(ctx context.Context) (err error) {
		points, err = q.store.client.Query(ctx, &qdrant.QueryPoints{
			CollectionName: q.store.chunks, Filter: filter,
			Query: qdrant.NewQuerySparse(q.terms.Indices, q.terms.Values), Using: qdrant.PtrOf(termsVector),
			Limit:       qdrant.PtrOf(uint64(q.limit)), // above 0
			WithPayload: qdrant.NewWithPayload(true),
		})
		return err
	})
	return points, err
}

func hitOf(p *qdrant.ScoredPoint, h head) corpus.Hit {
	fields := payload(p.GetPayload())
	return corpus.Hit{
		Score: float64(p.GetScore()), Document: h.doc,
		Chunk: corpus.Chunk{
			ID: p.GetId().GetUuid(), Ordinal: int(fields.int("ordinal")),
			Start: int(fields.int("start")), End: int(fields.int("end")),
			Text: fields.string("text"), Headings: fields.strings("headings"), Lead: fields.string("lead"),
		},
	}
}
