package builtin

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// reader delivers a draft: start, then every candidate's words and its end. It needs no goroutine and, once
// begun, no memory: the chunk and its delta are used again for every word.
type reader struct {
	ctx       context.Context // a reader lives as long as its request
	draft     *draft
	chunk     stream.Chunk
	candidate int
	piece     int
	started   bool
	closed    atomic.Bool
	delta     []byte
}

func newReader(ctx context.Context, d *draft) *reader {
	return &reader{ctx: ctx, draft: d, chunk: stream.Chunk{Events: make([]stream.Event, 0, 3)}}
}

// Next returns the next chunk. A closed reader is an ended one.
func (r *reader) Next() (*stream.Chunk, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	if r.closed.Load() {
		return nil, io.EOF
	}
	r.chunk.Reset()
	switch {
	case !r.started:
		r.started = true
		r.add(stream.Event{Kind: stream.Start, ID: r.draft.id, Model: r.draft.model})
	case r.candidate < r.draft.candidates && r.piece < len(r.draft.pieces):
		r.delta = append(r.delta[:0], r.draft.pieces[r.piece]...)
		r.piece++
		r.add(stream.Event{Kind: stream.Text, Delta: r.delta})
	case r.candidate < r.draft.candidates:
		r.end()
	default:
		return nil, io.EOF
	}
	return &r.chunk, nil
}

// end ends a candidate; the usage of all goes before the last one's finish.
func (r *reader) end() {
	if len(r.draft.pieces) > 0 {
		r.add(stream.Event{Kind: stream.PartStop, Citations: r.draft.citations})
	}
	if r.candidate == r.draft.candidates-1 {
		r.add(stream.Event{Kind: stream.Usage, Tokens: r.draft.usage()})
	}
	r.add(stream.Event{Kind: stream.Finish, Reason: r.draft.reason})
	r.candidate, r.piece = r.candidate+1, 0
}

func (r *reader) add(e stream.Event) {
	e.Candidate = int32(r.candidate) // at most 128
	r.chunk.Events = append(r.chunk.Events, e)
}

// Close ends the reader.
func (r *reader) Close() error {
	r.closed.Store(true)
	return nil
}
