package attempt

import (
	"bytes"
	"unicode"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// transcript is what of an answer has been passed on, so that another attempt
// can go on from there. It is bounded; at steady state it does not allocate.
type transcript struct {
	room    int // bytes that it may still keep
	full    bool
	media   bool // something was passed on that is no text
	answers []*said
}

// said is what was passed on of one candidate, with the indexes of its parts as
// the client counts them.
type said struct {
	next     int32 // index of the next part
	finished bool
	runs     []run // what can be compared with another answer, in order
	thought  run   // all thinking
}

// run is text, however many parts it came in, or a call of a tool.
type run struct {
	call  bool
	name  string
	text  []byte
	part  int32 // the part that it goes on in
	begun bool
	ended bool // that part has ended
}

func newTranscript(limit int) *transcript { return &transcript{room: limit} }

// of is what was passed on of a candidate.
func (t *transcript) of(candidate int32) *said {
	for int(candidate) >= len(t.answers) {
		t.answers = append(t.answers, &said{})
	}
	return t.answers[max(candidate, 0)]
}

// add takes note of a chunk. A nil transcript does not.
func (t *transcript) add(c *stream.Chunk) {
	if t == nil {
		return
	}
	for i := range c.Events {
		t.note(&c.Events[i])
	}
}

func (t *transcript) note(e *stream.Event) {
	switch e.Kind {
	case stream.PartStart, stream.Text, stream.Thinking, stream.ToolArguments, stream.PartStop, stream.Finish:
	default:
		return
	}
	s := t.of(e.Candidate)
	s.next = max(s.next, e.Index+1)
	switch e.Kind {
	case stream.PartStart:
		t.start(s, e)
	case stream.Text:
		if len(e.Delta) > 0 {
			t.write(s.textRun(e.Index), e.Delta)
		}
	case stream.Thinking:
		t.write(s.thoughts(e.Index), e.Delta)
	case stream.ToolArguments:
		if r := s.call(e.Index); r != nil {
			t.write(r, e.Delta)
		}
	case stream.PartStop:
		s.stop(e.Index)
	case stream.Finish:
		s.finished = true
	}
}

func (t *transcript) start(s *said, e *stream.Event) {
	switch content := e.Part.GetContent().(type) {
	case *llmv1.Part_Text:
		if text := content.Text.GetText(); text != "" {
			t.write(s.textRun(e.Index), []byte(text))
		}
	case *llmv1.Part_Thinking:
		t.write(s.thoughts(e.Index), []byte(content.Thinking.GetText()))
	case *llmv1.Part_ToolCall:
		s.runs = append(s.runs, run{call: true, begun: true, name: content.ToolCall.GetName(), part: e.Index})
		t.write(&s.runs[len(s.runs)-1], []byte(content.ToolCall.GetArguments()))
	default:
		t.media = true
	}
}

// write keeps a text, as far as there is room.
func (t *transcript) write(r *run, text []byte) {
	if t.full = t.full || len(text) > t.room; t.full {
		return
	}
	t.room -= len(text)
	r.text = append(r.text, text...)
}

// textRun is the text that a part belongs to: parts of text in a row are one.
func (s *said) textRun(part int32) *run {
	if n := len(s.runs); n == 0 || s.runs[n-1].call {
		s.runs = append(s.runs, run{begun: true, part: part})
	}
	r := &s.runs[len(s.runs)-1]
	if r.part != part {
		r.part, r.ended = part, false
	}
	return r
}

func (s *said) thoughts(part int32) *run {
	if r := &s.thought; !r.begun || r.part != part {
		r.begun, r.part, r.ended = true, part, false
	}
	return &s.thought
}

// call is the call that a part is; nil if it is none.
func (s *said) call(part int32) *run {
	for i := len(s.runs) - 1; i >= 0; i-- {
		if r := &s.runs[i]; r.call && r.part == part {
			return r
		}
	}
	return nil
}

func (s *said) stop(part int32) {
	for i := range s.runs {
		if r := &s.runs[i]; r.part == part {
			r.ended = true
		}
	}
	if s.thought.begun && s.thought.part == part {
		s.thought.ended = true
	}
}

// prefill is what a target may be given as the beginning of its answer; empty
// if what was passed on is more than one text. White space at its end is left
// out, for some providers refuse it: it comes again, and is left out then.
func (t *transcript) prefill() string {
	if len(t.answers) != 1 || len(t.answers[0].runs) != 1 || t.answers[0].runs[0].call || t.media {
		return ""
	}
	return string(bytes.TrimRightFunc(t.answers[0].runs[0].text, unicode.IsSpace))
}
