package openaicompat

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
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

var (
	errCut   = errors.New("the connection closed before the end of the answer")
	errEmpty = errors.New("the stream ended before it began")
)

// reader reads a provider's stream. It tells three ends apart: the terminal
// event, the end of the body behind every candidate's finish, and a cut.
type reader struct {
	// a reader lives as long as its request
	ctx     context.Context
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	events  *openai.EventReader
	decoder openai.ChunkDecoder
	chunk   stream.Chunk
	want    int
	err     error
	// complete is set behind the terminal event: only the body's end is left.
	complete atomic.Bool
	once     sync.Once
}

// newReader reads events from src, which is body as it was before compression.
func newReader(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, src io.Reader, want int) *reader {
	return &reader{ctx: ctx, cancel: cancel, body: body, events: openai.NewEventReader(src), want: want}
}

// Next implements stream.Reader.
func (r *reader) Next() (*stream.Chunk, error) {
	if r.err != nil {
		return nil, r.err
	}
	data, err := r.events.Next()
	switch {
	case err != nil:
		r.err = r.ended(err)
	case string(data) == openai.Done:
		r.err = r.done()
	default:
		if err := r.decoder.Decode(data, &r.chunk); err != nil {
			r.err = err
			break
		}
		return &r.chunk, nil
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
