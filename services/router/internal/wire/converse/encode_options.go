package converse

import (
	"encoding/json"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/capability"
)

func (e *encoder) inferenceConfig(s *llmv1.Sampling) {
	if s == nil {
		return
	}
	if s.GetCandidateCount() > 1 || s.Seed != nil || s.GetPresencePenalty() != 0 || s.GetFrequencyPenalty() != 0 {
		e.unsupported("the target takes neither a seed nor penalties, and gives one answer")
	}
	mark := len(e.buf)
	e.raw(`,"inferenceConfig":{`)
	begun := len(e.buf)
	if s.MaxOutputTokens != nil {
		e.raw(`"maxTokens":`)
		e.buf = strconv.AppendInt(e.buf, s.GetMaxOutputTokens(), 10)
	}
	e.float("temperature", s.Temperature)
	e.float("topP", s.TopP)
	if len(s.GetStop()) > 0 {
		e.comma()
		e.raw(`"stopSequences":`)
		e.buf = appendStrings(e.buf, s.GetStop())
	}
	if len(e.buf) == begun {
		e.buf = e.buf[:mark]
		return
	}
	e.raw(`}`)
}

func (e *encoder) float(name string, f *float64) {
	if f != nil {
		e.comma()
		e.raw(`"` + name + `":`)
		e.buf = strconv.AppendFloat(e.buf, *f, 'g', -1, 64)
	}
}

func (e *encoder) toolConfig(c *llmv1.Conversation, cached *llmv1.Part) {
	if len(c.GetTools()) == 0 {
		return
	}
	e.raw(`,"toolConfig":{"tools":[`)
	for _, t := range c.GetTools() {
		e.comma()
		e.raw(`{"toolSpec":{"name":`)
		e.text(t.GetName())
		if t.GetDescription() != "" {
			e.raw(`,"description":`)
			e.text(t.GetDescription())
		}
		e.raw(`,"inputSchema":{"json":`)
		e.schema(t.GetParameters(), t.GetName())
		e.raw(`}`)
		if t.GetStrict() {
			e.raw(`,"strict":true`)
		}
		e.raw(`}}`)
	}
	if cached != nil {
		e.comma()
		e.block(cached)
	}
	e.raw(`]`)
	choice := c.GetToolChoice()
	switch choice.GetMode() {
	case llmv1.ToolChoice_MODE_NONE:
		e.unsupported("the target cannot be told not to call a tool")
	case llmv1.ToolChoice_MODE_REQUIRED:
		e.raw(`,"toolChoice":{"any":{}}`)
	case llmv1.ToolChoice_MODE_NAMED:
		e.raw(`,"toolChoice":{"tool":{"name":`)
		e.text(choice.GetName())
		e.raw(`}}`)
	default: // auto is what the model does anyway
	}
	if choice.GetDisableParallel() {
		e.unsupported("the target cannot be told to call one tool at a time")
	}
	e.raw(`}`)
}

// schema writes JSON that a caller gave as text, if it is JSON. The format must
// have one; that of a tool without arguments is an object without members.
func (e *encoder) schema(schema, of string) {
	switch {
	case schema == "":
		e.raw(`{"type":"object","properties":{}}`)
	case json.Valid([]byte(schema)):
		e.raw(schema)
	default:
		e.fail(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the JSON schema of %s is not valid JSON", of)
	}
}

func (e *encoder) outputConfig(model string, c *llmv1.Conversation) {
	effort := ""
	if familyOf(model) == other {
		effort = effortNamesOf[effortOf(c.GetReasoning())]
	}
	schema := c.GetResponseFormat().GetJsonSchema()
	if c.GetResponseFormat().GetJsonObject() != nil {
		e.unsupported("the target writes JSON by a schema only")
	}
	if effort == "" && schema == nil {
		return
	}
	e.raw(`,"outputConfig":{`)
	if effort != "" {
		e.raw(`"effort":`)
		e.text(effort)
	}
	if schema != nil {
		e.comma()
		e.raw(`"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`)
		e.text(schema.GetSchema())
		e.raw(`,"name":`)
		e.text(schema.GetName())
		if schema.GetDescription() != "" {
			e.raw(`,"description":`)
			e.text(schema.GetDescription())
		}
		e.raw(`}}}`)
	}
	e.raw(`}`)
}

// effortOf is how hard the model is asked to think; a budget counts as the
// nearest effort.
func effortOf(r *llmv1.Reasoning) llmv1.Reasoning_Effort {
	switch {
	case r == nil:
		return llmv1.Reasoning_EFFORT_UNSPECIFIED
	case r.BudgetTokens != nil && r.GetBudgetTokens() == 0:
		return llmv1.Reasoning_EFFORT_NONE
	case r.BudgetTokens != nil:
		return capability.Effort(r.GetBudgetTokens())
	default:
		return r.GetEffort()
	}
}

// effortNamesOf are the names of the scale; no thinking has none, and the least
// that there is is low.
var effortNamesOf = map[llmv1.Reasoning_Effort]string{
	llmv1.Reasoning_EFFORT_MINIMAL: "low", llmv1.Reasoning_EFFORT_LOW: "low", llmv1.Reasoning_EFFORT_MEDIUM: "medium",
	llmv1.Reasoning_EFFORT_HIGH: "high", llmv1.Reasoning_EFFORT_XHIGH: "xhigh",
}
