package bedrock_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

const arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-v1:0"

func user(text string) types.Message {
	return types.Message{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: text}}}
}

func system(text string) []types.SystemContentBlock {
	return []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: text}}
}

// said is what the SDK read of an answer, streamed or not.
type said struct {
	text, tool, arguments, callID string
	stop                          types.StopReason
	usage                         *types.TokenUsage
	kinds                         []string
}

func read(t *testing.T, out *bedrockruntime.ConverseOutput) said {
	t.Helper()
	got := said{stop: out.StopReason, usage: out.Usage}
	message := out.Output.(*types.ConverseOutputMemberMessage).Value
	if message.Role != types.ConversationRoleAssistant || out.Metrics == nil {
		t.Errorf("role %s, metrics %v", message.Role, out.Metrics)
	}
	for _, block := range message.Content {
		switch b := block.(type) {
		case *types.ContentBlockMemberText:
			got.text += b.Value
		case *types.ContentBlockMemberToolUse:
			arguments, err := b.Value.Input.MarshalSmithyDocument()
			if err != nil {
				t.Fatal(err)
			}
			got.tool, got.callID, got.arguments = aws.ToString(b.Value.Name), aws.ToString(b.Value.ToolUseId), string(arguments)
		}
	}
	return got
}

func readStream(t *testing.T, out *bedrockruntime.ConverseStreamOutput) (said, error) {
	t.Helper()
	s := out.GetStream()
	defer func() { _ = s.Close() }()
	var got said
	for event := range s.Events() {
		kind := ""
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberMessageStart:
			kind = "messageStart"
		case *types.ConverseStreamOutputMemberContentBlockStart:
			kind = "start"
			if use, ok := e.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
				got.tool, got.callID = aws.ToString(use.Value.Name), aws.ToString(use.Value.ToolUseId)
			}
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			kind = "delta"
			switch d := e.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				got.text += d.Value
			case *types.ContentBlockDeltaMemberToolUse:
				got.arguments += aws.ToString(d.Value.Input)
			}
		case *types.ConverseStreamOutputMemberContentBlockStop:
			kind = "stop"
		case *types.ConverseStreamOutputMemberMessageStop:
			kind, got.stop = "messageStop", e.Value.StopReason
		case *types.ConverseStreamOutputMemberMetadata:
			kind, got.usage = "metadata", e.Value.Usage
		}
		got.kinds = append(got.kinds, kind)
	}
	return got, s.Err()
}

// ask asks twice: for a whole answer, and for a stream.
func ask(t *testing.T, w *world, in *bedrockruntime.ConverseInput) (whole, streamed said) {
	t.Helper()
	out, err := w.runtime().Converse(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := w.runtime().ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{
		ModelId: in.ModelId, Messages: in.Messages, System: in.System, InferenceConfig: in.InferenceConfig, ToolConfig: in.ToolConfig,
	})
	if err != nil {
		t.Fatal(err)
	}
	streamed, err = readStream(t, stream)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, out), streamed
}

func TestSDKConverse(t *testing.T) {
	w := newWorld(t)
	whole, streamed := ask(t, w, &bedrockruntime.ConverseInput{
		ModelId: aws.String(arn), Messages: []types.Message{user("one two\n\"three\" 😀")}, System: system("Be brief."),
		InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(100), Temperature: aws.Float32(0.5), StopSequences: []string{"|"}},
	})
	for name, got := range map[string]said{"whole": whole, "streamed": streamed} {
		if got.text != "You said: one two\n\"three\" 😀" || got.stop != types.StopReasonEndTurn || got.usage == nil || *got.usage.InputTokens <= 0 ||
			*got.usage.TotalTokens != *got.usage.InputTokens+*got.usage.OutputTokens {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if k := streamed.kinds; k[0] != "messageStart" || !slices.Equal(k[len(k)-3:], []string{"stop", "messageStop", "metadata"}) {
		t.Errorf("events %v", k)
	}
	c := w.Calls()[0].Conversation
	if c.GetModel() != arn || c.GetSampling().GetMaxOutputTokens() != 100 || c.GetMessages()[0].GetRole() != llmv1.Role_ROLE_SYSTEM {
		t.Errorf("asked %v", c)
	}
}

func tools() *types.ToolConfiguration {
	return &types.ToolConfiguration{Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{
		Name: aws.String("find"),
		InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(map[string]any{
			"type": "object", "properties": map[string]any{"what": map[string]any{"type": "string"}, "n": map[string]any{"type": "integer"}},
		})},
	}}}}
}

func TestSDKConverseTools(t *testing.T) {
	w := newWorld(t)
	in := &bedrockruntime.ConverseInput{ModelId: aws.String("m"), Messages: []types.Message{user("look it up")}, ToolConfig: tools()}
	whole, streamed := ask(t, w, in)
	for name, got := range map[string]said{"whole": whole, "streamed": streamed} {
		var arguments map[string]any
		if err := json.Unmarshal([]byte(got.arguments), &arguments); err != nil {
			t.Errorf("%s: %q: %v", name, got.arguments, err)
		}
		if got.tool != "find" || got.callID != "call_0" || got.stop != types.StopReasonToolUse || arguments["what"] != "some text" || arguments["n"] != 7.0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	out, err := w.runtime().Converse(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	in.Messages = append(in.Messages, out.Output.(*types.ConverseOutputMemberMessage).Value, types.Message{
		Role: types.ConversationRoleUser,
		Content: []types.ContentBlock{&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
			ToolUseId: aws.String("call_0"), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: "found"}},
		}}},
	})
	if whole, _ = ask(t, w, in); !strings.Contains(whole.text, "The tools said: found.") {
		t.Errorf("got %q", whole.text)
	}
}

func TestSDKConverseFails(t *testing.T) {
	for reason, want := range map[llmv1.ErrorReason]string{
		llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED:    "ModelStreamErrorException",
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE:  "ServiceUnavailableException",
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED: "ThrottlingException",
		llmv1.ErrorReason_ERROR_REASON_INTERNAL:              "InternalServerException",
	} {
		w := newWorld(t)
		w.After, w.Reason = 3, reason
		out, err := w.runtime().ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{ModelId: aws.String("m"), Messages: []types.Message{user("one two three")}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := readStream(t, out)
		if code(err) != want || got.text == "" || slices.Contains(got.kinds, "messageStop") {
			t.Errorf("%s: %v after %v", reason, err, got.kinds)
		}
	}
	w := newWorld(t)
	_, err := w.runtime().Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(strings.Repeat("m", 300)), Messages: []types.Message{user("a")}})
	if !as[*types.ValidationException](err) || len(w.Calls()) > 0 {
		t.Errorf("a long name: %v", err)
	}
	resp, body := w.do(t, http.MethodPost, "/bedrock/model/m/converse", `{"messages":[{"role":"king","content":[]}]}`)
	if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("X-Amzn-Errortype") != "ValidationException" || !strings.Contains(body, "role") {
		t.Errorf("a bad role: %d %s", resp.StatusCode, body)
	}
}

func TestSDKCountsTokens(t *testing.T) {
	w := newWorld(t)
	inputs := map[string]types.CountTokensInput{
		"converse": &types.CountTokensInputMemberConverse{Value: types.ConverseTokensRequest{
			Messages: []types.Message{user("how many?")}, System: system("Be brief."),
		}},
		"titan":     &types.CountTokensInputMemberInvokeModel{Value: types.InvokeModelTokensRequest{Body: []byte(titanBody)}},
		"anthropic": &types.CountTokensInputMemberInvokeModel{Value: types.InvokeModelTokensRequest{Body: []byte(anthropicBody)}},
	}
	for name, in := range inputs {
		out, err := w.runtime().CountTokens(t.Context(), &bedrockruntime.CountTokensInput{ModelId: aws.String("m"), Input: in})
		if err != nil || aws.ToInt32(out.InputTokens) != 42 {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	for body, want := range map[string]string{
		`{}`:                                     "input must have the member",
		`{"input":{}}`:                           "input must have the member",
		`{"input":[]}`:                           "is not valid JSON",
		`{"input":{"converse":{"messages":1}}}`:  "messages",
		`{"input":{"invokeModel":{"body":"?"}}}`: "base64",
		`{"input":{"invokeModel":{"body":"e30="}}}`:                     "format",
		`{"input":{"converse":{},"invokeModel":{"body":"e30="}}}`:       "one member",
		`{"input":{"invokeModel":{"body":"eyJpbnB1dFRleHQiOiJhIn0="}},`: "is not valid JSON",
	} {
		resp, answer := w.do(t, http.MethodPost, "/bedrock/model/m/count-tokens", body)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, resp.StatusCode, answer)
		}
	}
}
