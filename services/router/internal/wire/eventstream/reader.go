// Package eventstream reads and writes the messages in which AWS streams
// answers: a prelude with lengths, headers, a payload, and a checksum of each.
// It is our own and not the SDK's, which allocates for each header; a test
// holds the two equal.
package eventstream

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Sizes of the frame around headers and payload.
const (
	preludeSize = 12 // total length, length of the headers, checksum of both
	sumSize     = 4
	leastSize   = preludeSize + sumSize
)

// Bounds of one message. AWS itself sends at most 128 KiB of headers and 16 MiB
// of payload.
const (
	maxMessage = 17 << 20
	maxHeaders = 128 << 10
)

// readSize is what a reader's buffer begins with; most messages fit many times.
const readSize = 4 << 10

// Faults of a stream.
var (
	// ErrChecksum says that bytes were changed on their way.
	ErrChecksum = errors.New("a message's checksum does not match")
	// ErrSize says that a message is larger than it may be, or says that it is
	// smaller than it must be.
	ErrSize = errors.New("a message's lengths are out of bounds")
	// ErrHeader says that a message's headers cannot be read.
	ErrHeader = errors.New("a message's headers cannot be read")
)

// Reader cuts a stream into messages and checks them.
type Reader struct {
	src io.Reader
	buf []byte
	// pos is the first byte not yet given out, end the first not yet filled.
	pos, end int
	err      error
}

// NewReader reads messages from src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, readSize)}
}

// Next returns the next message as it came; it is valid until the next call.
// It returns io.EOF at the end of the source, and io.ErrUnexpectedEOF if that
// is in the middle of a message. Behind a fault nothing more is read: where the
// next message would begin is not known.
func (r *Reader) Next() ([]byte, error) {
	if err := r.need(preludeSize); err != nil {
		return nil, err
	}
	size, err := messageSize(r.buf[r.pos : r.pos+preludeSize])
	if err != nil {
		return nil, r.fail(err)
	}
	if err := r.need(size); err != nil {
		return nil, err
	}
	raw := r.buf[r.pos : r.pos+size : r.pos+size]
	body := raw[:size-sumSize]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(raw[len(body):]) {
		return nil, r.fail(ErrChecksum)
	}
	r.pos += size
	return raw, nil
}

// messageSize reads a prelude.
func messageSize(prelude []byte) (int, error) {
	total, headers := binary.BigEndian.Uint32(prelude), binary.BigEndian.Uint32(prelude[4:])
	if crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]) {
		return 0, ErrChecksum
	}
	if total < leastSize || total > maxMessage || headers > maxHeaders || headers > total-leastSize {
		return 0, ErrSize
	}
	return int(total), nil
}

func (r *Reader) fail(err error) error {
	r.err, r.pos, r.end = err, 0, 0
	return err
}

// need makes sure that n bytes stand behind pos.
func (r *Reader) need(n int) error {
	for r.end-r.pos < n {
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && r.end > r.pos {
				return r.fail(io.ErrUnexpectedEOF)
			}
			return err
		}
	}
	return nil
}

// fill reads more behind what is there, making room first. The buffer grows
// with what has come, not with what a prelude promises.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.pos == r.end {
		r.pos, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		if r.pos > len(r.buf)/2 {
			r.end = copy(r.buf, r.buf[r.pos:r.end])
		} else {
			grown := make([]byte, 2*len(r.buf))
			r.end = copy(grown, r.buf[r.pos:r.end])
			r.buf = grown
		}
		r.pos = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}
