package providertest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// sample writes a value that fits a JSON schema, as far as types, properties,
// items, enums, constants, alternatives and definitions go. The values of the
// second sample differ from those of the first.
func sample(schema json.RawMessage, nth int) string {
	var s map[string]any
	if json.Unmarshal(schema, &s) != nil {
		return "{}"
	}
	return string(Marshal((&sampler{root: s, nth: nth}).of(s, 0)))
}

// maxSampleDepth ends schemas that refer to themselves.
const maxSampleDepth = 12

type sampler struct {
	root map[string]any
	nth  int
}

func (s *sampler) of(schema map[string]any, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema = s.definition(ref)
	}
	if depth > maxSampleDepth {
		return nil
	}
	if constant, ok := schema["const"]; ok {
		return constant
	}
	if enum, ok := schema["enum"].([]any); ok && len(enum) > 0 {
		return enum[s.nth%len(enum)]
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := schema[word].([]any); ok && len(list) > 0 {
			first, _ := list[0].(map[string]any)
			return s.of(first, depth+1)
		}
	}
	kind := schema["type"]
	if list, ok := kind.([]any); ok && len(list) > 0 {
		kind = list[0]
	}
	switch strings.ToLower(fmt.Sprint(kind)) { // Gemini writes OBJECT
	case "string":
		if s.nth > 0 {
			return fmt.Sprintf("some text %d", s.nth+1)
		}
		return "some text"
	case "integer", "number":
		return 7 + s.nth
	case "boolean":
		return true
	case "null":
		return nil
	case "array":
		item, _ := schema["items"].(map[string]any)
		return []any{s.of(item, depth+1)}
	default:
		out := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			of, _ := p.(map[string]any)
			out[name] = s.of(of, depth+1)
		}
		return out
	}
}

// definition finds "#/$defs/name".
func (s *sampler) definition(ref string) map[string]any {
	at := s.root
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at, _ = at[step].(map[string]any)
	}
	return at
}
