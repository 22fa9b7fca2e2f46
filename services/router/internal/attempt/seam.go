package attempt

import (
	"bytes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// seam is where one candidate of another attempt's answer joins what the client
// has of it.
type seam struct {
	had   *said
	done  bool // the client has all of it
	count int  // runs that the client had when the stream broke off
	// marks say how much of each has come again.
	marks []mark
	// run is the one that the answer has come to, -1 before the first; text says
	// that it is a text.
	run  int
	text bool
	// lanes are the parts of the answer.
	lanes []*lane
	// thought says how much of the thinking has come again; parted, that it
	// differs, so that the client is not shown it.
	thought mark
	parted  bool
}

// lane is one part of the attempt's answer.
type lane struct {
	index          int32 // as the target counts
	out            int32 // as the client does; -1 as long as it is shown nothing of it
	run            int   // that it belongs to
	call, thinking bool
	ended          bool
}

func newSeam(had *said) *seam {
	m := &seam{had: had, done: had.finished, count: len(had.runs), run: -1}
	m.marks = make([]mark, m.count)
	for i := range m.marks {
		m.marks[i].goal = len(had.runs[i].text)
	}
	m.thought.goal = len(had.thought.text)
	return m
}

// proceed goes on to the next run.
func (m *seam) proceed(text bool) error {
	if m.text && m.run < m.count && m.marks[m.run].at < m.marks[m.run].goal {
		return errParted
	}
	m.run++
	m.text = text
	if m.run < m.count && m.had.runs[m.run].call == text {
		return errParted
	}
	return nil
}

// whole says whether all that the client had has come again.
func (m *seam) whole() bool {
	if m.run < m.count-1 {
		return false
	}
	for i := range m.marks {
		if r := &m.had.runs[i]; r.call && !m.marks[i].whole(r.text) || !r.call && m.marks[i].at < m.marks[i].goal {
			return false
		}
	}
	return true
}

// lane finds a part that has not been replaced by another of the same index.
func (m *seam) lane(index int32) *lane {
	for i := len(m.lanes) - 1; i >= 0; i-- {
		if m.lanes[i].index == index {
			return m.lanes[i]
		}
	}
	return nil
}

// touch finds a part, or notes it; the client is shown nothing of it yet.
func (m *seam) touch(index int32) *lane {
	if l := m.lane(index); l != nil && !l.ended && !l.thinking {
		return l
	}
	l := &lane{index: index, out: -1, run: m.run}
	m.lanes = append(m.lanes, l)
	return l
}

// add gives a part that the client does not know the next index.
func (m *seam) add(index int32, call bool) *lane {
	l := &lane{index: index, out: m.had.next, run: max(m.run, m.count), call: call}
	m.had.next++
	m.lanes = append(m.lanes, l)
	return l
}

// thinking goes on with thinking that the client was shown the beginning of, if
// it is the same. Other thinking is left out as long as the answer comes again.
func (s *splice) thinking(m *seam, e stream.Event) {
	if s.given || !m.whole() {
		return
	}
	if m.count == 0 && m.run < 0 && m.thought.goal > 0 {
		if e.Delta = m.again(e.Delta); len(e.Delta) == 0 {
			m.think(e.Index, -1)
			return
		}
	}
	l := m.lane(e.Index)
	if l == nil || l.ended || l.out < 0 {
		if t := &m.had.thought; t.begun && !t.ended && m.run < 0 {
			l = m.think(e.Index, t.part)
		} else {
			l = m.think(e.Index, m.had.next)
			s.put(stream.Event{Kind: stream.PartStart, Candidate: e.Candidate, Index: l.out, Part: &llmv1.Part{
				Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}},
			}})
		}
	}
	if e.Index = l.out; len(e.Delta) > 0 {
		s.put(e)
	}
}

// again leaves out of thinking what the client was shown; all of it, once it differs.
func (m *seam) again(delta []byte) []byte {
	n := min(len(delta), m.thought.goal-m.thought.at)
	if m.parted = m.parted || !bytes.Equal(m.had.thought.text[m.thought.at:m.thought.at+n], delta[:n]); m.parted {
		return nil
	}
	m.thought.at += n
	return delta[n:]
}

// thoughtWhole says whether thinking that is open has come again to its end.
func (m *seam) thoughtWhole() bool {
	t := &m.had.thought
	return t.begun && !t.ended && m.run < 0 && !m.parted && m.thought.at == m.thought.goal
}

// think notes a part of thinking.
func (m *seam) think(index, out int32) *lane {
	l := m.lane(index)
	if l == nil || l.ended || !l.thinking {
		l = &lane{index: index, thinking: true}
		m.lanes = append(m.lanes, l)
	}
	l.out = out
	return l
}

// redacted passes on thinking that only its provider can read.
func (s *splice) redacted(m *seam, e stream.Event) {
	if m.whole() && (m.thought.goal == 0 || m.run >= 0) {
		e.Index = m.think(e.Index, m.had.next).out
		s.put(e)
	}
}

// endThought ends thinking that broke off, before something else begins.
func (s *splice) endThought(m *seam, e stream.Event) {
	if t := &m.had.thought; t.begun && !t.ended {
		s.put(stream.Event{Kind: stream.PartStop, Candidate: e.Candidate, Index: t.part})
	}
}

// mark says how much of a run has come again.
type mark struct {
	at, goal         int
	inText, escaping bool // of arguments
}

// skip leaves out of a piece of JSON what has come before, white space between
// the values aside; ok is false if it differs.
func (m *mark) skip(had, delta []byte) (rest []byte, ok bool) {
	for i, c := range delta {
		if m.at < m.goal && !m.inText {
			if blank(c) {
				continue
			}
			for m.at < m.goal && blank(had[m.at]) {
				m.at++
			}
			if m.at == m.goal && joins(had, c) {
				return nil, false
			}
		}
		if m.at == m.goal {
			return delta[i:], true
		}
		if had[m.at] != c {
			return nil, false
		}
		m.at++
		m.follow(c)
	}
	return nil, true
}

// follow notes whether a text is open.
func (m *mark) follow(c byte) {
	switch {
	case m.escaping:
		m.escaping = false
	case m.inText && c == '\\':
		m.escaping = true
	case c == '"':
		m.inText = !m.inText
	}
}

// whole says whether nothing but white space is left.
func (m *mark) whole(had []byte) bool {
	return len(bytes.TrimSpace(had[m.at:m.goal])) == 0
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// joins says whether c would go on with the value before the white space at the
// end of had: then it is another value.
func joins(had []byte, c byte) bool {
	before := bytes.TrimRight(had, " \n\t\r")
	return len(before) > 0 && plain(before[len(before)-1]) && plain(c)
}

// plain says whether c can stand within a number or a name.
func plain(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '.' || c == '-' || c == '+'
}
