package qdrantlocal

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// defaultScroll is Qdrant's page size where none is asked for.
const defaultScroll = 10

// Get returns points by id, in the order asked for, without those missing.
func (s pointsServer) Get(_ context.Context, in *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(in.GetIds())
	if err != nil {
		return nil, err
	}
	if len(keys) > s.opts.Limits.ResultPoints {
		return nil, invalid("%d ids, at most %d", len(keys), s.opts.Limits.ResultPoints)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := &qdrant.GetResponse{}
	for _, k := range keys {
		slot, ok := c.index.byKey[k]
		if !ok {
			continue
		}
		p, err := c.index.slots[slot].retrieved(in.GetWithPayload(), in.GetWithVectors())
		if err != nil {
			return nil, failed(err)
		}
		out.Result = append(out.Result, p)
	}
	out.Time = since(start)
	return out, nil
}

// Scroll pages through the matching points by rising id.
func (s pointsServer) Scroll(_ context.Context, in *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if in.GetOrderBy() != nil {
		return nil, unimplemented("scrolling by a field")
	}
	limit := defaultScroll
	if in.Limit != nil {
		limit = int(in.GetLimit())
	}
	if limit < 1 || limit > s.opts.Limits.ResultPoints {
		return nil, invalid("limit must be from 1 to %d", s.opts.Limits.ResultPoints)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	slots, err := c.page(in)
	if err != nil {
		return nil, failed(err)
	}
	out := &qdrant.ScrollResponse{}
	if len(slots) > limit {
		out.NextPageOffset = c.index.slots[slots[limit]].key.id()
		slots = slots[:limit]
	}
	for _, slot := range slots {
		p, err := c.index.slots[slot].retrieved(in.GetWithPayload(), in.GetWithVectors())
		if err != nil {
			return nil, failed(err)
		}
		out.Result = append(out.Result, p)
	}
	out.Time = since(start)
	return out, nil
}

// page lists the matching slots from the offset on.
func (c *collection) page(in *qdrant.ScrollPoints) ([]uint32, error) {
	f, err := compile(c.index, in.GetFilter(), c.opts.Limits)
	if err != nil {
		return nil, err
	}
	slots, err := c.index.matching(f)
	if err != nil {
		return nil, err
	}
	c.index.sortByKey(slots)
	if in.GetOffset() == nil {
		return slots, nil
	}
	from, err := keyOf(in.GetOffset())
	if err != nil {
		return nil, err
	}
	for i, slot := range slots {
		if c.index.slots[slot].key.compare(from) >= 0 {
			return slots[i:], nil
		}
	}
	return nil, nil
}

// Count counts the matching points, always exactly.
func (s pointsServer) Count(_ context.Context, in *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	f, err := compile(c.index, in.GetFilter(), s.opts.Limits)
	if err != nil {
		return nil, err
	}
	slots, err := c.index.matching(f)
	if err != nil {
		return nil, failed(err)
	}
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(len(slots))}, Time: since(start)}, nil
}

func (p *point) retrieved(payload *qdrant.WithPayloadSelector, withVectors *qdrant.WithVectorsSelector) (*qdrant.RetrievedPoint, error) {
	out := &qdrant.RetrievedPoint{Id: p.key.id(), Vectors: p.output(withVectors)}
	return out, attachPayload(out, &out.Payload, p.payload, payload)
}

func (p *point) output(sel *qdrant.WithVectorsSelector) *qdrant.VectorsOutput {
	var wanted func(string) bool
	switch v := sel.GetSelectorOptions().(type) {
	case *qdrant.WithVectorsSelector_Enable:
		wanted = func(string) bool { return v.Enable }
	case *qdrant.WithVectorsSelector_Include:
		names := map[string]bool{}
		for _, n := range v.Include.GetNames() {
			names[n] = true
		}
		wanted = func(n string) bool { return names[n] }
	default:
		return nil
	}
	named := map[string]*qdrant.VectorOutput{}
	for name, v := range p.vectors.dense {
		if wanted(name) {
			named[name] = &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: v}}}
		}
	}
	for name, v := range p.vectors.sparse {
		if wanted(name) {
			named[name] = &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Sparse{
				Sparse: &qdrant.SparseVector{Indices: v.indices, Values: v.values},
			}}
		}
	}
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{
		Vectors: &qdrant.NamedVectorsOutput{Vectors: named},
	}}
}
