package attempt

import (
	"errors"
	"io"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// maxHeld bounds what may come before the first content. More is no answer.
const maxHeld = 256

// Stream is an answer that has begun: its first content has come.
type Stream struct {
	*Attempt
	reader stream.Reader
	held   []*stream.Chunk // what came before the first content, then the rest: replayed by Next
	first  *stream.Chunk   // the first content; valid until the reader's next Next
	begun  bool
	atEnd  bool
}

// open opens the reader and reads up to the first content.
func (s *Stream) open(r *provider.Request) error {
	reader, err := s.openReader(r)
	if err != nil {
		return err
	}
	s.reader = reader
	s.release = func() { _ = reader.Close() }
	for {
		chunk, err := s.read()
		switch {
		case errors.Is(err, io.EOF):
			s.begun, s.atEnd = true, true
			return nil
		case err != nil:
			return err
		case s.begins(chunk):
			s.begun, s.first = true, chunk
			return nil
		case len(s.held) >= maxHeld:
			return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the provider's stream has no content")
		}
		s.held = append(s.held, chunk.Clone())
	}
}

// begins says whether the chunk holds the first content, or an end without any.
func (s *Stream) begins(c *stream.Chunk) bool {
	return !s.FirstContent.IsZero() || len(s.answer.Finish) > 0
}

// Next returns the next chunk, valid until the next call, or io.EOF after a
// legal end. Any other failure of the target is STREAM_INTERRUPTED: it is too
// late for another one.
func (s *Stream) Next() (*stream.Chunk, error) {
	if len(s.held) > 0 {
		chunk := s.held[0]
		s.held = s.held[1:]
		return chunk, nil
	}
	if chunk := s.first; chunk != nil {
		s.first = nil
		return chunk, nil
	}
	if s.atEnd {
		return nil, io.EOF
	}
	chunk, err := s.read()
	if err == nil {
		return chunk, nil
	}
	s.atEnd = true
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	s.failure = interrupted(s.fault(err))
	return nil, s.failure
}

// interrupted is what a target's failure means after the first content.
func interrupted(e *errs.Error) *errs.Error {
	switch e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_CANCELLED, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED,
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:
		return e
	default:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "").WithCause(e)
	}
}

// read reads one chunk and takes note of what is in it.
func (s *Stream) read() (chunk *stream.Chunk, err error) {
	defer s.recover(&err)
	s.watch.wait()
	chunk, err = s.reader.Next()
	s.watch.served()
	if err != nil {
		return nil, err
	}
	return chunk, s.note(chunk)
}

func (s *Stream) note(c *stream.Chunk) error {
	for i := range c.Events {
		e := &c.Events[i]
		switch e.Kind {
		case stream.Start:
			s.answer.ID, s.answer.Model = e.ID, e.Model
		case stream.PartStart:
			if call := e.Part.GetToolCall(); call != nil {
				s.Written.AddString(call.GetName())
			}
		case stream.Text, stream.Thinking, stream.ToolArguments:
			s.Written.Add(e.Delta)
		case stream.Usage:
			copyUsage(&s.usage, e.Tokens)
			s.Reported = &s.usage
		case stream.Finish:
			s.answer.Finish = append(s.answer.Finish, e.Reason)
		case stream.Error:
			return errs.New(e.Failure.GetReason(), "%s", e.Failure.GetMessage())
		}
		if s.FirstContent.IsZero() && e.IsContent() {
			s.FirstContent = time.Now()
			s.watch.begun()
		}
	}
	return nil
}

// copyUsage copies the counts without an allocation; the reader may use its
// message again.
func copyUsage(to, from *llmv1.Usage) {
	to.InputTokens = from.GetInputTokens()
	to.CacheReadTokens = from.GetCacheReadTokens()
	to.CacheWrite_5MTokens = from.GetCacheWrite_5MTokens()
	to.CacheWrite_1HTokens = from.GetCacheWrite_1HTokens()
	to.InputAudioTokens = from.GetInputAudioTokens()
	to.InputImageTokens = from.GetInputImageTokens()
	to.OutputTokens = from.GetOutputTokens()
	to.ReasoningTokens = from.GetReasoningTokens()
	to.OutputAudioTokens = from.GetOutputAudioTokens()
	to.Source = from.GetSource()
}
