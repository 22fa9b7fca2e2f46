package converse

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// modelFields writes what goes to the model as it is.
func (e *encoder) modelFields(model string, c *llmv1.Conversation) {
	mark := len(e.buf)
	e.raw(`,"additionalModelRequestFields":{`)
	begun := len(e.buf)
	if c.GetSampling() != nil && c.GetSampling().TopK != nil {
		e.buf = appendTopK(e.buf, model, c.GetSampling().GetTopK())
	}
	switch effort := effortOf(c.GetReasoning()); familyOf(model) {
	case anthropic:
		e.thinkingBudget(c)
	case nova:
		e.novaReasoning(effort)
	case openAI:
		if name := effortNamesOf[effort]; name != "" {
			e.comma()
			e.raw(`"reasoning_effort":"` + name + `"`)
		}
	}
	if len(e.buf) == begun {
		e.buf = e.buf[:mark]
		return
	}
	e.raw(`}`)
}

// Anthropic's models count the tokens to think with, 1024 at least, and count
// them among the tokens of the answer.
const leastBudget = 1024

// budgets are the tokens for each effort.
var budgets = map[llmv1.Reasoning_Effort]int64{
	llmv1.Reasoning_EFFORT_MINIMAL: leastBudget, llmv1.Reasoning_EFFORT_LOW: leastBudget,
	llmv1.Reasoning_EFFORT_MEDIUM: 4096, llmv1.Reasoning_EFFORT_HIGH: 16384, llmv1.Reasoning_EFFORT_XHIGH: 32768,
}

func (e *encoder) thinkingBudget(c *llmv1.Conversation) {
	r := c.GetReasoning()
	budget := r.GetBudgetTokens()
	if r == nil || r.BudgetTokens == nil {
		if budget = budgets[r.GetEffort()]; budget == 0 {
			return
		}
		// An effort leaves room for the answer; where there is none, there is no
		// thinking either.
		if s := c.GetSampling(); s != nil && s.MaxOutputTokens != nil {
			if s.GetMaxOutputTokens() <= leastBudget {
				return
			}
			budget = min(budget, max(leastBudget, s.GetMaxOutputTokens()/2))
		}
	}
	if budget == 0 {
		return // these models think only if they are told to
	}
	e.comma()
	e.raw(`"thinking":{"type":"enabled","budget_tokens":`)
	e.buf = strconv.AppendInt(e.buf, budget, 10)
	e.raw(`}`)
}

func (e *encoder) novaReasoning(effort llmv1.Reasoning_Effort) {
	name := effortNamesOf[effort]
	switch {
	case effort == llmv1.Reasoning_EFFORT_NONE:
		e.comma()
		e.raw(`"reasoningConfig":{"type":"disabled"}`)
	case name == "xhigh":
		name = "high" // the most that there is
		fallthrough
	case name != "":
		e.comma()
		e.raw(`"reasoningConfig":{"type":"enabled","maxReasoningEffort":"` + name + `"}`)
	}
}
