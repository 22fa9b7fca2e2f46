package gemini

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
)

// canonical reads a conversation written as JSON.
func canonical(t testing.TB, text string) *llmv1.Conversation {
	t.Helper()
	c := &llmv1.Conversation{}
	if err := protojson.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func mustParse(t testing.TB, body string) (*Request, *llmv1.Conversation) {
	t.Helper()
	r, c, err := ParseRequest("m", []byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return r, c
}

const user = `"contents":[{"role":"user","parts":[{"text":"Hi"}]}]`

func TestParseRequest(t *testing.T) {
	const hi = `"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]`
	tests := []struct {
		name, body, want string
		lacks            []string
	}{
		{"plain", `{` + user + `}`, `{"model":"m",` + hi + `}`, nil},
		{
			"instructions behind the contents, in snake case, not in a list",
			`{"contents":{"parts":{"text":"Hi"}},"system_instruction":{"parts":{"text":"Be brief."}}}`,
			`{"model":"m","messages":[{"role":"ROLE_SYSTEM","parts":[{"text":{"text":"Be brief."}}]},{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}`, nil,
		},
		{
			"calls and results without ids",
			`{"contents":[{"role":"user","parts":[{"text":"Hi"}]},
			  {"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{"a": 1}},"thoughtSignature":"eA=="},{"functionCall":{"name":"g"}},{"functionCall":{"id":"x","name":"f","args":{}}}]},
			  {"role":"user","parts":[{"functionResponse":{"name":"g","response":{"error":"no"}}},{"functionResponse":{"id":"x","name":"f","response":{"output":"b"}}},{"functionResponse":{"name":"f","response":{"t":[1]}}},{"text":"so?"}]}]}`,
			`{"model":"m","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]},
			  {"role":"ROLE_ASSISTANT","parts":[{"thinking":{"text":"hm","signature":"c2ln"}},
			   {"toolCall":{"id":"tgcall_0","name":"f","arguments":"{\"a\": 1}","signature":"eA=="}},{"toolCall":{"id":"tgcall_1","name":"g","arguments":"{}"}},{"toolCall":{"id":"x","name":"f","arguments":"{}"}}]},
			  {"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"tgcall_1","isError":true,"parts":[{"text":{"text":"no"}}]}},
			   {"toolResult":{"toolCallId":"x","parts":[{"text":{"text":"b"}}]}},{"toolResult":{"toolCallId":"tgcall_0","parts":[{"text":{"text":"{\"t\":[1]}"}}]}}]},
			  {"role":"ROLE_USER","parts":[{"text":{"text":"so?"}}]}]}`, nil,
		},
		{
			"media",
			`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AQI="}},{"inline_data":{"mime_type":"audio/wav","data":"AQI"}},
			  {"fileData":{"mimeType":"application/pdf","fileUri":"gs://b/o","displayName":"o.pdf"}},{"fileData":{"mimeType":"video/mp4","fileUri":"https://x/y"},"videoMetadata":{"fps":1}}]}]}`,
			`{"model":"m","messages":[{"role":"ROLE_USER","parts":[{"image":{"blob":{"data":"AQI=","mediaType":"image/png"}}},{"audio":{"blob":{"data":"AQI=","mediaType":"audio/wav"}}},
			  {"document":{"blob":{"uri":"gs://b/o","mediaType":"application/pdf"},"title":"o.pdf"}},{"document":{"blob":{"uri":"https://x/y","mediaType":"video/mp4"}}}]}]}`,
			[]string{"contents[0].parts[3].fileData", "contents[0].parts[3].videoMetadata"},
		},
		{
			"text as bytes, in a result before its answer too",
			`{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"aGVsbG8="}}]},{"role":"model","parts":[{"functionCall":{"name":"f"}}]},
			  {"parts":[{"functionResponse":{"name":"f","parts":[{"inlineData":{"mimeType":"text/csv","data":"YSxi"}},{"inlineData":{"mimeType":"image/png","data":"AQI="}}],"response":{"output":"o"}}}]}]}`,
			`{"model":"m","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hello"}}]},{"role":"ROLE_ASSISTANT","parts":[{"toolCall":{"id":"tgcall_0","name":"f","arguments":"{}"}}]},
			  {"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"tgcall_0","parts":[{"text":{"text":"o"}},{"text":{"text":"a,b"}},{"image":{"blob":{"data":"AQI=","mediaType":"image/png"}}}]}}]}]}`, nil,
		},
		{
			"parameters",
			`{` + user + `,"generationConfig":{"temperature":0.5,"topP":1,"top_k":40.0,"maxOutputTokens":9,"candidateCount":2,"stopSequences":["a"],"seed":-1,"presencePenalty":1,"frequencyPenalty":-1,
			  "thinkingConfig":{"thinkingBudget":0,"includeThoughts":true},"responseModalities":["TEXT"],"responseLogprobs":true,"logprobs":null,"audioTimestamp":false},"cachedContent":"c","labels":{"a":"b"},"safetySettings":[]}`,
			`{"model":"m",` + hi + `,"sampling":{"temperature":0.5,"topP":1,"topK":40,"maxOutputTokens":"9","candidateCount":2,"stop":["a"],"seed":"-1","presencePenalty":1,"frequencyPenalty":-1},
			  "reasoning":{"budgetTokens":"0","includeThinking":true}}`,
			[]string{"generationConfig.responseLogprobs", "cachedContent", "labels"},
		},
		{
			"shape",
			`{` + user + `,"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"propertyOrdering":["a"]}}}`,
			`{"model":"m",` + hi + `,"responseFormat":{"jsonSchema":{"name":"response","schema":"{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}},\"type\":\"object\"}"}}}`, nil,
		},
		{
			"tools",
			`{` + user + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}},{"name":"g","response":{"type":"STRING"}}]},{"googleSearch":{}},{"code_execution":{}}],
			  "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`,
			`{"model":"m",` + hi + `,"tools":[{"name":"f","description":"d","parameters":"{\"type\":\"object\"}"},{"name":"g"}],"toolChoice":{"mode":"MODE_NAMED","name":"f"}}`,
			[]string{"tools[0].functionDeclarations[1].response", "tools[1].googleSearch", "tools[2].codeExecution"},
		},
		{
			"two allowed functions",
			`{` + user + `,"tools":{"functionDeclarations":[{"name":"f"},{"name":"g"}]},"toolConfig":{"functionCallingConfig":{"mode":"any","allowedFunctionNames":["f","g"]}}}`,
			`{"model":"m",` + hi + `,"tools":[{"name":"f"},{"name":"g"}],"toolChoice":{"mode":"MODE_REQUIRED"}}`,
			[]string{"toolConfig.functionCallingConfig.allowedFunctionNames"},
		},
		{
			"code that has run",
			`{"contents":[{"parts":[{"text":"Hi"}]},{"role":"model","parts":[{"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}},{"text":"","thoughtSignature":"eA=="}]}]}`,
			`{"model":"m","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]},{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"1"}},{"text":{"text":"1"}}]}]}`,
			[]string{"contents[1].parts[0].executableCode", "contents[1].parts[1].codeExecutionResult"},
		},
		{
			"another format's signature and redacted thinking",
			`{"contents":[{"parts":[{"text":"Hi"}]},{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"` + signatureText("s-g", nil) + `"},{"thought":true,"thoughtSignature":"` + signatureText("", []byte("r")) + `"}]}]}`,
			`{"model":"m","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]},{"role":"ROLE_ASSISTANT","parts":[{"thinking":{"text":"a","signature":"s-g"}},{"thinking":{"redacted":"cg=="}}]}]}`, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, got := mustParse(t, tt.body)
			if want := canonical(t, tt.want); !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", protojson.Format(got), protojson.Format(want))
			}
			if !slices.Equal(r.Unexpressed(), tt.lacks) {
				t.Errorf("cannot express %q, want %q", r.Unexpressed(), tt.lacks)
			}
			if texts := conversation.Texts(got); len(texts) != len(r.texts) {
				t.Errorf("%d places of %d texts", len(r.texts), len(texts))
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	const (
		invalid     = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT
		unsupported = llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	)
	tests := []struct {
		name, body, field string
		reason            llmv1.ErrorReason
	}{
		{"no JSON", `{`, "", invalid},
		{"tail", `{` + user + `}{}`, "", invalid},
		{"no object", `[]`, "", invalid},
		{"broken UTF-8", "{\"contents\":[{\"parts\":[{\"text\":\"\xff\"}]}]}", "", invalid},
		{"nothing", `{"contents":[]}`, "contents", invalid},
		{"null", `{"contents":null}`, "contents", invalid},
		{"a member twice", `{` + user + `,"contents":[]}`, "contents", invalid},
		{"a member in both spellings", `{` + user + `,"systemInstruction":{"parts":[{"text":"a"}]},"system_instruction":{"parts":[{"text":"b"}]}}`, "systemInstruction", invalid},
		{"a member in a third spelling", `{` + user + `,"system_Instruction":{"parts":[]}}`, "system_Instruction", invalid},
		{"a member in other case", `{` + user + `,"systeminstruction":{"parts":[]}}`, "systeminstruction", invalid},
		{"an escaped double", `{` + user + `,"\u0063ontents":[]}`, "contents", invalid},
		{"another model", `{"model":"models/x",` + user + `}`, "model", invalid},
		{"role", `{"contents":[{"role":"robot","parts":[{"text":"a"}]}]}`, "contents[0].role", invalid},
		{"text and data", `{"contents":[{"parts":[{"text":"a","inlineData":{"mimeType":"image/png","data":"AQI="}}]}]}`, "contents[0].parts[0].inlineData", invalid},
		{"base64", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"?"}}]}]}`, "contents[0].parts[0].inlineData.data", invalid},
		{"address", `{"contents":[{"parts":[{"fileData":{"fileUri":"http://x/y"}}]}]}`, "contents[0].parts[0].fileData.fileUri", invalid},
		{"a call of the user's", `{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}`, "", invalid},
		{"a result of the model's", `{"contents":[{"role":"model","parts":[{"functionResponse":{"name":"f"}}]}]}`, "", invalid},
		{"a nameless call", `{"contents":[{"role":"model","parts":[{"functionCall":{"args":{}}}]}]}`, "contents[0].parts[0].functionCall.name", invalid},
		{"arguments as text", `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":"{}"}}]}]}`, "contents[0].parts[0].functionCall.args", invalid},
		{"arguments in pieces", `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","partialArgs":[]}}]}]}`, "contents[0].parts[0].functionCall.partialArgs", unsupported},
		{"streamed arguments", `{` + user + `,"toolConfig":{"functionCallingConfig":{"streamFunctionCallArguments":true}}}`, "toolConfig.functionCallingConfig.streamFunctionCallArguments", unsupported},
		{"speech", `{` + user + `,"generationConfig":{"responseModalities":["AUDIO"]}}`, "generationConfig.responseModalities[0]", unsupported},
		{"temperature", `{` + user + `,"generationConfig":{"temperature":3}}`, "generationConfig.temperature", invalid},
		{"level", `{` + user + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"MUCH"}}}`, "generationConfig.thinkingConfig.thinkingLevel", invalid},
		{"two schemas", `{` + user + `,"generationConfig":{"responseSchema":{},"responseJsonSchema":{}}}`, "generationConfig.responseJsonSchema", invalid},
		{"mode", `{` + user + `,"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ALL"}}}`, "toolConfig.functionCallingConfig.mode", invalid},
		{"instructions that are no text", `{` + user + `,"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AQI="}}]}}`, "systemInstruction.parts", unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseRequest("m", []byte(tt.body))
			e := errs.From(err)
			if e == nil || e.Reason != tt.reason || tt.field != "" && e.Field != tt.field {
				t.Errorf("got %v, field %q", err, e.Field)
			}
		})
	}
	for _, model := range []string{"", "models/", strings.Repeat("m", 257)} {
		if _, _, err := ParseRequest(model, []byte(`{`+user+`}`)); err == nil {
			t.Errorf("model %q was accepted", model)
		}
	}
}

func TestJSONSchema(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"type":"STRING","format":"enum","enum":["A"]}`, `{"enum":["A"],"type":"string"}`},
		{`{"type":"ARRAY","items":{"type":"INTEGER","format":"int32"},"minItems":"1","max_items":3}`, `{"items":{"format":"int32","type":"integer"},"minItems":1,"maxItems":3,"type":"array"}`},
		{`{"nullable":true,"anyOf":[{"type":"STRING"},{"type":"NUMBER"}],"example":1}`, `{"anyOf":[{"type":"string"},{"type":"number"},{"type":"null"}],"examples":[1]}`},
		{`{"type":"OBJECT","properties":{"any_of":{"type":"BOOLEAN"},"a\"b":{}},"required":["any_of"],"description":"d"}`, `{"properties":{"any_of":{"type":"boolean"},"a\"b":{}},"required":["any_of"],"description":"d","type":"object"}`},
		{`{"ref":"#/$defs/a","defs":{"a":{"type":"NULL"}},"additionalProperties":false}`, `{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}},"additionalProperties":false}`},
	}
	for _, tt := range tests {
		if got := jsonSchema([]byte(tt.in)); got != tt.want || !json.Valid([]byte(got)) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.in, got, tt.want)
		}
	}
}
