package capability

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func (s *stripper) reasoning(in *llmv1.Reasoning) {
	if in == nil {
		return
	}
	needs := ofReasoning(in)
	if s.drops(Reasoning) || needs == ReasoningOff && s.drops(ReasoningOff) {
		s.edit().Reasoning = nil
		return
	}
	if needs == ReasoningOff {
		return
	}
	out := in
	change := func(f Set, apply func(*llmv1.Reasoning)) {
		if needs&s.lacks&f == None {
			return
		}
		if out == in {
			out = shallow(in)
		}
		apply(out)
	}
	change(ReasoningXHigh, func(r *llmv1.Reasoning) { r.Effort = llmv1.Reasoning_EFFORT_HIGH })
	change(ReasoningBudget, budgetToEffort)
	if !s.drops(ReasoningBudget) {
		most := s.in.GetSampling().GetMaxOutputTokens()
		change(ReasoningEffort, func(r *llmv1.Reasoning) { effortToBudget(r, most) })
	}
	change(IncludeThinking, func(r *llmv1.Reasoning) { r.IncludeThinking = false })
	if out != in {
		s.edit().Reasoning = out
	}
}

// budgetToEffort puts the nearest effort in the place of a budget, unless an
// effort stands there already.
func budgetToEffort(r *llmv1.Reasoning) {
	if r.GetEffort() == llmv1.Reasoning_EFFORT_UNSPECIFIED {
		r.Effort = Effort(r.GetBudgetTokens())
	}
	r.BudgetTokens = nil
}

// effortToBudget does the opposite. Thinking counts as output: where that is
// bounded, a quarter of it is left for the answer.
func effortToBudget(r *llmv1.Reasoning, most int64) {
	budget := Budget(r.GetEffort())
	if most > 0 {
		budget = max(least, min(budget, most-most/4))
	}
	r.BudgetTokens, r.Effort = &budget, llmv1.Reasoning_EFFORT_UNSPECIFIED
}

// Budgets of the efforts, in tokens, and up to which budget an effort is the
// nearest. 1024 is the least that providers take.
const (
	least        = 1024
	lowBudget    = 2048
	mediumBudget = 8192
	highBudget   = 16384
	xhighBudget  = 32768
)

// Budget is how many tokens an effort thinks with.
func Budget(effort llmv1.Reasoning_Effort) int64 {
	switch effort {
	case llmv1.Reasoning_EFFORT_MINIMAL:
		return least
	case llmv1.Reasoning_EFFORT_LOW:
		return lowBudget
	case llmv1.Reasoning_EFFORT_HIGH:
		return highBudget
	case llmv1.Reasoning_EFFORT_XHIGH:
		return xhighBudget
	default:
		return mediumBudget
	}
}

// Effort is the effort that comes nearest to a budget of tokens.
func Effort(budget int64) llmv1.Reasoning_Effort {
	switch {
	case budget <= lowBudget:
		return llmv1.Reasoning_EFFORT_LOW
	case budget <= mediumBudget:
		return llmv1.Reasoning_EFFORT_MEDIUM
	default:
		return llmv1.Reasoning_EFFORT_HIGH
	}
}
