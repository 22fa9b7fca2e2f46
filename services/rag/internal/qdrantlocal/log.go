package qdrantlocal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// A log file is a sequence of records:
//
//	length uint32 LE   of kind + body
//	crc    uint32 LE   CRC-32C of kind + body
//	kind   byte
//	body   protobuf
//
// The first record holds the collection's definition.
type recordKind byte

const (
	recordCollection recordKind = 1 // qdrant.CreateCollection
	recordUpsert     recordKind = 2 // qdrant.UpsertPoints
	recordDelete     recordKind = 3 // qdrant.PointsIdsList
	recordFieldIndex recordKind = 4 // qdrant.CreateFieldIndexCollection
)

const (
	recordHeader   = 8
	maxRecordBytes = 256 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errBroken  = errors.New("log is broken after a failed write")
)

// logFile appends records and forces them to the disk in groups: whoever gets
// the sync lock first forces everything appended so far.
type logFile struct {
	f      *os.File
	path   string
	size   atomic.Int64 // bytes appended; only the writer changes it
	synced int64        // bytes known to be on the disk; under syncMu
	syncMu sync.Mutex
	broken atomic.Bool
}

func createLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	return &logFile{f: f, path: path}, nil
}

// openLog replays a log through visit and cuts off a torn tail: a last record
// that a dying process wrote in part. A bad record with sound bytes after it
// is damage, not a torn tail, and is refused.
func openLog(path string, visit func(recordKind, []byte) error) (l *logFile, torn int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	good, err := replay(f, info.Size(), visit)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if torn = info.Size() - good; torn > 0 {
		if err := f.Truncate(good); err != nil {
			return nil, 0, fmt.Errorf("cut torn tail: %w", err)
		}
	}
	if _, err := f.Seek(good, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	l = &logFile{f: f, path: path, synced: good}
	l.size.Store(good)
	return l, torn, nil
}

// replay returns the offset behind the last sound record.
func replay(r io.Reader, size int64, visit func(recordKind, []byte) error) (int64, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	var header [recordHeader]byte
	var off int64
	for off < size {
		if size-off < recordHeader {
			return off, nil
		}
		if _, err := io.ReadFull(br, header[:]); err != nil {
			return off, fmt.Errorf("read record at %d: %w", off, err)
		}
		n := int64(binary.LittleEndian.Uint32(header[:4]))
		end := off + recordHeader + n
		if n == 0 || n > maxRecordBytes {
			// A file system may extend a file with zeros before it dies.
			if zeros(br) && header == [recordHeader]byte{} {
				return off, nil
			}
			return off, fmt.Errorf("record at %d: impossible length %d", off, n)
		}
		if end > size {
			return off, nil
		}
		buf := make([]byte, n)
		if _, err := io.ReadFull(br, buf); err != nil {
			return off, fmt.Errorf("read record at %d: %w", off, err)
		}
		if crc32.Checksum(buf, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
			if end == size {
				return off, nil
			}
			return off, fmt.Errorf("record at %d: checksum does not match", off)
		}
		if err := visit(recordKind(buf[0]), buf[1:]); err != nil {
			return off, fmt.Errorf("record at %d: %w", off, err)
		}
		off = end
	}
	return off, nil
}

func zeros(r *bufio.Reader) bool {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if b != 0 {
			return false
		}
	}
}

// append writes one record with a single write call. The caller serialises.
func (l *logFile) append(kind recordKind, body []byte) error {
	if l.broken.Load() {
		return errBroken
	}
	if len(body)+1 > maxRecordBytes {
		return fmt.Errorf("record of %d bytes is too large", len(body))
	}
	buf := make([]byte, recordHeader+1+len(body))
	buf[recordHeader] = byte(kind)
	copy(buf[recordHeader+1:], body)
	binary.LittleEndian.PutUint32(buf[:4], uint32(len(body)+1)) // bounded above
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(buf[recordHeader:], castagnoli))
	at := l.size.Load()
	if _, err := l.f.WriteAt(buf, at); err != nil {
		// What was written in part must not stand before the next record.
		if terr := l.f.Truncate(at); terr != nil {
			l.broken.Store(true)
			return fmt.Errorf("append record: %w", errors.Join(err, terr))
		}
		return fmt.Errorf("append record: %w", err)
	}
	l.size.Store(at + int64(len(buf)))
	return nil
}

// sync forces everything up to the offset. After a failed force the kernel may
// have dropped the pages, so the log refuses further work.
func (l *logFile) sync(upTo int64) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.synced >= upTo {
		return nil
	}
	if l.broken.Load() {
		return errBroken
	}
	size := l.size.Load()
	if err := l.f.Sync(); err != nil {
		l.broken.Store(true)
		return fmt.Errorf("sync log: %w", err)
	}
	l.synced = size
	return nil
}

func (l *logFile) close() error {
	return errors.Join(l.sync(l.size.Load()), l.f.Close())
}

// syncDir forces a directory, so that a rename in it lasts.
func syncDir(dir string) error {
	d, err := os.Open(dir) // the caller's own data directory
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
