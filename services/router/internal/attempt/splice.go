package attempt

import (
	"bytes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// errParted says that another attempt's answer differs from what the client has.
var errParted = errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "the stream was interrupted, and the answer of another attempt differs")

// splice joins another attempt's answer to what the client has: it leaves out
// what comes again, and gives the rest the indexes that the client expects. Its
// chunks hold nothing of the provider's own bytes, for they belong to another
// stream than the one that the client reads.
type splice struct {
	script *transcript
	seams  []*seam
	blanks []byte // may come first, and are there already
	given  bool   // the answer goes on from a beginning that it was given
	out    stream.Chunk
}

// newSplice joins an answer that comes from its beginning or, if it goes on from
// a text that was given to it, from the end of that.
func newSplice(script *transcript, begun string) *splice {
	s := &splice{script: script, out: stream.Chunk{Revised: true}, given: begun != ""}
	for _, had := range script.answers {
		s.seams = append(s.seams, newSeam(had))
	}
	if s.given {
		m := s.seams[0]
		m.run, m.text, m.marks[0].at = 0, true, m.marks[0].goal
		s.blanks = bytes.Clone(m.had.runs[0].text[len(begun):])
	}
	return s
}

// pass returns what is new of a chunk; nil if nothing is. It is valid until the
// next call.
func (s *splice) pass(c *stream.Chunk) (*stream.Chunk, error) {
	clear(s.out.Events)
	s.out.Events = s.out.Events[:0]
	for i := range c.Events {
		if err := s.event(c.Events[i]); err != nil {
			return nil, err
		}
	}
	if len(s.out.Events) == 0 {
		return nil, nil
	}
	return &s.out, nil
}

// put passes an event on.
func (s *splice) put(e stream.Event) {
	s.out.Events = append(s.out.Events, e)
	s.script.note(&e)
}

func (s *splice) event(e stream.Event) error {
	switch e.Kind {
	case stream.Start: // the client has one
		return nil
	case stream.Usage, stream.Notice:
		if s.whole() {
			s.put(e)
		}
		return nil
	}
	m := s.seam(e.Candidate)
	if m.done {
		return nil
	}
	switch e.Kind {
	case stream.PartStart:
		return s.start(m, e)
	case stream.Text:
		return s.text(m, e)
	case stream.Thinking:
		s.thinking(m, e)
	case stream.ToolArguments:
		if l := m.lane(e.Index); l != nil && l.call {
			return s.arguments(m, l, e)
		}
	case stream.PartStop:
		return s.stop(m, e)
	case stream.Finish:
		if !m.whole() {
			return errParted
		}
		s.endThought(m, e)
		s.put(e)
	}
	return nil
}

// whole says whether all that the client has has come again.
func (s *splice) whole() bool {
	for _, m := range s.seams {
		if !m.done && !m.whole() {
			return false
		}
	}
	return true
}

func (s *splice) seam(candidate int32) *seam {
	for int(candidate) >= len(s.seams) {
		s.seams = append(s.seams, newSeam(s.script.of(int32(len(s.seams))))) // bounded by the decoders
	}
	return s.seams[max(candidate, 0)]
}

// start begins a part of the attempt's answer. What it holds already is taken
// out of it, and comes as a delta.
func (s *splice) start(m *seam, e stream.Event) error {
	first := e
	first.Part = nil
	switch content := e.Part.GetContent().(type) {
	case *llmv1.Part_Text: // begins with its first delta
		first.Kind, first.Delta = stream.Text, []byte(content.Text.GetText())
		return s.text(m, first)
	case *llmv1.Part_Thinking:
		if len(content.Thinking.GetRedacted()) > 0 {
			s.redacted(m, e)
			return nil
		}
		first.Kind, first.Delta = stream.Thinking, []byte(content.Thinking.GetText())
		s.thinking(m, first)
		return nil
	case *llmv1.Part_ToolCall:
		return s.call(m, e, content.ToolCall)
	}
	if !m.whole() {
		return errParted
	}
	s.endThought(m, e)
	e.Index = m.add(e.Index, false).out
	s.put(e)
	return nil
}

// text goes on with the text, or begins the next.
func (s *splice) text(m *seam, e stream.Event) error {
	if len(e.Delta) == 0 {
		return nil
	}
	if !m.text {
		if err := m.proceed(true); err != nil {
			return err
		}
	}
	if m.run >= m.count {
		s.putText(m, e)
		return nil
	}
	mark, had := &m.marks[m.run], &m.had.runs[m.run]
	n := min(len(e.Delta), mark.goal-mark.at)
	if !bytes.Equal(had.text[mark.at:mark.at+n], e.Delta[:n]) {
		return errParted
	}
	mark.at += n
	m.touch(e.Index)
	if e.Delta = e.Delta[n:]; len(e.Delta) == 0 {
		return nil
	}
	if m.run < m.count-1 {
		return errParted
	}
	for len(s.blanks) > 0 && len(e.Delta) > 0 {
		if s.blanks[0] != e.Delta[0] {
			s.blanks = nil
			break
		}
		s.blanks, e.Delta = s.blanks[1:], e.Delta[1:]
	}
	if len(e.Delta) > 0 {
		s.putText(m, e)
	}
	return nil
}

// putText passes text on, in the part that is open if it belongs there.
func (s *splice) putText(m *seam, e stream.Event) {
	s.endThought(m, e)
	index := e.Index
	if m.run < m.count {
		if r := &m.had.runs[m.run]; !r.ended {
			m.touch(index).out = r.part
			e.Index = r.part
			s.put(e)
			return
		}
	}
	l := m.lane(index)
	if l == nil || l.call || l.out < 0 || l.ended {
		l = m.add(index, false)
	}
	e.Index = l.out
	s.put(e)
}

// call begins a call, or finds the one that the client has.
func (s *splice) call(m *seam, e stream.Event, call *llmv1.ToolCall) error {
	if err := m.proceed(false); err != nil {
		return err
	}
	if m.run >= m.count {
		s.endThought(m, e)
		e.Index = m.add(e.Index, true).out
		s.put(e)
		return nil
	}
	had := &m.had.runs[m.run]
	if had.name != call.GetName() {
		return errParted
	}
	l := m.touch(e.Index)
	l.call, l.run, l.out = true, m.run, had.part
	return s.arguments(m, l, stream.Event{
		Kind: stream.ToolArguments, Candidate: e.Candidate, Index: e.Index, Delta: []byte(call.GetArguments()),
	})
}

// arguments goes on with those of a call.
func (s *splice) arguments(m *seam, l *lane, e stream.Event) error {
	e.Index = l.out
	if l.run >= m.count {
		s.put(e)
		return nil
	}
	had, mark := &m.had.runs[l.run], &m.marks[l.run]
	rest, ok := mark.skip(had.text[:mark.goal], e.Delta)
	switch {
	case !ok:
		return errParted
	case len(rest) == 0:
		return nil
	case had.ended:
		if len(bytes.TrimSpace(rest)) > 0 {
			return errParted
		}
		return nil
	}
	e.Delta = rest
	s.put(e)
	return nil
}

// stop ends a part of the attempt's answer. It ends the client's if nothing
// more is to come of it.
func (s *splice) stop(m *seam, e stream.Event) error {
	l := m.lane(e.Index)
	if l == nil || l.ended {
		return nil
	}
	l.ended = true
	if l.call && l.run < m.count {
		mark := &m.marks[l.run]
		if !mark.whole(m.had.runs[l.run].text) {
			return errParted
		}
		if m.had.runs[l.run].ended {
			return nil
		}
	}
	if !l.call && !l.thinking && l.run < m.count {
		mark, had := &m.marks[l.run], &m.had.runs[l.run]
		if mark.at < mark.goal || had.ended {
			return nil
		}
		l.out = had.part
	}
	if l.thinking && l.out < 0 && m.thoughtWhole() {
		l.out = m.had.thought.part
	}
	if l.out < 0 {
		return nil
	}
	e.Index = l.out
	s.put(e)
	return nil
}
