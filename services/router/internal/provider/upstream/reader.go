package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

var (
	errCut   = errors.New("the connection closed before the end of the answer")
	errEmpty = errors.New("the stream ended before it began")
)

// Frames cuts a stream into frames.
type Frames interface {
	// Next returns the next frame, valid until the next call; io.EOF at the end
	// of the body.
	Next() ([]byte, error)
}

// Decoder reads frames.
type Decoder interface {
	// Decode reads one frame into the chunk, which it resets first. A frame that
	// ends the stream gives io.EOF.
	Decode(frame []byte, c *stream.Chunk) error
	// Started says whether anything of an answer has come.
	Started() bool
	// Finished says whether as many candidates as were asked for have ended.
	Finished(candidates int) bool
}

// reader reads a provider's stream. It tells three ends apart: the terminal
// event, the end of the body behind every candidate's finish, and a cut.
type reader struct {
	// a reader lives as long as its request
	ctx     context.Context
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	frames  Frames
	decoder Decoder
	chunk   stream.Chunk
	want    int
	err     error
	// complete is set behind the terminal event: only the body's end is left.
	complete atomic.Bool
	once     sync.Once
}

// Next implements stream.Reader.
func (r *reader) Next() (*stream.Chunk, error) {
	if r.err != nil {
		return nil, r.err
	}
	frame, err := r.frames.Next()
	if err != nil {
		r.err = r.ended(err)
		return nil, r.err
	}
	switch err := r.decoder.Decode(frame, &r.chunk); {
	case err == nil:
		return &r.chunk, nil
	case errors.Is(err, io.EOF):
		r.err = r.done()
	default:
		r.err = err
	}
	return nil, r.err
}

// done is the end by the terminal event. A stream with nothing before it is no answer.
func (r *reader) done() error {
	if !r.decoder.Started() {
		return unavailable(notUnderstood, errEmpty)
	}
	r.complete.Store(true)
	return io.EOF
}

// ended is the end without a terminal event.
func (r *reader) ended(err error) error {
	switch {
	case r.ctx.Err() != nil:
		return failed(r.ctx, err)
	case r.decoder.Finished(r.want):
		return io.EOF
	case errors.Is(err, io.EOF):
		err = errCut
	}
	if said := (*errs.Error)(nil); errors.As(err, &said) { // the provider says what is wrong
		return said
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "").WithCause(unaddressed(err))
}

// Close implements stream.Reader.
func (r *reader) Close() error {
	r.once.Do(func() {
		if r.complete.Load() {
			r.drain()
		}
		r.cancel(context.Canceled)
		_ = r.body.Close()
	})
	return nil
}

// patience is how long the end of a finished body is waited for.
const patience = 20 * time.Millisecond

// drain reads the end of the body, which mostly is there already, so that the
// connection can be used again.
func (r *reader) drain() {
	timer := time.AfterFunc(patience, func() { r.cancel(context.Canceled) })
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, r.body, maxHeader)
}
