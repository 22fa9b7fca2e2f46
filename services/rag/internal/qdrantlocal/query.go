package qdrantlocal

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// defaultLimit is Qdrant's number of results where none is asked for.
const defaultLimit = 10

// Query finds the points nearest to a sparse or a dense vector.
func (s pointsServer) Query(ctx context.Context, in *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	result, err := c.query(ctx, in)
	if err != nil {
		return nil, failed(err)
	}
	return &qdrant.QueryResponse{Result: result, Time: since(start)}, nil
}

// QueryBatch answers several queries on one state of the collection.
func (s pointsServer) QueryBatch(ctx context.Context, in *qdrant.QueryBatchPoints) (*qdrant.QueryBatchResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := &qdrant.QueryBatchResponse{}
	for _, q := range in.GetQueryPoints() {
		result, err := c.query(ctx, q)
		if err != nil {
			return nil, failed(err)
		}
		out.Result = append(out.Result, &qdrant.BatchResult{Result: result})
	}
	out.Time = since(start)
	return out, nil
}

func (c *collection) query(ctx context.Context, in *qdrant.QueryPoints) ([]*qdrant.ScoredPoint, error) {
	if len(in.GetPrefetch()) > 0 || in.GetLookupFrom() != nil {
		return nil, unimplemented("a prefetch or a look-up")
	}
	limit, offset := defaultLimit, int(in.GetOffset()) // bounded below
	if in.Limit != nil {
		limit = int(in.GetLimit()) // bounded below
	}
	if limit < 1 || offset < 0 || limit > c.opts.Limits.ResultPoints || offset > c.opts.Limits.ResultPoints {
		return nil, invalid("limit must be from 1 to %d", c.opts.Limits.ResultPoints)
	}
	f, err := compile(c.index, in.GetFilter(), c.opts.Limits)
	if err != nil {
		return nil, err
	}
	top := &best{x: c.index, f: f, limit: limit + offset, threshold: in.ScoreThreshold}
	if err := c.nearest(ctx, in, f, top.offer); err != nil {
		return nil, err
	}
	return top.results(offset, in)
}

// nearest scores the points that can match and offers each to visit.
func (c *collection) nearest(ctx context.Context, in *qdrant.QueryPoints, f *filter, visit func(uint32, float32)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	near, ok := in.GetQuery().GetVariant().(*qdrant.Query_Nearest)
	if !ok {
		return unimplemented("this query")
	}
	switch v := near.Nearest.GetVariant().(type) {
	case *qdrant.VectorInput_Sparse:
		x := c.index.inverted[in.GetUsing()]
		if x == nil {
			return noVector(in.GetUsing())
		}
		q, err := checkedSparse(v.Sparse.GetIndices(), v.Sparse.GetValues(), c.opts.Limits)
		if err != nil {
			return err
		}
		c.nearestSparse(x, x.weighted(q), in.GetUsing(), f, visit)
		return nil
	case *qdrant.VectorInput_Dense:
		p, ok := c.schema.dense[in.GetUsing()]
		if !ok {
			return noVector(in.GetUsing())
		}
		q, err := checkedDense(v.Dense.GetData(), p)
		if err != nil {
			return err
		}
		c.nearestDense(q, in.GetUsing(), f, visit)
		return nil
	}
	return unimplemented("this query vector")
}

// nearestSparse walks the posting lists, or the candidates of a selective
// filter where those are fewer by far.
func (c *collection) nearestSparse(x *invertedIndex, q sparseVector, name string, f *filter, visit func(uint32, float32)) {
	if candidates, narrowed := f.candidates(); narrowed && len(candidates) < len(c.index.slots)/8 {
		for _, slot := range candidates {
			p := c.index.slots[slot]
			if p == nil {
				continue
			}
			if score, shared := p.vectors.sparse[name].dot(q); shared {
				visit(slot, score)
			}
		}
		return
	}
	x.scoreAll(q, len(c.index.slots), visit)
}

// nearestDense scans every candidate: exact, and linear in their number.
func (c *collection) nearestDense(q []float32, name string, f *filter, visit func(uint32, float32)) {
	score := func(slot uint32, p *point) {
		v, ok := p.vectors.dense[name]
		if !ok {
			return
		}
		var sum float32
		for i, x := range q {
			sum += x * v[i]
		}
		visit(slot, sum)
	}
	if candidates, narrowed := f.candidates(); narrowed {
		for _, slot := range candidates {
			if p := c.index.slots[slot]; p != nil {
				score(slot, p)
			}
		}
		return
	}
	for slot, p := range c.index.slots {
		if p != nil {
			score(uint32(slot), p) // a slot number
		}
	}
}

type scored struct {
	slot  uint32
	score float32
}

// best keeps the highest scores among the points that match the filter. It is
// a heap with the worst kept point on top; equal scores rank by id, so that
// answers repeat.
type best struct {
	x         *index
	f         *filter
	limit     int
	threshold *float32
	kept      []scored
	err       error
}

func (b *best) offer(slot uint32, score float32) {
	if b.x.slots[slot] == nil {
		return // posting lists keep empty slots for a while
	}
	s := scored{slot, score}
	if b.err != nil || b.threshold != nil && score < *b.threshold || len(b.kept) == b.limit && b.better(b.kept[0], s) {
		return
	}
	ok, err := b.f.matches(slot)
	if err != nil {
		b.err = err
		return
	}
	if !ok {
		return
	}
	if len(b.kept) == b.limit {
		b.kept[0] = s
		heap.Fix(b, 0)
		return
	}
	heap.Push(b, s)
}

func (b *best) better(l, r scored) bool { return b.rank(l, r) < 0 }

func (b *best) rank(l, r scored) int {
	return cmp.Or(cmp.Compare(r.score, l.score), b.x.slots[l.slot].key.compare(b.x.slots[r.slot].key))
}

func (b *best) results(offset int, in *qdrant.QueryPoints) ([]*qdrant.ScoredPoint, error) {
	if b.err != nil {
		return nil, b.err
	}
	slices.SortFunc(b.kept, b.rank)
	out := []*qdrant.ScoredPoint{}
	for _, s := range b.kept[min(offset, len(b.kept)):] {
		p := b.x.slots[s.slot]
		hit := &qdrant.ScoredPoint{Id: p.key.id(), Score: s.score, Version: p.version, Vectors: p.output(in.GetWithVectors())}
		if err := attachPayload(hit, &hit.Payload, p.payload, in.GetWithPayload()); err != nil {
			return nil, err
		}
		out = append(out, hit)
	}
	return out, nil
}

// Len, Less, Swap, Push and Pop implement heap.Interface, the worst on top.
func (b *best) Len() int           { return len(b.kept) }
func (b *best) Less(i, j int) bool { return b.better(b.kept[j], b.kept[i]) }
func (b *best) Swap(i, j int)      { b.kept[i], b.kept[j] = b.kept[j], b.kept[i] }

// Push adds one.
func (b *best) Push(v any) { b.kept = append(b.kept, v.(scored)) } // only scored goes in

// Pop takes the last.
func (b *best) Pop() any {
	last := b.kept[len(b.kept)-1]
	b.kept = b.kept[:len(b.kept)-1]
	return last
}
