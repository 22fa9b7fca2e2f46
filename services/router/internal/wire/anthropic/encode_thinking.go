package anthropic

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// thought is how a request says how much to think: by a budget of tokens with
// older models, by an effort with newer ones.
type thought struct {
	kind, effort string
	budget       int64
	shown        bool
}

// budgeted are the models that know a budget only. Those that came later choose
// their own and are told an effort.
var budgeted = []string{
	"claude-3", "claude-4-", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2", "claude-opus-4-5", "claude-opus-4@", "claude-sonnet-4-0",
	"claude-sonnet-4-2", "claude-sonnet-4-5", "claude-sonnet-4@", "claude-haiku-4-5",
}

// minBudget is the least that the provider takes. The others are choices of
// ours, far enough apart to make a difference; capability.Effort turns them back.
const minBudget = 1024

var budgets = map[llmv1.Reasoning_Effort]int64{
	llmv1.Reasoning_EFFORT_MINIMAL: minBudget, llmv1.Reasoning_EFFORT_LOW: minBudget,
	llmv1.Reasoning_EFFORT_MEDIUM: 4096, llmv1.Reasoning_EFFORT_HIGH: 16384, llmv1.Reasoning_EFFORT_XHIGH: 32768,
}

var effortNames = map[llmv1.Reasoning_Effort]string{
	llmv1.Reasoning_EFFORT_MINIMAL: "low", llmv1.Reasoning_EFFORT_LOW: "low", llmv1.Reasoning_EFFORT_MEDIUM: "medium",
	llmv1.Reasoning_EFFORT_HIGH: "high", llmv1.Reasoning_EFFORT_XHIGH: "xhigh",
}

// adaptive says whether a model takes an effort.
func adaptive(model string) bool {
	for _, old := range budgeted {
		if strings.Contains(model, old) {
			return false
		}
	}
	return !strings.HasSuffix(model, "claude-opus-4") && !strings.HasSuffix(model, "claude-sonnet-4")
}

// thoughts brings what is asked for into the model's terms.
func thoughts(model string, c *llmv1.Conversation) (t thought) {
	r := c.GetReasoning()
	switch {
	case r == nil:
		return t
	case r.GetEffort() == llmv1.Reasoning_EFFORT_NONE, r.BudgetTokens != nil && r.GetBudgetTokens() == 0:
		t.kind = "disabled"
		return t
	}
	if adaptive(model) {
		t.effort = effortNames[r.GetEffort()]
		switch {
		case r.BudgetTokens != nil:
			t.kind, t.budget = "enabled", max(r.GetBudgetTokens(), minBudget)
		case t.effort != "" || r.GetIncludeThinking():
			t.kind, t.shown = "adaptive", r.GetIncludeThinking()
		}
	} else {
		t.budget = budget(r, c.GetSampling())
		if t.budget > 0 {
			t.kind = "enabled"
		}
	}
	if t.kind == "enabled" && midLoop(c.GetMessages()) {
		t.kind, t.budget = "", 0
	}
	return t
}

// budget is how many tokens to think with. One that only an effort asks for
// leaves room for the answer within the limit.
func budget(r *llmv1.Reasoning, s *llmv1.Sampling) int64 {
	if r.BudgetTokens != nil {
		return max(r.GetBudgetTokens(), minBudget)
	}
	want := budgets[r.GetEffort()]
	if limit := s.GetMaxOutputTokens(); limit > 0 && want >= limit {
		want = max(limit/2, minBudget)
	}
	return want
}

// midLoop says whether the conversation stands in a loop of tools whose last
// call has no thinking of this provider's before it, as when another provider
// made it. The provider thinks with a budget only from the beginning of a turn.
func midLoop(messages []*llmv1.Message) bool {
	n := len(messages)
	if n < 2 || messages[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		return false
	}
	answered := false
	for n > 0 && messages[n-1].GetRole() != llmv1.Role_ROLE_ASSISTANT {
		for _, p := range messages[n-1].GetParts() {
			answered = answered || p.GetToolResult() != nil
		}
		n--
	}
	if !answered || n == 0 {
		return false
	}
	first := messages[n-1].GetParts()
	if len(first) == 0 {
		return false
	}
	t := first[0].GetThinking()
	return t.GetSignature() == "" && len(t.GetRedacted()) == 0
}
