package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	claude "github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
)

// rules are instructions that are worth a mark.
var rules = strings.Repeat("Answer in whole sentences and name your sources. ", 200)

// The route's marks reach providers whose own format the client speaks, which
// then write their cache and read from it.
func TestMarksOfPromptCaches(t *testing.T) {
	messages, amazon := claude.New(t), bedrock.New(t)
	d := deploy(t, false, fmt.Sprintf(`
targets:
  - {name: claude, provider: anthropic, base_url: %q, api_key: sk, models: {marked: claude-sonnet-4-5, plain: claude-sonnet-4-5}}
  - name: amazon
    provider: bedrock
    base_url: %q
    region: eu-west-1
    aws: {access_key_id: %s, secret_access_key: %s}
    models: {amazon-claude: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", amazon-nova: "amazon.nova-pro-v1:0", amazon-llama: "meta.llama3-3-70b-instruct-v1:0"}
routes:
  - {model: marked, targets: [claude], prompt_cache: auto}
  - {model: plain, targets: [claude]}
  - {model: "amazon-*", targets: [amazon], prompt_cache: auto}
`, messages.BaseURL(), amazon.BaseURL(), awstest.AccessKey, awstest.Secret))

	t.Run("messages", func(t *testing.T) {
		client := anthropic.NewClient(option.WithBaseURL(d.url+"/anthropic"), option.WithAPIKey(d.key), option.WithMaxRetries(0))
		ask := func(model string) anthropic.Usage {
			got, err := client.Messages.New(timeout(t), turnsOf(model))
			if err != nil {
				t.Fatal(err)
			}
			return got.Usage
		}
		if u := ask("plain"); u.CacheCreationInputTokens != 0 || bytes.Contains(messages.Last().Body, []byte("cache_control")) {
			t.Errorf("marked without being asked: %s", u.RawJSON())
		}
		written, read := ask("marked"), ask("marked")
		if written.CacheCreationInputTokens == 0 || written.CacheReadInputTokens != 0 {
			t.Errorf("the first wrote %s", written.RawJSON())
		}
		if read.CacheReadInputTokens != written.CacheCreationInputTokens || read.CacheCreationInputTokens != 0 {
			t.Errorf("the second read %s", read.RawJSON())
		}
		if n := bytes.Count(messages.Last().Body, []byte(`"cache_control":{"type":"ephemeral"}`)); n != 2 { // the tools alone are too short
			t.Errorf("%d marks in %s", n, messages.Last().Body)
		}
	})

	t.Run("converse", func(t *testing.T) {
		client := bedrockClient(d)
		for model, marks := range map[string]int{"amazon-claude": 2, "amazon-nova": 2, "amazon-llama": 0} {
			var written, read types.TokenUsage
			for _, usage := range []*types.TokenUsage{&written, &read} {
				got, err := client.Converse(timeout(t), conversedTurns(model))
				if err != nil {
					t.Fatal(err)
				}
				*usage = *got.Usage
			}
			if n := bytes.Count(amazon.Last().Body, []byte(`{"cachePoint":{"type":"default"}}`)); n != marks {
				t.Errorf("%s: %d marks in %s", model, n, amazon.Last().Body)
			}
			if w := *written.CacheWriteInputTokens; *read.CacheReadInputTokens != w || (w > 0) != (marks > 0) {
				t.Errorf("%s: wrote %d, read %d", model, w, *read.CacheReadInputTokens)
			}
		}
	})

	t.Run("invoke", func(t *testing.T) {
		body, _ := json.Marshal(map[string]any{
			"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "system": rules + "as invoked",
			"messages": []any{map[string]any{"role": "user", "content": "hello"}},
		})
		got, err := bedrockClient(d).InvokeModel(timeout(t), &bedrockruntime.InvokeModelInput{ModelId: aws.String("marked"), Body: body})
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Usage struct {
				Written int `json:"cache_creation_input_tokens"`
			}
		}
		if err := json.Unmarshal(got.Body, &answer); err != nil || answer.Usage.Written == 0 {
			t.Errorf("%v: %s", err, got.Body)
		}
	})

	t.Run("count", func(t *testing.T) {
		client := anthropic.NewClient(option.WithBaseURL(d.url+"/anthropic"), option.WithAPIKey(d.key), option.WithHTTPClient(&http.Client{}))
		asked := turnsOf("marked")
		got, err := client.Messages.CountTokens(timeout(t), anthropic.MessageCountTokensParams{
			Model: "marked", Messages: asked.Messages, System: anthropic.MessageCountTokensParamsSystemUnion{OfTextBlockArray: asked.System},
		})
		if err != nil || got.InputTokens == 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// turnsOf asks for an answer behind long instructions and a settled turn.
func turnsOf(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 64, System: []anthropic.TextBlockParam{{Text: rules}},
		Tools: []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: map[string]any{}}, "f")},
		Messages: []anthropic.MessageParam{
			anthropic.NewUserMessage(anthropic.NewTextBlock("hello")), anthropic.NewAssistantMessage(anthropic.NewTextBlock("What can I do?")),
			anthropic.NewUserMessage(anthropic.NewTextBlock("go on")),
		},
	}
}

func conversedTurns(model string) *bedrockruntime.ConverseInput {
	say := func(role types.ConversationRole, text string) types.Message {
		return types.Message{Role: role, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: text}}}
	}
	return &bedrockruntime.ConverseInput{
		ModelId: aws.String(model), System: []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: rules}},
		Messages: []types.Message{
			say(types.ConversationRoleUser, "hello "+model), say(types.ConversationRoleAssistant, "What can I do?"), say(types.ConversationRoleUser, "go on"),
		},
	}
}
