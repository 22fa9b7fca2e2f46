package engine

import (
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// A check that breaks closes the stream or lets it pass, as the policy says.
func TestStreamSurvivesABrokenCheck(t *testing.T) {
	e := mustEngine(t)
	broken := []policy.Bound{{Action: check.Mask, Check: &check.Check{Name: "broken", Detect: func(*check.Segment, []check.Match) []check.Match {
		panic("broken")
	}}}}
	for mode, want := range map[string]string{policy.FailClosed: "harmless words call ", policy.FailOpen: "harmless words call 12345 and more"} {
		p := policy.Default()
		p.FailMode = mode
		st := e.NewStream(mustPolicy(t, p), policy.Output, Text)
		st.s.rules = broken
		out := st.Push(nil, "harmless words ", false)
		out = st.Push(out, "call 12345", false)
		out = st.Push(out, " and", false)
		out = st.Push(out, " more", true)
		if string(out) != want || !st.Failed() || st.Blocked() != (mode == policy.FailClosed) {
			t.Errorf("%s: %q, failed %v, blocked %v", mode, out, st.Failed(), st.Blocked())
		}
	}
}
