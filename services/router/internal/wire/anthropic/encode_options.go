package anthropic

import (
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// defaultMaxTokens bounds an answer whose request has no bound: the format asks
// for one, and every model of the provider writes that much.
const defaultMaxTokens = 4096

func (e *encoder) sampling(s *llmv1.Sampling, t thought) {
	limit := s.GetMaxOutputTokens()
	if limit == 0 {
		limit = defaultMaxTokens + t.budget
	}
	if t.budget > 0 && t.budget >= limit {
		e.unsupported("thinking with %d tokens needs an output limit above that", t.budget)
	}
	e.raw(`,"max_tokens":`)
	e.integer(limit)
	switch {
	case s == nil:
		return
	case s.Seed != nil, s.GetPresencePenalty() != 0, s.GetFrequencyPenalty() != 0, s.GetCandidateCount() > 1:
		e.unsupported("the target takes neither seeds nor penalties, and gives one answer")
	}
	float := func(name string, f *float64) {
		if f != nil {
			e.raw(`,"` + name + `":`)
			e.number(*f)
		}
	}
	float("temperature", s.Temperature)
	float("top_p", s.TopP)
	if s.TopK != nil {
		e.raw(`,"top_k":`)
		e.integer(int64(s.GetTopK()))
	}
	if len(s.GetStop()) > 0 {
		e.raw(`,"stop_sequences":`)
		e.strings(s.GetStop())
	}
}

const anySchema = `{"type":"object","properties":{}}`

func (e *encoder) tools(tools []*llmv1.Tool) {
	if len(tools) == 0 {
		return
	}
	e.raw(`,"tools":[`)
	for _, t := range tools {
		e.comma()
		e.raw(`{"name":`)
		e.text(t.GetName())
		if t.GetDescription() != "" {
			e.raw(`,"description":`)
			e.text(t.GetDescription())
		}
		e.raw(`,"input_schema":`)
		if schema := t.GetParameters(); schema == "" {
			e.raw(anySchema)
		} else {
			e.schema("tools", schema, t.GetStrict())
		}
		if t.GetStrict() {
			e.raw(`,"strict":true`)
		}
		e.end()
	}
	e.raw(`]`)
}

// schema writes JSON that a caller gave as text, if it is JSON.
func (e *encoder) schema(name, schema string, strict bool) {
	if !valid(schema) {
		e.unsupported("the JSON schema in %s is not valid JSON", name)
		return
	}
	if strict {
		schema = closed(schema)
	}
	e.raw(schema)
}

func (e *encoder) toolChoice(c *llmv1.ToolChoice, haveTools bool) {
	if c == nil || !haveTools {
		return
	}
	kind := "auto"
	switch c.GetMode() {
	case llmv1.ToolChoice_MODE_NONE:
		e.raw(`,"tool_choice":{"type":"none"}`)
		return
	case llmv1.ToolChoice_MODE_REQUIRED:
		kind = "any"
	case llmv1.ToolChoice_MODE_NAMED:
		kind = "tool"
	default:
		if !c.GetDisableParallel() {
			return // that is what the provider does anyway
		}
	}
	e.raw(`,"tool_choice":{"type":"` + kind + `"`)
	if kind == "tool" {
		e.raw(`,"name":`)
		e.text(c.GetName())
	}
	if c.GetDisableParallel() {
		e.raw(`,"disable_parallel_tool_use":true`)
	}
	e.raw(`}`)
}

// reasoning writes how much to think, and the shape of the answer, which stands
// beside it.
func (e *encoder) reasoning(t thought, f *llmv1.ResponseFormat) {
	switch t.kind {
	case "enabled":
		e.raw(`,"thinking":{"type":"enabled","budget_tokens":`)
		e.integer(t.budget)
		e.raw(`}`)
	case "adaptive":
		e.raw(`,"thinking":{"type":"adaptive"`)
		if t.shown {
			e.raw(`,"display":"summarized"`)
		}
		e.raw(`}`)
	case "disabled":
		e.raw(`,"thinking":{"type":"disabled"}`)
	}
	schema := f.GetJsonSchema().GetSchema()
	switch {
	case f.GetJsonObject() != nil:
		e.unsupported("the target answers in JSON by a schema only")
	case f.GetJsonSchema() != nil && schema == "":
		e.unsupported("the target needs the schema of a JSON answer")
	}
	if t.effort == "" && schema == "" {
		return
	}
	e.raw(`,"output_config":{`)
	if t.effort != "" {
		e.raw(`"effort":"` + t.effort + `"`)
	}
	if schema != "" {
		e.comma()
		e.raw(`"format":{"type":"json_schema","schema":`)
		e.schema("response_format", schema, true)
		e.raw(`}`)
	}
	e.raw(`}`)
}

// closed forbids members that a schema does not name, in every object that does
// not say: the provider takes no schema that leaves it open, and its own SDKs
// close them likewise.
func closed(schema string) string {
	s := jsonscan.Scanner{Data: []byte(schema)}
	var edits []jsonscan.Edit
	closeAll(&s, &edits)
	if s.Err != nil || len(edits) == 0 {
		return schema
	}
	return string(jsonscan.Splice(s.Data, edits))
}

// values are the keywords whose values are no schemas.
var values = []string{"enum", "const", "default", "examples"}

func closeAll(s *jsonscan.Scanner, edits *[]jsonscan.Edit) {
	switch s.Peek() {
	case '[':
		for s.Open('['); s.Next(']'); {
			closeAll(s, edits)
		}
	case '{':
		object, told := false, false
		s.Open('{')
		behind := s.At
		for s.Next('}') {
			key := string(s.Key())
			switch {
			case key == "type" && s.Peek() == '"':
				t := s.Text()
				object = string(s.Inner(t)) == "object"
			case key == "additionalProperties":
				told = true
				closeAll(s, edits)
			case slices.Contains(values, key) && s.Peek() != '{':
				s.Skip()
			default:
				closeAll(s, edits)
			}
		}
		if object && !told {
			*edits = append(*edits, jsonscan.Edit{
				Span: jsonscan.Span{Start: behind, End: behind}, Before: `"additionalProperties":false,`,
			})
		}
	default:
		s.Skip()
	}
}
