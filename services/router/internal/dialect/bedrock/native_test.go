package bedrock_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/bedrock"
)

// TestSDKConverseNative: in front of Bedrock itself the client's own body goes
// through, signed anew, under the path of the same model.
func TestSDKConverseNative(t *testing.T) {
	up := fake.New(t)
	w := newWorldOn(t, auth.RoleDeveloper, bedrock.New, provider.Target{
		Name: "t", Provider: bedrock.Bedrock, BaseURL: up.BaseURL(), Region: "eu-central-1",
		AWS: provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret)},
	})
	const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	fields := document.NewLazyDocument(map[string]any{"top_k": 5, "anthropic_beta": []string{"x"}})
	in := &bedrockruntime.ConverseInput{
		ModelId: aws.String(model), Messages: []types.Message{user("one two\n\"three\" 😀")}, ToolConfig: tools(),
		AdditionalModelRequestFields: fields,
	}
	out, err := w.runtime().Converse(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	whole := read(t, out)
	var asked struct{ AdditionalModelRequestFields map[string]any }
	if err := json.Unmarshal(up.Last().Body, &asked); err != nil || asked.AdditionalModelRequestFields["anthropic_beta"] == nil {
		t.Errorf("asked %s", up.Last().Body)
	}
	if !strings.HasSuffix(up.Last().Path, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse") {
		t.Errorf("at %s", up.Last().Path)
	}
	stream, err := w.runtime().ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{
		ModelId: in.ModelId, Messages: in.Messages, ToolConfig: in.ToolConfig, AdditionalModelRequestFields: fields,
	})
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := readStream(t, stream)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]said{"whole": whole, "streamed": streamed} {
		if got.tool != "find" || got.callID == "" || got.stop != types.StopReasonToolUse || got.usage == nil || !json.Valid([]byte(got.arguments)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if strings.Contains(up.Last().Header.Get("Authorization"), accessKeyID) {
		t.Error("the client's signature went to the provider")
	}
}
