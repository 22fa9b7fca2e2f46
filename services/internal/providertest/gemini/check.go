package gemini

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

var functionName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$`)

// schemaMembers are what a schema of the API may have; JSON schemas have
// members of their own.
var schemaMembers = []string{
	"anyOf", "default", "description", "enum", "example", "format", "items", "maxItems", "maxLength", "maxProperties",
	"maximum", "minItems", "minLength", "minProperties", "minimum", "nullable", "pattern", "properties",
	"propertyOrdering", "required", "title", "type",
}

// parse reads a request and checks what it says.
func parse(raw []byte, model string) (*request, error) {
	r := &request{}
	if err := decode(raw, providertest.Behaviour(model) != providertest.UnknownFields, r); err != nil {
		return nil, err
	}
	r.asked.Model = model
	for _, check := range []func() error{r.checkConfig, r.checkTools, r.checkSystem, r.checkContents} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	r.asked.Words = providertest.Words(r.read.String())
	return r, nil
}

func (r *request) reads(text string) { r.read.WriteString(text + "\n") }

func (r *request) checkConfig() error {
	c := &r.GenerationConfig
	switch {
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > 2):
		return invalid("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].")
	case c.TopP != nil && (*c.TopP < 0 || *c.TopP > 1):
		return invalid("* GenerateContentRequest.generation_config.top_p: top_p must be in the range [0.0, 1.0].")
	case c.CandidateCount < 0 || c.CandidateCount > 8:
		return invalid("* GenerateContentRequest.generation_config.candidate_count: must be in the range [1, 8].")
	case c.MaxOutputTokens != nil && *c.MaxOutputTokens < 1:
		return invalid("* GenerateContentRequest.generation_config.max_output_tokens: must be positive.")
	case len(c.StopSequences) > 5:
		return invalid("* GenerateContentRequest.generation_config.stop_sequences: at most 5 are supported.")
	case c.ResponseMIMEType != "" && c.ResponseMIMEType != "text/plain" && c.ResponseMIMEType != "application/json" && c.ResponseMIMEType != "text/x.enum":
		return invalid("* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, ...")
	case c.ResponseSchema != nil && c.ResponseJSONSchema != nil:
		return invalid("Only one of response_schema and response_json_schema may be set.")
	case (c.ResponseSchema != nil || c.ResponseJSONSchema != nil) && c.ResponseMIMEType != "application/json":
		return invalid("* GenerateContentRequest.generation_config.response_schema: only allowed with response mime type application/json.")
	}
	if err := checkSchema(c.ResponseSchema, "generation_config.response_schema"); err != nil {
		return err
	}
	r.asked.Schema = slices.Concat(c.ResponseSchema, c.ResponseJSONSchema) // one of them at most
	if len(r.asked.Schema) == 0 {
		r.asked.Schema = nil
	}
	r.asked.JSON = c.ResponseMIMEType == "application/json"
	r.asked.Stops = c.StopSequences
	if c.MaxOutputTokens != nil {
		r.asked.MaxWords = *c.MaxOutputTokens
	}
	if t := c.ThinkingConfig; t != nil {
		if t.ThinkingBudget != nil && t.ThinkingLevel != "" {
			return invalid("You can only set only one of thinking budget and thinking level.")
		}
		r.asked.Thinking = t.IncludeThoughts || t.ThinkingLevel != "" || t.ThinkingBudget != nil && *t.ThinkingBudget != 0
	}
	return nil
}

// checkSchema refuses what the API's own form of schema does not have.
func checkSchema(raw json.RawMessage, at string) error {
	if len(raw) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return invalid("Invalid value at '%s'", at)
	}
	for name, member := range members {
		if !slices.Contains(schemaMembers, name) {
			return invalid("Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, at)
		}
		inner := map[string]json.RawMessage{}
		switch name {
		case "type":
			var kind string
			if json.Unmarshal(member, &kind) != nil {
				return invalid("Invalid value at '%s.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type)", at)
			}
		case "items":
			inner["items"] = member
		case "properties":
			_ = json.Unmarshal(member, &inner)
		case "anyOf":
			var list []json.RawMessage
			_ = json.Unmarshal(member, &list)
			for _, one := range list {
				inner[string(one)] = one
			}
		}
		for _, schema := range inner {
			if err := checkSchema(schema, at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *request) checkTools() error {
	var names []string
	for _, t := range r.Tools {
		for _, f := range t.FunctionDeclarations {
			if !functionName.MatchString(f.Name) {
				return invalid("* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name. Must start with a letter or an underscore.")
			}
			if f.Parameters != nil && f.ParametersJSONSchema != nil {
				return invalid("Only one of parameters and parameters_json_schema may be set.")
			}
			if err := checkSchema(f.Parameters, "tools[0].function_declarations[0].parameters"); err != nil {
				return err
			}
			schema := slices.Concat(f.Parameters, f.ParametersJSONSchema) // one of them at most
			names = append(names, f.Name)
			r.reads(f.Name + " " + f.Description + string(schema))
			r.asked.Tools = append(r.asked.Tools, providertest.Tool{Name: f.Name, Schema: schema})
		}
	}
	c := r.ToolConfig.FunctionCallingConfig
	switch c.Mode {
	case "", "MODE_UNSPECIFIED", "AUTO":
		if len(c.AllowedFunctionNames) > 0 {
			return invalid("Allowed function names can only be set when the function calling mode is ANY.")
		}
	case "ANY", "VALIDATED":
		if len(c.AllowedFunctionNames) > 0 {
			r.asked.Tools = slices.DeleteFunc(r.asked.Tools, func(t providertest.Tool) bool {
				return !slices.Contains(c.AllowedFunctionNames, t.Name)
			})
		}
		for _, name := range c.AllowedFunctionNames {
			if !slices.Contains(names, name) {
				return invalid("%s is not in the list of function declarations", name)
			}
		}
	case "NONE":
		r.asked.Tools = nil
	default:
		return invalid("Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/...Mode), %q", c.Mode)
	}
	return nil
}

func (r *request) checkSystem() error {
	if r.SystemInstruction == nil {
		return nil
	}
	for _, p := range r.SystemInstruction.Parts {
		if p.Text == nil {
			return invalid("System instruction supports text only.")
		}
		r.reads(*p.Text)
	}
	return nil
}

// newest says whether a model has the habits of the third generation: calls
// have ids, and signatures must come back.
func newest(model string) bool { return strings.HasPrefix(model, "gemini-3") }
