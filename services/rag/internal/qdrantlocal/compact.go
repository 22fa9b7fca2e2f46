package qdrantlocal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// compactBatch is how many points one record of a rewritten log holds.
const compactBatch = 128

// wantsCompaction reports whether more of the log is garbage than not.
func (c *collection) wantsCompaction() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed {
		return false
	}
	grown := c.file.size.Load() - c.liveBytes
	c.mu.RLock()
	defer c.mu.RUnlock()
	live, slots := c.index.len(), len(c.index.slots)
	// Growth by new points is no garbage: weigh it by the share of empty slots.
	garbage := int64(0)
	if slots > 0 {
		garbage = c.file.size.Load() * int64(slots-live) / int64(slots)
	}
	return grown > 0 && garbage > c.opts.CompactBytes && garbage > c.file.size.Load()/2
}

// compact writes the living points to a new log and swaps it in. Readers go
// on; writers wait. A crash at any moment leaves either the old log or the
// new one as the newest whole log.
func (c *collection) compact() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed {
		return nil
	}
	fresh, err := c.index.rebuilt(c.schema)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	before := c.file.size.Load()
	tmp := filepath.Join(c.dir, "compacting.tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("compact: %w", err)
	}
	file, err := createLog(tmp)
	if err != nil {
		return err
	}
	next := filepath.Join(c.dir, logName(c.generation+1))
	err = c.rewrite(file, fresh)
	if err == nil {
		err = os.Rename(tmp, next)
	}
	if err == nil {
		err = syncDir(c.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("compact: %w", err), file.close(), os.Remove(file.path))
	}
	old := c.file
	file.path = next
	c.file, c.generation, c.liveBytes = file, c.generation+1, file.size.Load()
	c.mu.Lock()
	c.index = fresh
	c.mu.Unlock()
	c.log.Info("compacted", "before_bytes", before, "after_bytes", c.liveBytes, "points", fresh.len())
	return errors.Join(old.close(), os.Remove(old.path))
}

func (c *collection) rewrite(file *logFile, x *index) error {
	if err := appendMessage(file, recordCollection, c.def); err != nil {
		return err
	}
	for _, def := range x.fields {
		if err := appendMessage(file, recordFieldIndex, def); err != nil {
			return err
		}
	}
	batch := &qdrant.UpsertPoints{}
	for i, p := range x.slots {
		out, err := p.structOf()
		if err != nil {
			return err
		}
		batch.Points = append(batch.Points, out)
		if len(batch.Points) == compactBatch || i == len(x.slots)-1 {
			if err := appendMessage(file, recordUpsert, batch); err != nil {
				return err
			}
			batch.Points = batch.Points[:0]
		}
	}
	return file.sync(file.size.Load())
}

func appendMessage(file *logFile, kind recordKind, m proto.Message) error {
	raw, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return file.append(kind, raw)
}

func (p *point) structOf() (*qdrant.PointStruct, error) {
	payload, err := decodePayload(p.payload)
	if err != nil {
		return nil, err
	}
	named := map[string]*qdrant.Vector{}
	for name, v := range p.vectors.dense {
		named[name] = qdrant.NewVectorDense(v)
	}
	for name, v := range p.vectors.sparse {
		named[name] = qdrant.NewVectorSparse(v.indices, v.values)
	}
	return &qdrant.PointStruct{Id: p.key.id(), Payload: payload, Vectors: qdrant.NewVectorsMap(named)}, nil
}
