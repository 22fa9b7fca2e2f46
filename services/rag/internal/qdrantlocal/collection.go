package qdrantlocal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// collection is one collection: a log on disk and an index in memory. Writers
// take turns on writing; readers only wait while a write is applied.
type collection struct {
	dir    string
	opts   Options
	def    *qdrant.CreateCollection
	schema schema
	log    *slog.Logger

	writing    sync.Mutex // held by the one writer or compactor
	file       *logFile   // under writing
	generation uint64     // of file; under writing
	liveBytes  int64      // of file right after it was made; under writing
	version    uint64     // operations applied; under writing
	closed     bool       // under writing

	mu    sync.RWMutex
	index *index
}

const logSuffix = ".log"

func logName(generation uint64) string {
	return fmt.Sprintf("%016d%s", generation, logSuffix)
}

// createCollection makes the directory aside and renames it, so that a
// half-made collection is never found.
func createCollection(root string, def *qdrant.CreateCollection, opts Options) (*collection, error) {
	s, err := schemaOf(def, opts.Limits)
	if err != nil {
		return nil, err
	}
	body, err := proto.Marshal(def)
	if err != nil {
		return nil, fmt.Errorf("create collection: %w", err)
	}
	dir := filepath.Join(root, def.GetCollectionName())
	tmp := dir + creatingSuffix
	if err := os.RemoveAll(tmp); err != nil {
		return nil, fmt.Errorf("create collection: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, fmt.Errorf("create collection: %w", err)
	}
	file, err := createLog(filepath.Join(tmp, logName(1)))
	if err != nil {
		return nil, err
	}
	err = file.append(recordCollection, body)
	if err == nil {
		err = file.sync(file.size.Load())
	}
	if err == nil {
		err = syncDir(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err == nil {
		err = syncDir(root)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create collection: %w", err), file.close())
	}
	file.path = filepath.Join(dir, logName(1))
	return &collection{
		dir: dir, opts: opts, def: def, schema: s, log: opts.Log.With("collection", def.GetCollectionName()),
		file: file, generation: 1, index: newIndex(s),
	}, nil
}

// openCollection replays the newest log and removes what a compaction that
// did not finish has left.
func openCollection(dir string, opts Options) (*collection, error) {
	generation, err := newestLog(dir)
	if err != nil {
		return nil, fmt.Errorf("open collection %s: %w", filepath.Base(dir), err)
	}
	c := &collection{dir: dir, opts: opts, generation: generation, log: opts.Log.With("collection", filepath.Base(dir))}
	file, torn, err := openLog(filepath.Join(dir, logName(generation)), c.replay)
	if err != nil {
		return nil, fmt.Errorf("open collection %s: %w", filepath.Base(dir), err)
	}
	if c.def == nil {
		return nil, errors.Join(fmt.Errorf("open collection %s: log holds no definition", filepath.Base(dir)), file.close())
	}
	if torn > 0 {
		c.log.Warn("cut an unfinished record off the log", "bytes", torn)
	}
	c.file = file
	return c, nil
}

func newestLog(dir string) (uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var newest uint64
	for _, e := range entries {
		if g, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), logSuffix), 10, 64); err == nil {
			newest = max(newest, g)
		}
	}
	if newest == 0 {
		return 0, errors.New("no log found")
	}
	for _, e := range entries {
		if e.Name() != logName(newest) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return 0, err
			}
		}
	}
	return newest, nil
}

func (c *collection) replay(kind recordKind, body []byte) error {
	if c.def == nil {
		if kind != recordCollection {
			return errors.New("the first record is not a definition")
		}
		def := &qdrant.CreateCollection{}
		if err := proto.Unmarshal(body, def); err != nil {
			return err
		}
		s, err := schemaOf(def, c.opts.Limits)
		if err != nil {
			return err
		}
		c.def, c.schema, c.index = def, s, newIndex(s)
		return nil
	}
	c.version++
	switch kind {
	case recordUpsert:
		var m qdrant.UpsertPoints
		if err := proto.Unmarshal(body, &m); err != nil {
			return err
		}
		points, err := c.points(m.GetPoints())
		if err != nil {
			return err
		}
		return c.put(points)
	case recordDelete:
		var m qdrant.PointsIdsList
		if err := proto.Unmarshal(body, &m); err != nil {
			return err
		}
		keys, err := keysOf(m.GetIds())
		if err != nil {
			return err
		}
		for _, k := range keys {
			c.index.remove(k)
		}
		return nil
	case recordFieldIndex:
		m := &qdrant.CreateFieldIndexCollection{}
		if err := proto.Unmarshal(body, m); err != nil {
			return err
		}
		return c.index.addField(m)
	}
	return fmt.Errorf("unknown record kind %d", kind)
}

// points checks what a request carries and gives it its stored form.
func (c *collection) points(in []*qdrant.PointStruct) ([]*point, error) {
	out := make([]*point, len(in))
	for i, p := range in {
		key, err := keyOf(p.GetId())
		if err != nil {
			return nil, err
		}
		payload, err := encodePayload(p.GetPayload())
		if err != nil {
			return nil, invalid("payload: %v", err)
		}
		if len(payload) > c.opts.Limits.PayloadBytes {
			return nil, invalid("a payload of %d bytes is over the limit of %d", len(payload), c.opts.Limits.PayloadBytes)
		}
		v, err := c.schema.vectorsOf(p.GetVectors(), c.opts.Limits)
		if err != nil {
			return nil, err
		}
		out[i] = &point{key: key, payload: payload, vectors: v}
	}
	return out, nil
}

func (c *collection) put(points []*point) error {
	for _, p := range points {
		p.version = c.version
		if err := c.index.put(p); err != nil {
			return err
		}
	}
	return nil
}

// operation is one change: what the log records and how the index takes it.
type operation struct {
	kind  recordKind
	body  proto.Message
	apply func() error
}

// write logs an operation and applies it; wait says to force it as the policy
// demands. The operation is prepared while no other can come in between. It
// returns the operation's number.
func (c *collection) write(wait bool, prepare func() (operation, error)) (uint64, error) {
	c.writing.Lock()
	version, file, upTo, err := c.writeLocked(prepare)
	c.writing.Unlock()
	if err != nil {
		return 0, err
	}
	if wait && c.opts.Sync == SyncAlways {
		if err := file.sync(upTo); err != nil {
			return 0, err
		}
	}
	return version, nil
}

func (c *collection) writeLocked(prepare func() (operation, error)) (uint64, *logFile, int64, error) {
	if c.closed {
		return 0, nil, 0, noCollection(c.def.GetCollectionName())
	}
	op, err := prepare()
	if err != nil {
		return 0, nil, 0, err
	}
	if err := appendMessage(c.file, op.kind, op.body); err != nil {
		return 0, nil, 0, err
	}
	c.version++
	c.mu.Lock()
	err = op.apply()
	c.mu.Unlock()
	return c.version, c.file, c.file.size.Load(), err
}

func (c *collection) close() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.file.close()
}

// force puts what was written on the disk; for the interval policy.
func (c *collection) force() error {
	c.writing.Lock()
	file, closed := c.file, c.closed
	c.writing.Unlock()
	if closed {
		return nil
	}
	return file.sync(file.size.Load())
}

// since is a duration in seconds, as Qdrant's answers carry it.
func since(start time.Time) float64 { return time.Since(start).Seconds() }
