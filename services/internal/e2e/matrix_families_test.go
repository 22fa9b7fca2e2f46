package e2e

import (
	"fmt"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	"github.com/tollgate/tollgate/services/internal/providertest/gemini"
	"github.com/tollgate/tollgate/services/internal/providertest/sagemaker"
)

// newFamilies starts a provider of each family, and writes targets and routes:
// the model "gemini.m" goes to the family gemini.
func newFamilies(t *testing.T) ([]family, string) {
	openai, messages := providertest.New(t), anthropic.New(t)
	google, aws, endpoints := gemini.New(t), bedrock.New(t), sagemaker.New(t)
	keys := "aws: {access_key_id: " + awstest.AccessKey + ", secret_access_key: " + awstest.Secret + "}"
	config := fmt.Sprintf(`
targets:
  - {name: openai, provider: openai, base_url: %q, api_key: sk-1, models: "*", retries: 0}
  - {name: anthropic, provider: anthropic, base_url: %q, api_key: sk-2, models: "*", retries: 0}
  - {name: gemini, provider: gemini, base_url: %q, api_key: sk-3, models: "*", retries: 0}
  - {name: bedrock, provider: bedrock, base_url: %q, region: eu-west-1, %s, models: "*", retries: 0}
  - {name: sagemaker, provider: sagemaker, base_url: %q, region: eu-west-1, %s, models: "*", retries: 0}
routes:
`, openai.BaseURL(), messages.BaseURL(), google.BaseURL()+"/v1beta", aws.BaseURL(), keys, endpoints.BaseURL(), keys)
	families := []family{{name: "openai"}, {name: "anthropic"}, {name: "gemini"}, {name: "bedrock"}, {name: "sagemaker"}}
	for _, f := range families {
		config += fmt.Sprintf("  - {model: %q, targets: [%s]}\n", f.name+".*", f.name)
	}
	return families, config
}

// sdks are the official clients of all dialects.
func sdks(d *deployment) []sdk {
	return []sdk{openaiChat(d), openaiResponses(d), anthropicMessages(d), bedrockConverse(d), geminiContent(d)}
}
