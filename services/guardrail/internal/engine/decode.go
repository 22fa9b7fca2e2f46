package engine

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
	"github.com/tollgate/tollgate/services/guardrail/internal/segment"
)

// worthDecoding reports whether a segment may hold encoded text: percent
// signs, or a long run with digits or with capitals in the middle of words.
func worthDecoding(s *check.Segment) bool {
	if s.Flags&segment.HasPercent != 0 {
		return true
	}
	if len(s.Text) < normalize.MinRun || s.Flags&segment.HasPEM != 0 {
		return false
	}
	run, mixed := 0, false
	for i, b := range s.Text {
		letter, digit := b|0x20 >= 'a' && b|0x20 <= 'z', b >= '0' && b <= '9'
		switch {
		case letter || digit || b == '+' || b == '/' || b == '=':
			run++
			if digit || b < 'a' && letter && i > 0 && s.Text[i-1] >= 'a' {
				mixed = true
			}
			if run >= normalize.MinRun && mixed {
				return true
			}
		default:
			run, mixed = 0, false
		}
	}
	return false
}

// decode examines what encoded runs of the segment say. A finding in a
// base64 or hex run stands for the whole run.
func (s *scanner) decode() {
	s.encoded = true
	for _, run := range normalize.Decode(s.seg.Text) {
		inner, _ := s.engine.scanner.Get().(*scanner)
		inner.begin(s.pol, s.dir, Text)
		inner.depth, inner.injection = s.depth+1, nil
		inner.whole(run.Text)
		for _, f := range inner.findings {
			a, b := run.Span(f.Start, f.End)
			for i := range s.rules {
				if r := &s.rules[i]; r.Check.Name == f.Check {
					s.cands = append(s.cands, candidate{rule: r, order: i, start: a, end: b, entity: f.Entity, score: f.Score})
				}
			}
		}
		inner.release()
	}
}
