package anthropic

import (
	"encoding/json"
	"regexp"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// minBudget is the least budget of thinking, in tokens.
const minBudget = 1024

var (
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	toolID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

// checkNoSampling refuses what later versions of the API no longer have.
func (r *request) checkNoSampling() error {
	switch {
	case r.Temperature != nil:
		return faultf("temperature: Extra inputs are not permitted")
	case r.TopP != nil:
		return faultf("top_p: Extra inputs are not permitted")
	case r.TopK != nil:
		return faultf("top_k: Extra inputs are not permitted")
	}
	return nil
}

// checkParameters checks what only a request for a message has.
func (r *request) checkParameters() error {
	switch {
	case r.MaxTokens == nil:
		return faultf("max_tokens: Field required")
	case *r.MaxTokens < 1:
		return faultf("max_tokens: Input should be greater than or equal to 1")
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 1):
		return faultf("temperature: range: 0..1")
	case r.TopP != nil && (*r.TopP < 0 || *r.TopP > 1):
		return faultf("top_p: range: 0..1")
	case r.TopK != nil && *r.TopK < 0:
		return faultf("top_k: Input should be greater than or equal to 0")
	case r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "standard_only":
		return faultf("service_tier: Input should be 'auto' or 'standard_only'")
	}
	for i, stop := range r.StopSequences {
		if len(stop) == 0 {
			return faultf("stop_sequences.%d: String should have at least 1 character", i)
		}
	}
	r.asked.MaxWords = *r.MaxTokens
	if t := r.Thinking; t != nil && t.Type == "enabled" && t.BudgetTokens >= *r.MaxTokens {
		return faultf("`max_tokens` must be greater than `thinking.budget_tokens`")
	}
	return nil
}

func (r *request) checkTools() error {
	names := map[string]bool{}
	for i, t := range r.Tools {
		switch {
		case t.Type != "" && t.Type != "custom":
			return faultf("tools.%d: Input tag '%s' found using 'type' does not match any of the expected tags", i, t.Type)
		case !toolName.MatchString(t.Name):
			return faultf("tools.%d.custom.name: String should match pattern '%s'", i, toolName)
		case names[t.Name]:
			return faultf("tools: Tool names must be unique.")
		case t.Deferred && t.CacheControl != nil:
			return faultf("Tool '%s' cannot have both defer_loading=true and cache_control set. Tools with defer_loading cannot use prompt caching.", t.Name)
		}
		var schema struct {
			Type string `json:"type"`
		}
		if !object(t.InputSchema) || json.Unmarshal(t.InputSchema, &schema) != nil || schema.Type != "object" {
			return faultf("tools.%d.custom.input_schema.type: Field required", i)
		}
		names[t.Name] = true
		r.reads(t.Name + string(t.InputSchema))
		r.mark(t.CacheControl)
		r.asked.Tools = append(r.asked.Tools, providertest.Tool{Name: t.Name, Schema: t.InputSchema})
	}
	c := r.ToolChoice
	if c == nil {
		return nil
	}
	if len(r.Tools) == 0 && c.Type != "none" {
		return faultf("tool_choice: `tool_choice` may only be specified while providing `tools`.")
	}
	r.asked.Single = c.DisableParallel
	switch c.Type {
	case "auto", "any":
	case "none":
		r.asked.Tools = nil
	case "tool":
		if !names[c.Name] {
			return faultf("tool_choice: Tool '%s' not found in provided tools", c.Name)
		}
		for _, t := range r.asked.Tools {
			if t.Name == c.Name {
				r.asked.Tools = []providertest.Tool{t}
			}
		}
	default:
		return faultf("tool_choice: Input tag '%s' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", c.Type)
	}
	return nil
}

func (r *request) checkSystem() error {
	if len(r.System) == 0 || string(r.System) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(r.System, &text) == nil {
		r.reads(text)
		return nil
	}
	var blocks []block
	if err := json.Unmarshal(r.System, &blocks); err != nil {
		return faultf("system: Input should be a valid list")
	}
	for i, b := range blocks {
		if b.Type != "text" || b.Text == "" {
			return faultf("system.%d: text content blocks must be non-empty", i)
		}
		r.reads(b.Text)
		r.mark(b.CacheControl)
	}
	return nil
}

func (r *request) checkThinking() error {
	t := r.Thinking
	if t == nil || t.Type == "disabled" {
		return nil
	}
	switch {
	case t.Type != "enabled" && t.Type != "adaptive":
		return faultf("thinking: Input tag '%s' found using 'type' does not match any of the expected tags", t.Type)
	case t.Type == "enabled" && t.BudgetTokens < minBudget:
		return faultf("thinking.enabled.budget_tokens: Input should be greater than or equal to %d", minBudget)
	case r.Temperature != nil && *r.Temperature != 1:
		return faultf("`temperature` may only be set to 1 when thinking is enabled.")
	case r.TopK != nil:
		return faultf("`top_k` must be unset when thinking is enabled.")
	case r.ToolChoice != nil && (r.ToolChoice.Type == "any" || r.ToolChoice.Type == "tool"):
		return faultf("Thinking may not be enabled when tool_choice forces tool use.")
	}
	r.asked.Thinking = true
	return nil
}

func (r *request) checkFormat() error {
	f := r.OutputFormat
	if f == nil {
		f = r.OutputConfig.Format
	}
	if f == nil {
		return nil
	}
	var schema map[string]any
	if f.Type != "json_schema" || json.Unmarshal(f.Schema, &schema) != nil {
		return faultf("output_config.format.schema: Field required")
	}
	if !closed(schema) {
		return faultf("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
	}
	r.asked.Schema = f.Schema
	return nil
}

// closed says whether all objects of a schema forbid other members.
func closed(schema any) bool {
	switch s := schema.(type) {
	case map[string]any:
		if s["type"] == "object" && s["additionalProperties"] != false {
			return false
		}
		for _, value := range s {
			if !closed(value) {
				return false
			}
		}
	case []any:
		for _, value := range s {
			if !closed(value) {
				return false
			}
		}
	}
	return true
}
