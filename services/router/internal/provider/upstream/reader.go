package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

var (
	errCut   = errors.New("the connection closed before the end of the answer")
	errEmpty = errors.New("the stream ended before it began")
	errNoise = errors.New("too much in the stream is none of its format")
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
	objects bool
	noise   int
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
	frame, err := r.next()
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

// maxNoise is how many frames may be noise. More is no stream of this format.
const maxNoise = 3

// next returns the next frame that may be a part of the answer. Careless proxies
// put lines of their own into streams, which are skipped if they evidently held
// nothing of the answer. A torn frame may have held a word of it: skipping that
// would show an answer with a hole as whole.
func (r *reader) next() ([]byte, error) {
	for {
		frame, err := r.frames.Next()
		if err != nil || !r.objects || !noise(frame) {
			return frame, err
		}
		if r.noise++; r.noise > maxNoise {
			return nil, errNoise
		}
		trace.SpanFromContext(r.ctx).AddEvent("noise in the stream skipped")
	}
}

// noise says whether a frame is no part of a stream of JSON objects, or the word
// in brackets that ends it: not even a torn one.
func noise(frame []byte) bool {
	frame = bytes.TrimLeft(frame, " \t\r\n\ufeff")
	return len(frame) > 0 && frame[0] != '[' && !bytes.ContainsAny(frame, "{}")
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
