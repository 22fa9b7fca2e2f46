package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// kind is what a frame holds.
type kind byte

const (
	kindIntent kind = 1
	kindFinal  kind = 2
)

// A frame is the payload's length and the CRC-32C of kind and payload, both
// little-endian uint32, then kind and payload.
const (
	headerBytes = 9
	maxPayload  = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a frame that was not written whole, or is damaged.
var errTorn = errors.New("the frame is damaged")

func appendFrame(buf []byte, k kind, record *billingv1.UsageRecord) ([]byte, error) {
	start := len(buf)
	buf = append(buf, 0, 0, 0, 0, 0, 0, 0, 0, byte(k))
	buf, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(buf, record)
	if err != nil {
		return nil, err
	}
	frame := buf[start:]
	if len(frame)-headerBytes > maxPayload {
		return nil, fmt.Errorf("a record of %d bytes", len(frame)-headerBytes)
	}
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-headerBytes))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(frame[8:], castagnoli))
	return buf, nil
}

// parseHeader returns the length of the payload.
func parseHeader(header []byte) (int, error) {
	n := binary.LittleEndian.Uint32(header)
	if k := kind(header[8]); n > maxPayload || k != kindIntent && k != kindFinal {
		return 0, errTorn
	}
	return int(n), nil
}

// checkFrame verifies a whole frame.
func checkFrame(frame []byte) error {
	if crc32.Checksum(frame[8:], castagnoli) != binary.LittleEndian.Uint32(frame[4:]) {
		return errTorn
	}
	return nil
}

// segment is one file.
type segment struct {
	sequence uint64
	path     string
	file     *os.File // for writing; nil once a later segment is written to
	size     int64    // what is written and whole
	pending  int64    // final records in it that are not acknowledged
	intents  int64    // intents in it that have no final record yet
}

const segmentSuffix = ".seg"

func segmentPath(dir string, sequence uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", sequence, segmentSuffix))
}

// append writes a frame, or leaves the file as it was.
func (g *segment) append(frame []byte) error {
	if _, err := g.file.WriteAt(frame, g.size); err != nil {
		return errors.Join(err, g.file.Truncate(g.size))
	}
	g.size += int64(len(frame))
	return nil
}

// settled says that nobody needs the file any more.
func (g *segment) settled() bool { return g.pending == 0 && g.intents == 0 }

// rotate begins a new file. s.mu is held.
func (s *Spool) rotate() error {
	path := segmentPath(s.dir, s.next)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	if n := len(s.segments); n > 0 && s.segments[n-1].file != nil {
		old := s.segments[n-1]
		if err := errors.Join(old.file.Sync(), old.file.Close()); err != nil {
			s.options.Log.Error("close usage segment", "error", err)
		}
		old.file = nil
	}
	s.segments = append(s.segments, &segment{sequence: s.next, path: path, file: file})
	s.next++
	s.collect()
	return nil
}

// collect deletes files from the front: a final record never goes before the
// intent that it ends, or the intent would look like a crash. s.mu is held.
func (s *Spool) collect() {
	for len(s.segments) > 1 && s.segments[0].settled() {
		front := s.segments[0]
		if err := os.Remove(front.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.options.Log.Error("delete usage segment", "error", err)
			return
		}
		s.bytes -= front.size
		s.segments = s.segments[1:]
	}
}

func (s *Spool) closeFiles() error {
	var err error
	for i, g := range s.segments {
		if g.file == nil {
			continue
		}
		err = errors.Join(err, g.file.Sync(), g.file.Close())
		g.file = nil
		if i == 0 && g.settled() {
			err = errors.Join(err, os.Remove(g.path))
		}
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cursor reads frames from one file, up to a limit that may grow.
type cursor struct {
	file *os.File
	base int64  // where buf begins in the file
	buf  []byte // what has been read
	pos  int    // what of buf has been used
}

const cursorBytes = 64 << 10

// next returns the next frame below limit, valid until the next call; io.EOF if
// there is none, errTorn if what is there is no frame.
func (c *cursor) next(limit int64) (kind, []byte, error) {
	header, err := c.peek(headerBytes, limit)
	if err != nil {
		return 0, nil, err
	}
	n, err := parseHeader(header)
	if err != nil {
		return 0, nil, err
	}
	frame, err := c.peek(headerBytes+n, limit)
	if errors.Is(err, io.EOF) {
		return 0, nil, errTorn
	}
	if err != nil {
		return 0, nil, err
	}
	if err := checkFrame(frame); err != nil {
		return 0, nil, err
	}
	c.pos += len(frame)
	return kind(frame[8]), frame[headerBytes:], nil
}

// offset is where the next frame begins.
func (c *cursor) offset() int64 { return c.base + int64(c.pos) }

// peek returns the next n bytes without using them up.
func (c *cursor) peek(n int, limit int64) ([]byte, error) {
	if have := len(c.buf) - c.pos; have >= n {
		return c.buf[c.pos : c.pos+n], nil
	}
	left := limit - c.offset()
	if left == 0 {
		return nil, io.EOF
	}
	if left < int64(n) {
		return nil, errTorn
	}
	c.base, c.buf, c.pos = c.offset(), append(c.buf[:0], c.buf[c.pos:]...), 0
	have := len(c.buf)
	want := int(min(left, int64(max(n, cursorBytes))))
	c.buf = append(c.buf, make([]byte, want-have)...)
	got, err := c.file.ReadAt(c.buf[have:], c.base+int64(have))
	c.buf = c.buf[:have+got]
	if len(c.buf) < n {
		return nil, errors.Join(errTorn, err)
	}
	return c.buf[:n], nil
}
