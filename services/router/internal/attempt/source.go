package attempt

import (
	"io"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// maxHeld bounds what may come before the first content. More is no answer.
const maxHeld = 256

// source is the stream of one attempt.
type source struct {
	*Attempt
	reader   stream.Reader
	held     []*stream.Chunk // what came before the first content: replayed by next
	first    *stream.Chunk   // the first content; valid until the reader's next Next
	atEnd    bool
	finishes int               // candidates that have ended
	whole    *llmv1.Completion // once it is held back as a whole
}

// open opens the reader and reads up to the first content.
func (a *Attempt) open() error {
	reader, err := a.Candidate.Target.Adapter.Stream(a.ctx, a.Asked)
	if err != nil {
		return err
	}
	s := &source{Attempt: a, reader: reader}
	a.source, a.release = s, func() { _ = reader.Close() }
	for {
		chunk, err := s.read()
		switch {
		case ended(err):
			s.atEnd = true
			return s.collect()
		case err != nil:
			return err
		case !a.FirstContent.IsZero() || s.finishes > 0:
			s.first = chunk
			return s.collect()
		case len(s.held) >= maxHeld:
			return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the provider's stream has no content")
		}
		s.held = append(s.held, chunk.Clone())
	}
}

// ended says whether a stream has ended well. A failure that an unexpected end
// caused has it in its chain, and is a failure all the same.
func ended(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// next returns the next chunk, valid until the next call, or io.EOF after a
// legal end. What goes wrong behind the end of every candidate takes nothing
// from the answer.
func (s *source) next() (*stream.Chunk, error) {
	switch {
	case len(s.held) > 0:
		chunk := s.held[0]
		s.held = s.held[1:]
		return chunk, nil
	case s.first != nil:
		chunk := s.first
		s.first = nil
		return chunk, nil
	case s.atEnd:
		return nil, io.EOF
	}
	chunk, err := s.read()
	if err != nil && s.finishes >= s.wanted() && s.outer.Err() == nil {
		return nil, io.EOF
	}
	return chunk, err
}

// wanted is how many candidates were asked for.
func (s *source) wanted() int {
	return max(1, int(s.Asked.Conversation.GetSampling().GetCandidateCount()))
}

// read reads one chunk and takes note of what is in it.
func (s *source) read() (chunk *stream.Chunk, err error) {
	defer s.recover(&err)
	s.watch.wait()
	chunk, err = s.reader.Next()
	s.watch.served()
	if err != nil {
		return nil, err
	}
	return chunk, s.note(chunk)
}

func (s *source) note(c *stream.Chunk) error {
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
			s.finishes++
		case stream.Error:
			return errs.New(e.Failure.GetReason(), "%s", e.Failure.GetMessage())
		}
		if s.FirstContent.IsZero() && e.IsContent() {
			s.FirstContent = time.Now()
			s.watch.begun()
			if event, changed := s.pass.Begun(s.FirstContent, s.FirstContent.Sub(s.StartTime)); changed {
				observe.MarkCircuit(s.spans[0], event)
			}
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
