// Package packed writes values for a store that several routers share: long ones
// smaller, none larger than what may be sent.
package packed

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Forms of a value: its first byte.
const (
	plain  = 'p'
	packed = 'z'
)

// most is the largest value that is sent: a larger one would keep others waiting
// who use the same connection.
const most = 1 << 20

// packFrom is the size from which packing is worth its time.
const packFrom = 4 << 10

// ErrTooLarge says that a value is too large to be sent.
var ErrTooLarge = errors.New("the value is too large to be shared")

var errForm = errors.New("the value has a form that is not known")

// writers and readers hold their windows, which are large.
var (
	writers = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a legal one
		return w
	}}
	readers = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// Write writes a value as it is sent, or says that it is too large.
func Write(value []byte) ([]byte, error) {
	written, err := write(value)
	if err == nil && len(written) > most {
		return nil, ErrTooLarge
	}
	return written, err
}

func write(value []byte) ([]byte, error) {
	if len(value) < packFrom {
		return append(append(make([]byte, 0, 1+len(value)), plain), value...), nil
	}
	var out bytes.Buffer
	out.WriteByte(packed)
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	w.Reset(&out)
	if _, err := w.Write(value); err != nil {
		return nil, fmt.Errorf("pack value: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack value: %w", err)
	}
	return out.Bytes(), nil
}

// Read reads what Write has written, which must not become larger than limit.
func Read(value []byte, limit int) ([]byte, error) {
	switch {
	case len(value) == 0:
		return nil, errForm
	case value[0] == plain:
		return value[1:], nil
	case value[0] != packed:
		return nil, errForm
	}
	r := readers.Get().(io.ReadCloser)
	defer readers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(value[1:]), nil); err != nil {
		return nil, fmt.Errorf("unpack value: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack value: %w", err)
	case len(out) > limit:
		return nil, errForm
	}
	return out, nil
}
