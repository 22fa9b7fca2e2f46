package attempt

import (
	"io"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Stream is an answer that has begun: its first content has come. Where an
// attempt breaks off, another goes on, and the stream reads as if one had
// written all of it.
type Stream struct {
	// Attempt is the one that writes the answer now.
	*Attempt
	hunt   *hunt
	script *transcript // nil if the stream is not recovered
	splice *splice     // once another attempt goes on
	// breaks is how often the stream broke off, and recoveries how often another
	// attempt went on; resumed is set once the one at work did.
	breaks, recoveries int
	resumed            bool
	err                error // that of the end
}

func newStream(a *Attempt, h *hunt) *Stream {
	s := &Stream{Attempt: a, hunt: h}
	if h.job.Recovery.Most() > 0 {
		s.script = newTranscript(h.job.Recovery.Bytes())
	}
	return s
}

// Recoveries is how often another attempt went on with the answer.
func (s *Stream) Recoveries() int { return s.recoveries }

// Next returns the next chunk, valid until the next call, or io.EOF after a
// legal end. If the answer breaks off and nobody goes on with it, the error is
// STREAM_INTERRUPTED; Attempt may then be open still, for the caller to end.
func (s *Stream) Next() (*stream.Chunk, error) {
	for s.err == nil {
		chunk, err := s.read()
		switch {
		case err == nil && chunk != nil:
			return chunk, nil
		case ended(err):
			s.err = io.EOF
		case err != nil:
			s.err = s.resume(err)
		}
	}
	return nil, s.err
}

// read returns what is new in the next chunk; nil if nothing is.
func (s *Stream) read() (*stream.Chunk, error) {
	chunk, err := s.source.next()
	if s.splice == nil {
		if err == nil {
			s.script.add(chunk)
		}
		return chunk, err
	}
	switch {
	case ended(err) && !s.splice.whole():
		return nil, errParted
	case err != nil:
		return nil, err
	}
	if chunk, err = s.splice.pass(chunk); chunk != nil && !s.resumed {
		s.resumed = true
		s.recovered()
	}
	return chunk, err
}

// interrupted is what a failure means after the first content.
func interrupted(e *errs.Error) *errs.Error {
	switch e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_CANCELLED, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED,
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:
		return e
	default:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "").WithCause(e)
	}
}
