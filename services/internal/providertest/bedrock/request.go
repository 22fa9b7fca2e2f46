package bedrock

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

var (
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	fileName = regexp.MustCompile(`^[a-zA-Z0-9()\[\]-]+( [a-zA-Z0-9()\[\]-]+)*$`)
)

// extras are the members of additionalModelRequestFields that models take.
var extras = []string{
	"thinking", "reasoning_config", "reasoningConfig", "top_k", "topK", "anthropic_beta", "output_config",
	"inferenceConfig", "stop_sequences", "tool_choice",
}

// request is a conversation as Converse takes it. AWS ignores members that it does not know.
type request struct {
	Messages        []message     `json:"messages"`
	System          []systemBlock `json:"system"`
	InferenceConfig struct {
		MaxTokens     *int     `json:"maxTokens"`
		Temperature   *float64 `json:"temperature"`
		TopP          *float64 `json:"topP"`
		StopSequences []string `json:"stopSequences"`
	} `json:"inferenceConfig"`
	ToolConfig *struct {
		Tools      []tool                     `json:"tools"`
		ToolChoice map[string]json.RawMessage `json:"toolChoice"`
	} `json:"toolConfig"`
	Extra        map[string]json.RawMessage `json:"additionalModelRequestFields"`
	OutputConfig struct {
		TextFormat *struct {
			Type      string `json:"type"`
			Structure struct {
				JSONSchema struct {
					Schema string `json:"schema"`
				} `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
	} `json:"outputConfig"`

	asked   providertest.Asked
	read    strings.Builder
	ttl     string
	enabled bool // thinking with a budget, which has rules for history
}

type message struct {
	Role    string                       `json:"role"`
	Content []map[string]json.RawMessage `json:"content"`
}

type systemBlock struct {
	Text       *string     `json:"text"`
	CachePoint *cachePoint `json:"cachePoint"`
}

type cachePoint struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type tool struct {
	ToolSpec *struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		InputSchema struct {
			JSON json.RawMessage `json:"json"`
		} `json:"inputSchema"`
	} `json:"toolSpec"`
	CachePoint *cachePoint `json:"cachePoint"`
}

// parse reads a request and checks what it says.
func parse(raw []byte, model string) (*request, error) {
	r := &request{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, err
	}
	r.asked.Model = model
	for _, check := range []func() error{r.checkTools, r.checkSystem, r.checkExtra, r.checkConfig, r.checkMessages} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	r.asked.Words = providertest.Words(r.read.String())
	return r, nil
}

func (r *request) reads(text string) { r.read.WriteString(text + "\n") }

// mark ends what is to be cached here.
func (r *request) mark(c *cachePoint) error {
	if c.Type != "default" || c.TTL != "" && c.TTL != "5m" && c.TTL != "1h" {
		return faultf("cachePoint.type must be default, and its ttl 5m or 1h")
	}
	r.asked.CachePrefix, r.ttl = r.read.String(), c.TTL
	r.asked.CacheWords = providertest.Words(r.asked.CachePrefix)
	return nil
}

func (r *request) checkTools() error {
	if r.ToolConfig == nil {
		return nil
	}
	for i, t := range r.ToolConfig.Tools {
		switch {
		case t.CachePoint != nil && strings.Contains(r.asked.Model, "amazon.nova"):
			return faultf("The model returned the following errors: Malformed input request: #/toolConfig/tools/%d: extraneous key [cachePoint] is not permitted", i)
		case t.CachePoint != nil:
			if err := r.mark(t.CachePoint); err != nil {
				return err
			}
		case t.ToolSpec == nil:
			return faultf("toolConfig.tools.%d: exactly one member must be set", i)
		case !toolName.MatchString(t.ToolSpec.Name):
			return faultf("value at 'toolConfig.tools.%d.member.toolSpec.name' failed to satisfy constraint: [a-zA-Z0-9_-]+", i)
		case !strings.HasPrefix(string(t.ToolSpec.InputSchema.JSON), "{"):
			return faultf("toolConfig.tools.%d.toolSpec.inputSchema.json must be an object", i)
		default:
			r.reads(t.ToolSpec.Name + " " + t.ToolSpec.Description + string(t.ToolSpec.InputSchema.JSON))
			r.asked.Tools = append(r.asked.Tools, providertest.Tool{Name: t.ToolSpec.Name, Schema: t.ToolSpec.InputSchema.JSON})
		}
	}
	if len(r.asked.Tools) == 0 {
		return faultf("value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	return r.checkChoice()
}

func (r *request) checkChoice() error {
	for kind, raw := range r.ToolConfig.ToolChoice {
		switch kind {
		case "auto", "any":
		case "tool":
			var named struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(raw, &named) // no name is no tool
			r.asked.Tools = slices.DeleteFunc(r.asked.Tools, func(t providertest.Tool) bool { return t.Name != named.Name })
			if len(r.asked.Tools) == 0 {
				return faultf("the tool %q of toolConfig.toolChoice is not in toolConfig.tools", named.Name)
			}
		default:
			return faultf("toolConfig.toolChoice: unknown member %q", kind)
		}
	}
	return nil
}

func (r *request) checkSystem() error {
	for i, b := range r.System {
		switch {
		case b.CachePoint != nil && i == 0:
			return faultf("There is nothing available to cache.")
		case b.CachePoint != nil:
			if err := r.mark(b.CachePoint); err != nil {
				return err
			}
		case b.Text == nil || strings.TrimSpace(*b.Text) == "":
			return faultf("the text field in the SystemContentBlock object at system.%d is blank", i)
		default:
			r.reads(*b.Text)
		}
	}
	return nil
}

// checkExtra checks what goes to the model as it is.
func (r *request) checkExtra() error {
	for name, raw := range r.Extra {
		if !slices.Contains(extras, name) && providertest.Behaviour(r.asked.Model) != providertest.UnknownFields {
			return faultf("the model returned the following errors: Malformed input request: #: extraneous key [%s] is not permitted", name)
		}
		if name != "thinking" && name != "reasoning_config" && name != "reasoningConfig" {
			continue
		}
		var t struct {
			Type   string `json:"type"`
			Budget int    `json:"budget_tokens"`
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return err
		}
		r.asked.Thinking = t.Type == "enabled" || t.Type == "adaptive"
		r.enabled = t.Type == "enabled" && name != "reasoningConfig"
		limit := r.InferenceConfig.MaxTokens
		switch {
		case r.enabled && t.Budget < 1024:
			return faultf("the model returned the following errors: thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		case r.enabled && limit != nil && t.Budget >= *limit:
			return faultf("the model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`")
		case r.enabled && r.InferenceConfig.Temperature != nil && *r.InferenceConfig.Temperature != 1:
			return faultf("the model returned the following errors: `temperature` may only be set to 1 when thinking is enabled")
		}
	}
	return nil
}

func (r *request) checkConfig() error {
	c := r.InferenceConfig
	switch {
	case c.MaxTokens != nil && *c.MaxTokens < 1:
		return faultf("value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1")
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > 1):
		return faultf("value at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1")
	case c.TopP != nil && (*c.TopP < 0 || *c.TopP > 1):
		return faultf("value at 'inferenceConfig.topP' failed to satisfy constraint: Member must have value less than or equal to 1")
	case slices.Contains(c.StopSequences, ""):
		return faultf("value at 'inferenceConfig.stopSequences' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if c.MaxTokens != nil {
		r.asked.MaxWords = *c.MaxTokens
	}
	r.asked.Stops = c.StopSequences
	if f := r.OutputConfig.TextFormat; f != nil {
		r.asked.Schema = json.RawMessage(f.Structure.JSONSchema.Schema)
		if f.Type != "json_schema" || !json.Valid(r.asked.Schema) {
			return faultf("outputConfig.textFormat.structure.jsonSchema.schema must be a JSON schema in a string")
		}
	}
	return nil
}
