package check

import (
	"strings"

	"github.com/tollgate/tollgate/services/guardrail/internal/injection"
	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
)

// InjectionThreshold is the score from which a text counts as an injection
// when the rule names no threshold of its own.
const InjectionThreshold = 0.7

// injectionLiterals wakes the check by the words of its rules, in whatever way
// their parts are joined, and by the same words rotated by 13.
func injectionLiterals(out []pattern.Literal) []pattern.Literal {
	for _, w := range injection.Wakes() {
		for _, sep := range []string{" ", "-", "_", "\n"} {
			out = append(out, pattern.Literal{Text: strings.ReplaceAll(w, " ", sep), Groups: wakesInjection})
		}
		if rotated := normalize.ROT13([]byte(w)); len(w) >= minRotated {
			out = append(out, pattern.Literal{Text: string(rotated), Groups: WakesROT13})
		}
	}
	return out
}

// minRotated keeps short words out, which rotated are words again.
const minRotated = 6
