package gemini

import (
	"encoding/json"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (e *encoder) tools(tools []*llmv1.Tool) {
	if len(tools) == 0 {
		return
	}
	e.member("tools")
	e.raw(`[{"functionDeclarations":[`)
	for _, t := range tools {
		if t.GetStrict() {
			e.unsupported("the target cannot hold a tool's arguments to its schema exactly")
		}
		e.comma()
		e.raw(`{`)
		e.textMember("name", t.GetName())
		if t.GetDescription() != "" {
			e.textMember("description", t.GetDescription())
		}
		if t.GetParameters() != "" {
			e.schema("parametersJsonSchema", t.GetParameters())
		}
		e.raw(`}`)
	}
	e.raw(`]}]`)
}

// schema writes JSON that a caller gave as text, if it is JSON.
func (e *encoder) schema(name, schema string) {
	if !json.Valid([]byte(schema)) {
		e.unsupported("the JSON schema in %s is not valid JSON", name)
		return
	}
	e.member(name)
	e.raw(schema)
}

func (e *encoder) toolChoice(c *llmv1.ToolChoice, haveTools bool) {
	if c == nil || !haveTools {
		return
	}
	if c.GetDisableParallel() {
		e.unsupported("the target cannot be held to one tool call at a time")
	}
	mode := ""
	switch c.GetMode() {
	case llmv1.ToolChoice_MODE_NONE:
		mode = "NONE"
	case llmv1.ToolChoice_MODE_REQUIRED, llmv1.ToolChoice_MODE_NAMED:
		mode = "ANY"
	default: // auto is what the provider does anyway
		return
	}
	e.member("toolConfig")
	e.raw(`{"functionCallingConfig":{"mode":"` + mode + `"`)
	if c.GetMode() == llmv1.ToolChoice_MODE_NAMED {
		e.raw(`,"allowedFunctionNames":[`)
		e.text(c.GetName())
		e.raw(`]`)
	}
	e.raw(`}}`)
}

// member is one member of an object, as JSON.
type member struct{ name, value string }

// samplingMembers lists the parameters of sampling as the format names them.
func samplingMembers(s *llmv1.Sampling) []member {
	var out []member
	float := func(name string, f *float64) {
		if f != nil {
			out = append(out, member{name, strconv.FormatFloat(*f, 'g', -1, 64)})
		}
	}
	whole := func(name string, set bool, n int64) {
		if set {
			out = append(out, member{name, strconv.FormatInt(n, 10)})
		}
	}
	if s == nil {
		return nil
	}
	float("temperature", s.Temperature)
	float("topP", s.TopP)
	whole("topK", s.TopK != nil, int64(s.GetTopK()))
	whole("maxOutputTokens", s.MaxOutputTokens != nil, s.GetMaxOutputTokens())
	whole("candidateCount", s.CandidateCount != nil, int64(s.GetCandidateCount()))
	whole("seed", s.Seed != nil, s.GetSeed())
	float("presencePenalty", s.PresencePenalty)
	float("frequencyPenalty", s.FrequencyPenalty)
	if len(s.GetStop()) > 0 {
		value := []byte("[")
		for i, stop := range s.GetStop() {
			if i > 0 {
				value = append(value, ',')
			}
			value = jsonscan.AppendString(value, stop)
		}
		out = append(out, member{"stopSequences", string(append(value, ']'))})
	}
	return out
}

func (e *encoder) config(c *llmv1.Conversation) {
	before := len(e.buf)
	e.member("generationConfig")
	e.raw(`{`)
	empty := len(e.buf)
	for _, m := range samplingMembers(c.GetSampling()) {
		e.member(m.name)
		e.raw(m.value)
	}
	switch format := c.GetResponseFormat().GetFormat().(type) {
	case *llmv1.ResponseFormat_JsonObject_:
		e.textMember("responseMimeType", "application/json")
	case *llmv1.ResponseFormat_JsonSchema_:
		e.textMember("responseMimeType", "application/json")
		if format.JsonSchema.GetSchema() != "" {
			e.schema("responseJsonSchema", format.JsonSchema.GetSchema())
		}
	}
	e.thinking(c.GetReasoning())
	if len(e.buf) == empty {
		e.buf = e.buf[:before]
		return
	}
	e.raw(`}`)
}

func (e *encoder) thinking(r *llmv1.Reasoning) {
	if r == nil {
		return
	}
	before := len(e.buf)
	e.member("thinkingConfig")
	e.raw(`{`)
	empty := len(e.buf)
	effort := r.GetEffort()
	switch {
	case r.BudgetTokens != nil:
		e.member("thinkingBudget")
		e.buf = strconv.AppendInt(e.buf, r.GetBudgetTokens(), 10)
	case effort == llmv1.Reasoning_EFFORT_UNSPECIFIED:
	case byLevel(e.model):
		e.textMember("thinkingLevel", levelOf(e.model, effort))
	default:
		e.member("thinkingBudget")
		e.buf = strconv.AppendInt(e.buf, budgetOf(e.model, effort), 10)
	}
	if r.GetIncludeThinking() {
		e.member("includeThoughts")
		e.raw(`true`)
	}
	if len(e.buf) == empty {
		e.buf = e.buf[:before]
		return
	}
	e.raw(`}`)
}

// byLevel says whether a model's thinking is set by a level, as from the third
// generation on, and not by a number of tokens. A name without a generation
// means the latest model.
func byLevel(model string) bool {
	_, rest, ok := strings.Cut(model, "gemini-")
	if !ok {
		return false
	}
	return rest == "" || rest[0] < '1' || rest[0] > '2' || len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9'
}

// levelOf is the level for an effort. The first professional model of the
// third generation knows the lowest and the highest only; none can be told not
// to think at all.
func levelOf(model string, effort llmv1.Reasoning_Effort) string {
	pro := strings.Contains(model, "-pro")
	switch {
	case effort >= llmv1.Reasoning_EFFORT_HIGH:
		return "HIGH"
	case effort == llmv1.Reasoning_EFFORT_MEDIUM && strings.Contains(model, "gemini-3-pro"):
		return "HIGH"
	case effort == llmv1.Reasoning_EFFORT_MEDIUM:
		return "MEDIUM"
	case effort == llmv1.Reasoning_EFFORT_LOW || pro:
		return "LOW"
	default:
		return "MINIMAL"
	}
}

// Budgets of the second generation, as Google's own compatible API sets them
// for efforts.
const (
	lowBudget    = 1024
	mediumBudget = 8192
	highBudget   = 24576
	leastPro     = 128 // the professional model always thinks
	mostPro      = 32768
)

func budgetOf(model string, effort llmv1.Reasoning_Effort) int64 {
	pro := strings.Contains(model, "-pro")
	switch {
	case effort == llmv1.Reasoning_EFFORT_NONE && pro:
		return leastPro
	case effort == llmv1.Reasoning_EFFORT_NONE:
		return 0
	case effort <= llmv1.Reasoning_EFFORT_LOW:
		return lowBudget
	case effort == llmv1.Reasoning_EFFORT_MEDIUM:
		return mediumBudget
	case effort == llmv1.Reasoning_EFFORT_XHIGH && pro:
		return mostPro
	default:
		return highBudget
	}
}
