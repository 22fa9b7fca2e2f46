package openai

import (
	"encoding/json"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func (e *encoder) tools(tools []*llmv1.Tool) {
	if len(tools) == 0 {
		return
	}
	e.raw(`,"tools":[`)
	for _, t := range tools {
		e.comma()
		e.raw(`{"type":"function","function":{`)
		e.described(t.GetName(), t.GetDescription(), t.GetStrict())
		if t.GetParameters() != "" {
			e.schema("parameters", t.GetParameters())
		}
		e.raw(`}}`)
	}
	e.raw(`]`)
}

func (e *encoder) described(name, description string, strict bool) {
	e.raw(`"name":`)
	e.text(name)
	if description != "" {
		e.raw(`,"description":`)
		e.text(description)
	}
	if strict {
		e.raw(`,"strict":true`)
	}
}

// schema writes JSON that a caller gave as text, if it is JSON.
func (e *encoder) schema(name, schema string) {
	if !json.Valid([]byte(schema)) {
		e.unsupported("the JSON schema in %s is not valid JSON", name)
		return
	}
	e.raw(`,"` + name + `":`)
	e.raw(schema)
}

func (e *encoder) toolChoice(c *llmv1.ToolChoice, haveTools bool) {
	if c == nil || !haveTools {
		return
	}
	switch c.GetMode() {
	case llmv1.ToolChoice_MODE_NONE:
		e.raw(`,"tool_choice":"none"`)
	case llmv1.ToolChoice_MODE_REQUIRED:
		e.raw(`,"tool_choice":"required"`)
	case llmv1.ToolChoice_MODE_NAMED:
		e.raw(`,"tool_choice":{"type":"function","function":{"name":`)
		e.text(c.GetName())
		e.raw(`}}`)
	default: // auto is what the provider does anyway
	}
	if c.GetDisableParallel() {
		e.raw(`,"parallel_tool_calls":false`)
	}
}

func (e *encoder) sampling(s *llmv1.Sampling) {
	if s == nil {
		return
	}
	e.float("temperature", s.Temperature)
	e.float("top_p", s.TopP)
	e.float("presence_penalty", s.PresencePenalty)
	e.float("frequency_penalty", s.FrequencyPenalty)
	if s.TopK != nil {
		e.number("top_k", int64(s.GetTopK()))
	}
	if s.MaxOutputTokens != nil {
		e.number(limitName(e.quirks), s.GetMaxOutputTokens())
	}
	if s.CandidateCount != nil {
		e.number("n", int64(s.GetCandidateCount()))
	}
	if s.Seed != nil {
		e.number("seed", s.GetSeed())
	}
	if len(s.GetStop()) > 0 {
		e.set("stop", func() {
			e.raw(`[`)
			for _, stop := range s.GetStop() {
				e.comma()
				e.text(stop)
			}
			e.raw(`]`)
		})
	}
}

func (e *encoder) float(name string, f *float64) {
	if f != nil {
		e.set(name, func() { e.buf = strconv.AppendFloat(e.buf, *f, 'g', -1, 64) })
	}
}

func (e *encoder) responseFormat(f *llmv1.ResponseFormat) {
	switch format := f.GetFormat().(type) {
	case *llmv1.ResponseFormat_JsonObject_:
		e.raw(`,"response_format":{"type":"json_object"}`)
	case *llmv1.ResponseFormat_JsonSchema_:
		schema := format.JsonSchema
		e.raw(`,"response_format":{"type":"json_schema","json_schema":{`)
		e.described(schema.GetName(), schema.GetDescription(), schema.GetStrict())
		if schema.GetSchema() != "" {
			e.schema("schema", schema.GetSchema())
		}
		e.raw(`}}`)
	}
}

func (e *encoder) reasoning(r *llmv1.Reasoning) {
	names := map[llmv1.Reasoning_Effort]string{
		llmv1.Reasoning_EFFORT_NONE: "none", llmv1.Reasoning_EFFORT_MINIMAL: "minimal", llmv1.Reasoning_EFFORT_LOW: "low",
		llmv1.Reasoning_EFFORT_MEDIUM: "medium", llmv1.Reasoning_EFFORT_HIGH: "high", llmv1.Reasoning_EFFORT_XHIGH: "xhigh",
	}
	name := names[r.GetEffort()]
	switch {
	case e.quirks.Reasoning != "reasoning":
		if name != "" {
			e.raw(`,"reasoning_effort":`)
			e.text(name)
		}
	case r.BudgetTokens != nil:
		e.raw(`,"reasoning":{"max_tokens":`)
		e.buf = appendInt(e.buf, r.GetBudgetTokens())
		e.raw(`}`)
	case name != "":
		e.raw(`,"reasoning":{"effort":`)
		e.text(name)
		e.raw(`}`)
	}
}
