package openaicompat

import (
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Addresses where the providers' APIs begin.
const (
	OpenAIBaseURL     = "https://api.openai.com/v1"
	PerplexityBaseURL = "https://api.perplexity.ai"
)

// PerplexityLacks is what Perplexity cannot do: it calls no functions and makes
// no vectors here, and of sampling it has neither seed nor several answers.
const PerplexityLacks = capability.Embeddings | capability.Tools | capability.ToolHistory | capability.Audio |
	capability.ToolChoice | capability.ToolChoiceNone | capability.ParallelControl | capability.StrictTools |
	capability.Seed | capability.Candidates | capability.JSONObject | capability.ParticipantNames | capability.EndUser

// NewPerplexity makes the adapter of Perplexity; it is a provider.Factory. It
// reports usage in every chunk unasked and bounds answers by max_tokens. The
// sources that it lists become citations.
func NewPerplexity(t provider.Target) (provider.Adapter, error) {
	if t.BaseURL == "" {
		t.BaseURL = PerplexityBaseURL
	}
	t.Quirks.NoStreamOptions = true
	if t.Quirks.MaxTokens == "" {
		t.Quirks.MaxTokens = "max_tokens"
	}
	return New(strict(t))
}
