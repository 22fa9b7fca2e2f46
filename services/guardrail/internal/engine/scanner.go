package engine

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"github.com/tollgate/tollgate/services/guardrail/internal/segment"
)

// scanner examines one text. It is the sink of the splitter.
type scanner struct {
	engine    *Engine
	rules     []policy.Bound
	injection *policy.Bound
	pol       *policy.Compiled
	dir       policy.Direction
	kind      Kind
	depth     int
	// encoded says that the text holds runs that may be encoded text.
	encoded bool

	view     normalize.View
	folded   normalize.View
	json     normalize.JSON
	split    segment.Splitter
	matches  []check.Match
	cands    []candidate
	seg      check.Segment
	findings []Finding
	// base is the original offset that the view's offset 0 stands for.
	base int
	// injected is where the last finding of injection ends.
	injected int
}

func (s *scanner) begin(pol *policy.Compiled, dir policy.Direction, kind Kind) {
	s.pol, s.dir, s.kind = pol, dir, kind
	s.rules = pol.Segments(dir)
	s.injection = pol.Injection(dir)
	if kind == Instructions {
		s.injection = nil
	}
	s.split.Reset()
	s.json = normalize.JSON{}
	s.base, s.injected, s.encoded = 0, 0, false
	s.findings = s.findings[:0]
}

// release gives the scanner back without a trace of the text.
func (s *scanner) release() {
	const keep = 64
	if cap(s.findings) > keep {
		s.findings = nil
	}
	s.view, s.seg, s.pol, s.rules, s.injection, s.depth = normalize.View{}, check.Segment{}, nil, nil, nil, 0
	s.folded.Reset()
	s.engine.scanner.Put(s)
}

// whole examines a complete text.
func (s *scanner) whole(text []byte) {
	switch {
	case s.kind == JSON:
		s.json.Fold(&s.folded, text, 0, true)
		s.view = s.folded
	case normalize.IsASCII(text):
		s.view = normalize.View{Text: text}
	default:
		normalize.Fold(&s.folded, text, 0, true)
		s.view = s.folded
	}
	s.split.Run(s.engine.auto, s.view.Text, s.view.Start, s)
	s.split.Finish(s)
	if s.injection != nil {
		s.inject()
	}
	if s.view.Start != nil {
		s.folded = s.view // with what it grew to
	}
}

// Segment implements segment.Sink.
func (s *scanner) Segment(seg segment.Segment) (resume int, swallow bool) {
	if s.split.Plain(&seg, check.LeftContext) {
		return seg.Keep, false
	}
	text := s.view.Text
	left := max(0, seg.Start-check.LeftContext)
	s.seg = check.Segment{Text: text[seg.Start:seg.End], Left: text[left:seg.Start], Flags: seg.Flags, Digits: seg.Digits}
	for g, hit := range s.split.Hits {
		if hit > left {
			s.seg.Near |= 1 << g
		}
	}
	s.cands = s.cands[:0]
	for i := range s.rules {
		r := &s.rules[i]
		if !r.Check.Wants(&s.seg) {
			continue
		}
		s.matches = r.Check.Detect(&s.seg, s.matches[:0])
		for _, m := range s.matches {
			if m.Score >= r.Threshold {
				s.cands = append(s.cands, candidate{rule: r, order: i, start: m.Start, end: m.End, entity: m.Entity, score: m.Score})
			}
		}
	}
	if s.depth < normalize.MaxDepth && worthDecoding(&s.seg) {
		s.decode()
	}
	if len(s.cands) > 0 {
		if s.kind == JSON {
			s.widenBare(seg)
		}
		s.cands = resolve(s.cands)
	}
	return s.settle(seg)
}

// settle turns candidates into findings. Of a partial segment only those count
// that begin before the part that will be seen again.
func (s *scanner) settle(seg segment.Segment) (resume int, swallow bool) {
	resume = seg.Keep
	for _, c := range s.cands {
		a, b := seg.Start+c.start, seg.Start+c.end
		if seg.Partial && a >= seg.Keep {
			continue
		}
		s.finding(c, a, b)
		if seg.Partial && b > resume {
			resume = b
			swallow = seg.Open && b == seg.End
		}
	}
	return resume, swallow
}

func (s *scanner) finding(c candidate, a, b int) {
	replace := c.rule.Placeholder
	if s.kind == JSON {
		replace = c.rule.InString
		if s.view.Bare[a] {
			replace = c.rule.Bare
		}
	}
	start, end := s.view.Span(a, b)
	entity := c.entity
	if entity == "" {
		entity = c.rule.Check.Entity
	}
	s.findings = append(s.findings, Finding{
		Check: c.rule.Check.Name, Entity: entity, Action: c.rule.Action,
		Start: s.base + start, End: s.base + end, Score: c.score, replace: replace,
	})
}

// widenBare widens matches outside JSON strings to the whole number, which a
// quoted mask replaces.
func (s *scanner) widenBare(seg segment.Segment) {
	bare := func(i int) bool {
		return i >= seg.Start && i < seg.End && s.view.Bare[i] && numberByte(s.view.Text[i])
	}
	for i := range s.cands {
		c := &s.cands[i]
		for bare(seg.Start+c.start) && bare(seg.Start+c.start-1) {
			c.start--
		}
		for bare(seg.Start+c.end-1) && bare(seg.Start+c.end) {
			c.end++
		}
	}
}

func numberByte(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b == '+' || b == '-' || b == '.'
}

// Extend implements segment.Sink.
func (s *scanner) Extend(end int) {
	_, to := s.view.Span(end-1, end)
	s.findings[len(s.findings)-1].End = s.base + to
}

func (s *scanner) woken(g pattern.Groups) bool {
	for i, hit := range s.split.Hits {
		if g&(1<<i) != 0 && hit > 0 {
			return true
		}
	}
	return false
}
