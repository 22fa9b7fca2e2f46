// Package stream checks the texts of one answer while they are written: any
// number of candidates, each of several parts, whose pieces arrive interleaved.
package stream

import (
	"errors"

	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// Bounds of a session: what it may hold is at most the open parts times what
// one part may hold back (engine's bound, about 20 KiB).
const (
	maxOpen  = 256
	maxParts = 16 << 10
)

// Errors of Push: the caller broke the protocol.
var (
	ErrEnded    = errors.New("the part has ended already")
	ErrTooMany  = errors.New("too many parts")
	ErrOtherWay = errors.New("the part began as another kind of content")
)

// Piece is the next piece of one part.
type Piece struct {
	Candidate, Part int
	Kind            engine.Kind
	Text            string
	// Last says that the part ends with this piece.
	Last bool
}

// Result answers one piece.
type Result struct {
	// Released may pass now.
	Released string
	// Held is how many bytes of the part are held back.
	Held    int
	Outcome engine.Outcome
	// Findings are new since the part's last result. They are valid until the
	// next Push.
	Findings []engine.Finding
	// Unscanned says that a check broke on this piece.
	Unscanned bool
}

type partID struct{ candidate, part int }

type openPart struct {
	kind   engine.Kind
	stream *engine.Stream
}

// Session checks the texts of one answer. It is not safe for concurrent use.
type Session struct {
	engine  *engine.Engine
	policy  *policy.Compiled
	dir     policy.Direction
	open    map[partID]openPart
	ended   map[partID]struct{}
	outcome engine.Outcome
	buf     []byte
}

// New begins a session.
func New(e *engine.Engine, pol *policy.Compiled, dir policy.Direction) *Session {
	return &Session{engine: e, policy: pol, dir: dir, open: map[partID]openPart{}, ended: map[partID]struct{}{}}
}

// Push takes one piece. After a block nothing is released any more.
func (s *Session) Push(p Piece) (Result, error) {
	id := partID{p.Candidate, p.Part}
	part, err := s.part(id, p.Kind)
	if err != nil {
		return Result{}, err
	}
	if s.outcome == engine.Blocked {
		return Result{Outcome: s.outcome}, nil
	}
	st := part.stream
	s.buf = st.Push(s.buf[:0], p.Text, p.Last)
	r := Result{Released: string(s.buf), Held: st.Held(), Findings: st.Findings(), Unscanned: st.Failed()}
	for i := range r.Findings {
		r.Findings[i].Part = p.Part
	}
	if st.Changed() {
		s.outcome = max(s.outcome, engine.Modified)
	}
	if st.Blocked() {
		s.outcome, r.Held = engine.Blocked, 0
	}
	if p.Last {
		delete(s.open, id)
		s.ended[id] = struct{}{}
	}
	r.Outcome = s.outcome
	return r, nil
}

func (s *Session) part(id partID, kind engine.Kind) (openPart, error) {
	if part, ok := s.open[id]; ok {
		if part.kind != kind {
			return openPart{}, ErrOtherWay
		}
		return part, nil
	}
	if _, ok := s.ended[id]; ok {
		return openPart{}, ErrEnded
	}
	if len(s.open) >= maxOpen || len(s.ended) >= maxParts {
		return openPart{}, ErrTooMany
	}
	part := openPart{kind: kind, stream: s.engine.NewStream(s.policy, s.dir, kind)}
	s.open[id] = part
	return part, nil
}
