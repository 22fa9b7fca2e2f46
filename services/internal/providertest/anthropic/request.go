package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// countMembers are what a request to count tokens may have.
var countMembers = []string{
	"model", "messages", "system", "thinking", "tool_choice", "tools", "output_config", "output_format",
	"cache_control", "context_management", "mcp_servers", "speed",
}

// messageMembers are what a request for a message may have.
var messageMembers = append([]string{
	"max_tokens", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p", "service_tier",
	"container", "inference_geo", "diagnostics",
}, countMembers...)

// request is a request as the API reads it.
type request struct {
	Model         string          `json:"model"`
	Messages      []message       `json:"messages"`
	System        json.RawMessage `json:"system"`
	MaxTokens     *int            `json:"max_tokens"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int            `json:"top_k"`
	StopSequences []string        `json:"stop_sequences"`
	Stream        bool            `json:"stream"`
	Tools         []tool          `json:"tools"`
	ToolChoice    *toolChoice     `json:"tool_choice"`
	Thinking      *thinking       `json:"thinking"`
	ServiceTier   string          `json:"service_tier"`
	CacheControl  *cacheControl   `json:"cache_control"`
	OutputFormat  *format         `json:"output_format"`
	OutputConfig  struct {
		Effort string  `json:"effort"`
		Format *format `json:"format"`
	} `json:"output_config"`

	asked     providertest.Asked
	read      strings.Builder // all that the model reads, in order
	hour      bool            // a cache mark asks for an hour
	marks     int             // of the cache
	citations []map[string]any
	documents int
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type tool struct {
	Type         string          `json:"type"`
	Name         string          `json:"name"`
	InputSchema  json.RawMessage `json:"input_schema"`
	Deferred     bool            `json:"defer_loading"`
	CacheControl *cacheControl   `json:"cache_control"`
}

type toolChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel bool   `json:"disable_parallel_tool_use"`
}

type thinking struct {
	Type         string `json:"type"`
	BudgetTokens int    `json:"budget_tokens"`
	Display      string `json:"display"`
}

type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type format struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

// parse reads a request and checks what it says.
func parse(raw []byte, members []string) (*request, error) {
	var names map[string]json.RawMessage
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, faultf("the body must be an object")
	}
	r := &request{}
	if err := json.Unmarshal(raw, r); err != nil {
		var at *json.UnmarshalTypeError
		if errors.As(err, &at) {
			return nil, faultf("%s: Input should be a valid %s", at.Field, at.Type)
		}
		return nil, err
	}
	for name := range names {
		if !slices.Contains(members, name) && providertest.Behaviour(r.Model) != providertest.UnknownFields {
			return nil, faultf("%s: Extra inputs are not permitted", name)
		}
	}
	r.asked = providertest.Asked{Model: r.Model, Stops: r.StopSequences}
	for _, check := range []func() error{r.checkTools, r.checkSystem, r.checkMessages, r.checkThinking, r.checkFormat} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if r.CacheControl != nil {
		r.mark(r.CacheControl)
	}
	if r.marks > maxMarks {
		return nil, faultf("A maximum of %d blocks with cache_control may be provided. Found %d.", maxMarks, r.marks)
	}
	r.asked.Words = providertest.Words(r.read.String())
	return r, nil
}

// reads adds to what the model reads.
func (r *request) reads(text string) { r.read.WriteString(text + "\n") }

// maxMarks is how many marks of the cache a request may have.
const maxMarks = 4

// mark ends what is to be cached here.
func (r *request) mark(c *cacheControl) {
	if c == nil {
		return
	}
	r.marks++
	r.asked.CachePrefix = r.read.String()
	r.asked.CacheWords = providertest.Words(r.asked.CachePrefix)
	r.hour = r.hour || c.TTL == "1h"
}

// object says whether JSON is an object.
func object(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
}
