package qdrantlocal

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

func done(version uint64, start time.Time) *qdrant.PointsOperationResponse {
	return &qdrant.PointsOperationResponse{
		Result: &qdrant.UpdateResult{OperationId: &version, Status: qdrant.UpdateStatus_Completed},
		Time:   since(start),
	}
}

// Upsert stores points, each in place of any other with its id. The whole
// request is one record: after a crash all of it is there, or none.
func (s pointsServer) Upsert(_ context.Context, in *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if in.UpdateFilter != nil || in.GetUpdateMode() != qdrant.UpdateMode_Upsert {
		return nil, unimplemented("a conditional upsert")
	}
	if n := len(in.GetPoints()); n > s.opts.Limits.BatchPoints {
		return nil, invalid("%d points in one upsert, at most %d", n, s.opts.Limits.BatchPoints)
	}
	points, err := c.points(in.GetPoints())
	if err != nil {
		return nil, err
	}
	version, err := c.write(in.GetWait(), func() (operation, error) {
		record := &qdrant.UpsertPoints{Points: in.GetPoints()}
		return operation{recordUpsert, record, func() error { return c.put(points) }}, nil
	})
	if err != nil {
		return nil, failed(err)
	}
	s.compactIfNeeded(c)
	return done(version, start), nil
}

// Delete removes points by id or by filter.
func (s pointsServer) Delete(_ context.Context, in *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	version, err := c.write(in.GetWait(), func() (operation, error) { return c.deletion(in.GetPoints()) })
	if err != nil {
		return nil, failed(err)
	}
	s.compactIfNeeded(c)
	return done(version, start), nil
}

// deletion finds the points now. The log holds ids and never filters, so that
// replaying it cannot find other points.
func (c *collection) deletion(sel *qdrant.PointsSelector) (operation, error) {
	keys, err := c.selected(sel)
	if err != nil {
		return operation{}, err
	}
	record := &qdrant.PointsIdsList{Ids: make([]*qdrant.PointId, len(keys))}
	for i, k := range keys {
		record.Ids[i] = k.id()
	}
	return operation{recordDelete, record, func() error {
		for _, k := range keys {
			c.index.remove(k)
		}
		return nil
	}}, nil
}

func (c *collection) selected(sel *qdrant.PointsSelector) ([]pointKey, error) {
	switch v := sel.GetPointsSelectorOneOf().(type) {
	case *qdrant.PointsSelector_Points:
		return keysOf(v.Points.GetIds())
	case *qdrant.PointsSelector_Filter:
		c.mu.RLock()
		defer c.mu.RUnlock()
		f, err := compile(c.index, v.Filter, c.opts.Limits)
		if err != nil {
			return nil, err
		}
		slots, err := c.index.matching(f)
		if err != nil {
			return nil, err
		}
		keys := make([]pointKey, len(slots))
		for i, slot := range slots {
			keys[i] = c.index.slots[slot].key
		}
		return keys, nil
	}
	return nil, invalid("No points selector provided")
}

// CreateFieldIndex indexes a payload field; keyword fields narrow searches,
// others are accepted and read from the payload.
func (s pointsServer) CreateFieldIndex(_ context.Context, in *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if in.GetFieldName() == "" {
		return nil, invalid("a field index needs a field name")
	}
	version, err := c.write(true, func() (operation, error) {
		return operation{recordFieldIndex, in, func() error { return c.index.addField(in) }}, nil
	})
	if err != nil {
		return nil, failed(err)
	}
	return done(version, start), nil
}
