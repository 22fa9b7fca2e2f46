// Package sse reads server-sent events as providers send them.
package sse

import (
	"bytes"
	"errors"
	"io"
)

// maxEvent is the most bytes of one event: a tool call's arguments in one
// piece fit well.
const maxEvent = 8 << 20

// readSize is what a reader's buffer begins with; most events fit many times.
// Done is the data by which OpenAI's format ends a stream.
const Done = "[DONE]"

const readSize = 4 << 10

var errEventSize = errors.New("event is larger than 8 MiB")

// span is a piece of the buffer.
type span struct{ start, end int }

// Reader reads server-sent events and gives the data of each. It copies
// only data that comes in several lines.
type Reader struct {
	src io.Reader
	buf []byte
	// pos is the first byte not yet read as a line, end the first not yet filled.
	pos, end int
	// data is where the event's only data line stands, if lines is 1.
	data   span
	lines  int
	joined []byte
	// skipLF is set behind a CR: a LF that follows belongs to it.
	skipLF bool
	begun  bool
	err    error
}

// NewReader reads events from src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, readSize)}
}

// Next returns the data of the next event that has any; it is valid until the
// next call. It returns io.EOF at the end of the source, however it ended: an
// unfinished line is dropped, but for an unfinished [DONE].
func (r *Reader) Next() ([]byte, error) {
	r.lines = 0
	for {
		line, err := r.line()
		if err != nil {
			if r.lines > 0 && errors.Is(err, io.EOF) {
				return r.take(), nil
			}
			return nil, err
		}
		if line.start == line.end {
			if r.lines > 0 {
				return r.take(), nil
			}
			continue
		}
		if err := r.field(line); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) take() []byte {
	if r.lines > 1 {
		return r.joined
	}
	return r.buf[r.data.start:r.data.end]
}

// field reads a line. Comments and fields other than data say nothing here.
func (r *Reader) field(line span) error {
	text := r.buf[line.start:line.end]
	if !bytes.HasPrefix(text, []byte("data")) {
		return nil
	}
	rest := text[len("data"):]
	if len(rest) > 0 {
		if rest[0] != ':' {
			return nil
		}
		rest = rest[1:]
		if len(rest) > 0 && rest[0] == ' ' {
			rest = rest[1:]
		}
	}
	switch r.lines++; r.lines {
	case 1:
		r.data = span{line.end - len(rest), line.end}
		return nil
	case 2:
		r.joined = append(r.joined[:0], r.buf[r.data.start:r.data.end]...)
	}
	r.joined = append(append(r.joined, '\n'), rest...)
	if len(r.joined) > maxEvent {
		return errEventSize
	}
	return nil
}

// line returns the next line without its end.
func (r *Reader) line() (span, error) {
	scanned := r.pos
	for {
		if r.skipLF && r.pos < r.end {
			r.skipLF = false
			if r.buf[r.pos] == '\n' {
				r.pos++
			}
			scanned = r.pos
		}
		if line, ok := r.cut(scanned); ok {
			return line, nil
		}
		scanned = r.end
		moved, err := r.fill()
		scanned -= moved
		if err != nil {
			return r.last(err)
		}
	}
}

// cut takes a line whose end stands at or behind scanned.
func (r *Reader) cut(scanned int) (span, bool) {
	window := r.buf[scanned:r.end]
	stop := bytes.IndexByte(window, '\n')
	if stop >= 0 {
		window = window[:stop]
	}
	width := 1
	if cr := bytes.IndexByte(window, '\r'); cr >= 0 {
		if cr+1 == stop {
			width = 2
		}
		r.skipLF = stop < 0 && scanned+cr+1 == r.end
		stop = cr
	}
	if stop < 0 {
		return span{}, false
	}
	line := span{r.pos, scanned + stop}
	r.pos = line.end + width
	if !r.begun {
		r.begun = true
		if bytes.HasPrefix(r.buf[line.start:line.end], []byte("\uFEFF")) {
			line.start += len("\uFEFF")
		}
	}
	return line, true
}

// last ends the reading. Only an unfinished line that can be nothing but the
// end of the stream is believed.
func (r *Reader) last(err error) (span, error) {
	rest := span{r.pos, r.end}
	r.pos = r.end
	if errors.Is(err, io.EOF) && bytes.Equal(bytes.TrimSpace(r.buf[rest.start:rest.end]), []byte("data: "+Done)) {
		return rest, nil
	}
	return span{}, err
}

// fill reads more behind what is there, making room first. moved is how far
// everything moved to the front.
func (r *Reader) fill() (moved int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	keep := r.pos
	if r.lines == 1 {
		keep = r.data.start
	}
	if r.end == len(r.buf) {
		if keep > 0 {
			copy(r.buf, r.buf[keep:r.end])
			moved = keep
			r.pos, r.end = r.pos-keep, r.end-keep
			r.data = span{r.data.start - keep, r.data.end - keep}
		}
		if r.end > len(r.buf)/2 {
			if len(r.buf) >= 2*maxEvent {
				r.err = errEventSize
				return moved, r.err
			}
			r.buf = append(make([]byte, 0, 2*len(r.buf)), r.buf...)
			r.buf = r.buf[:cap(r.buf)]
		}
	}
	for range 100 {
		var n int
		n, r.err = r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			return moved, nil
		}
		if r.err != nil {
			return moved, r.err
		}
	}
	r.err = io.ErrNoProgress
	return moved, r.err
}
