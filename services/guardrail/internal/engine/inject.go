package engine

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/injection"
	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
)

// Long texts are judged in windows: what is far apart is no evidence together.
const (
	windowLen  = 6 << 10
	windowStep = 5 << 10
	// hiddenDoubt multiplies what speaks for a text that was encoded, or that
	// came in as data: nobody has to give orders there.
	hiddenDoubt = 0.7
)

// inject looks for prompt injection in the text as a whole, in what its
// encoded runs say, and in other ways of writing it.
func (s *scanner) inject() {
	text := s.view.Text
	best := injection.Result{}
	if s.woken(check.InjectionGroups) {
		best = windows(text)
	}
	if injection.Spaced(text) {
		closed, at := injection.Despace(text)
		if r := windows(closed); r.Score > best.Score {
			best = injection.Result{Score: r.Score, Start: int(at[r.Start]), End: int(at[max(r.Start, r.End-1)]) + 1}
		}
	}
	if s.woken(check.WakesROT13) {
		if r := windows(normalize.ROT13(text)); doubt(r.Score) > best.Score {
			best = injection.Result{Score: doubt(r.Score), Start: r.Start, End: r.End}
		}
	}
	if s.encoded {
		best = s.injectDecoded(text, best, 0)
	}
	if s.kind == Data {
		best.Score = doubt(best.Score)
	}
	if best.Score < s.injection.Threshold {
		return
	}
	start, end := s.view.Span(best.Start, best.End)
	if s.base+start < s.injected {
		return // told already, in a stream whose window still holds it
	}
	s.injected = s.base + end
	s.findings = append(s.findings, Finding{
		Check: s.injection.Check.Name, Entity: s.injection.Check.Entity, Action: s.injection.Action,
		Start: s.base + start, End: s.base + end, Score: best.Score,
	})
}

func (s *scanner) injectDecoded(text []byte, best injection.Result, depth int) injection.Result {
	for _, run := range normalize.Decode(text) {
		var v normalize.View
		normalize.FoldText(&v, run.Text)
		r := windows(v.Text)
		if depth+1 < normalize.MaxDepth {
			r = s.injectDecoded(v.Text, r, depth+1)
		}
		if score := doubt(r.Score); score > best.Score {
			best = injection.Result{Score: score, Start: run.Start, End: run.End}
		}
	}
	return best
}

func windows(text []byte) injection.Result {
	if len(text) <= windowLen {
		return injection.Score(text)
	}
	var best injection.Result
	for i := 0; i < len(text); i += windowStep {
		if r := injection.Score(text[i:min(len(text), i+windowLen)]); r.Score > best.Score {
			best = injection.Result{Score: r.Score, Start: i + r.Start, End: i + r.End}
		}
	}
	return best
}

// doubt raises a score that is not 0.
func doubt(score float64) float64 {
	if score == 0 {
		return 0
	}
	return 1 - (1-score)*hiddenDoubt
}
