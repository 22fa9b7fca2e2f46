package openaicompat

import (
	"regexp"
	"slices"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Validate reports faults of a target's quirks.
func Validate(t provider.Target, v *config.Validator) {
	oneOf := func(path, have string, known ...string) {
		if have != "" && !slices.Contains(known, have) {
			v.Fail("quirks."+path, "%q is not one of %v", have, known)
		}
	}
	oneOf("max_tokens", t.Quirks.MaxTokens, "max_tokens", "max_completion_tokens")
	oneOf("system_role", t.Quirks.SystemRole, "system", "developer")
	oneOf("reasoning", t.Quirks.Reasoning, "reasoning_effort", "reasoning")
	oneOf("thinking", t.Quirks.Thinking, "reasoning_content", "reasoning_details", openai.NoThinking)
	for _, name := range t.Quirks.Drop {
		if name == "model" || name == "messages" || name == "stream" {
			v.Fail("quirks.drop", "%q cannot be left out", name)
		}
	}
}

// versions are dates, some with a word behind them.
var versions = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[a-z]+)?$`)

// ValidateAzure reports faults of a target of Azure OpenAI.
func ValidateAzure(t provider.Target, v *config.Validator) {
	Validate(t, v)
	if t.APIVersion != "" && !versions.MatchString(t.APIVersion) {
		v.Fail("api_version", "must be a date such as 2024-10-21, or empty for the v1 API")
	}
	if t.Health.Check.Model != "" {
		v.Fail("health_check.model", "cannot be checked: Azure lists no deployments").WithHelp("leave it out to check the resource")
	}
	key := !t.APIKey.IsZero() || t.APIKeyFile != ""
	if a := t.Azure; !a.ClientSecret.IsZero() {
		if key {
			v.Fail("azure", "must not be given beside a key")
		}
		if a.TenantID == "" || a.ClientID == "" {
			v.Fail("azure", "needs tenant_id and client_id beside client_secret")
		}
	}
}
