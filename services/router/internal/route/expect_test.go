package route

import "testing"

func TestCostsAreExpectedAsTheyWere(t *testing.T) {
	e := scene(t, Route{}, "abc") // 3 nano-USD for a token read, 12 for one written
	ask := func(output int64) int64 {
		q := Question{Input: 100, Output: output, Conversation: say("", "Hello")}
		_, d := decided(e, q)
		if d.Order[0].Cost != -1 {
			t.Error("a strategy that does not look at costs pays for them")
		}
		return d.Explain().GetCandidates()[0].GetLikelyCostNanousd()
	}
	if got := ask(0); got != 300+12*usualOutput {
		t.Errorf("before anything is known: %d", got)
	}
	for range 200 {
		e.Observe(80)
	}
	if got := ask(0); got != 300+12*80 {
		t.Errorf("after answers of 80 tokens: %d", got)
	}
	if got := ask(10); got != 300+12*10 {
		t.Errorf("at most 10 tokens: %d", got)
	}
	_, d := decided(e, Question{Input: 100})
	if got := d.Explain().GetCandidates()[0].GetLikelyCostNanousd(); got != 300 {
		t.Errorf("vectors: %d", got)
	}
}

// A rule that limits the answer limits what it is expected to cost.
func TestRulesLimitWhatIsExpected(t *testing.T) {
	for _, strategy := range []string{priority, lowestCost} {
		e := scene(t, Route{Strategy: strategy, Rules: parseRules(t, "rules: [{name: brief, set: {max_output_tokens: 10}}]")}, "abc")
		_, d := decided(e, Question{Input: 100, Conversation: say("", "Hello")})
		if got := d.Explain().GetCandidates()[0].GetLikelyCostNanousd(); got != 300+12*10 {
			t.Errorf("%s: %d", strategy, got)
		}
	}
}

func TestLearnPricesLooksAgain(t *testing.T) {
	e := scene(t, Route{Strategy: lowestCost}, "longest", "short")
	slow := &slowPrices{}
	e.world.Prices = slow
	for i := range e.deployments {
		e.deployments[i].rate = nil
	}
	order, d := decided(e, Question{Input: 100})
	if order != "ab" || d.Confidence != 0 {
		t.Errorf("before prices are known: %s, %v", order, d.Confidence)
	}
	d.LearnPrices(t.Context())
	d.Foresee()
	if d.Order[0].Target.Name != "b" || d.Order[0].Cost != 500 {
		t.Errorf("afterwards: %s, %d", d.Order[0].Target.Name, d.Order[0].Cost)
	}
}
