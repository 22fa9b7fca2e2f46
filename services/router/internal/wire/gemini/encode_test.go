package gemini

import (
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestEncodeConversation(t *testing.T) {
	const hi = `{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}`
	const calls = `{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":""}},{"thinking":{"text":"hm","signature":"other"}},{"thinking":{"redacted":"cg=="}},
		{"toolCall":{"id":"a","name":"f","arguments":"{\"x\": 1.0}","signature":"eA=="}},{"toolCall":{"id":"tgcall_1","name":"g","arguments":""}}]}`
	const results = `{"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"tgcall_1","isError":true,"parts":[{"text":{"text":"broken"}}]}}]},
		{"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"a","parts":[{"text":{"text":"{\"k\":1}"}},{"image":{"blob":{"data":"AQI=","mediaType":"image/png"}}}]}}]}`
	tests := []struct{ name, model, conversation, want string }{
		{
			"instructions anywhere, turns of one speaker", "gemini-2.5-flash",
			`{"messages":[` + hi + `,{"role":"ROLE_SYSTEM","parts":[{"text":{"text":"Be brief."}},{"cachePoint":{}}]},` + hi + `,` + hi + `,{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"a"}}]}]}`,
			`{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"user","parts":[{"text":"Hi"},{"text":"Hi"}]},{"role":"model","parts":[{"text":"a"}]}]}`,
		},
		{
			"calls and results", "gemini-3-pro-preview", `{"messages":[` + hi + `,` + calls + `,` + results + `]}`,
			`{"contents":[{"role":"user","parts":[{"text":"Hi"}]},
			  {"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"id":"a","name":"f","args":{"x":1.0}},"thoughtSignature":"eA=="},{"functionCall":{"name":"g","args":{}}}]},
			  {"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"k":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"AQI="}}]}},{"functionResponse":{"name":"g","response":{"error":"broken"}}}]}]}`,
		},
		{
			"calls that nobody has signed", "gemini-3-flash",
			`{"messages":[` + hi + `,{"role":"ROLE_ASSISTANT","parts":[{"toolCall":{"id":"a","name":"f","arguments":"{}"}},{"toolCall":{"id":"b","name":"f","arguments":"{}"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"b","name":"f","args":{}}}]}]}`,
		},
		{
			"media", "gemini-2.5-flash",
			`{"messages":[{"role":"ROLE_USER","parts":[{"image":{"blob":{"uri":"https://x/y.png?z"}}},{"audio":{"blob":{"data":"AQI="}}},{"document":{"blob":{"uri":"gs://b/o.pdf","mediaType":"application/pdf"}}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://x/y.png?z"}},{"inlineData":{"mimeType":"audio/wav","data":"AQI="}},{"fileData":{"mimeType":"application/pdf","fileUri":"gs://b/o.pdf"}}]}]}`,
		},
		{
			"parameters and shape", "gemini-2.5-flash",
			`{"messages":[` + hi + `],"sampling":{"temperature":0,"topP":1,"topK":4,"maxOutputTokens":"9","candidateCount":2,"stop":["a"],"seed":"5","presencePenalty":1,"frequencyPenalty":-1},
			  "responseFormat":{"jsonSchema":{"name":"n","schema":"{\"type\":\"object\"}"}},"reasoning":{"effort":"EFFORT_MEDIUM","includeThinking":true}}`,
			`{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{"temperature":0,"topP":1,"topK":4,"maxOutputTokens":9,"candidateCount":2,"seed":5,"presencePenalty":1,"frequencyPenalty":-1,"stopSequences":["a"],
			  "responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingBudget":8192,"includeThoughts":true}}}`,
		},
		{
			"tools", "gemini-3-pro",
			`{"messages":[` + hi + `],"tools":[{"name":"f","description":"d","parameters":"{\"type\":\"object\"}"},{"name":"g"}],"toolChoice":{"mode":"MODE_NAMED","name":"f"},"responseFormat":{"jsonObject":{}},"reasoning":{"effort":"EFFORT_LOW"}}`,
			`{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}},{"name":"g"}]}],
			  "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"generationConfig":{"responseMimeType":"application/json","thinkingConfig":{"thinkingLevel":"LOW"}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := EncodeConversation(&provider.Request{Conversation: canonical(t, tt.conversation), Model: tt.model}, true)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, tt.want)
		})
	}
}

func TestEncodeConversationRefuses(t *testing.T) {
	const hi = `{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}`
	for name, c := range map[string]string{
		"no turn":                `{"messages":[{"role":"ROLE_SYSTEM","parts":[{"text":{"text":"a"}}]}]}`,
		"S3":                     `{"messages":[{"role":"ROLE_USER","parts":[{"image":{"blob":{"uri":"s3://b/o"}}}]}]}`,
		"arguments no object":    `{"messages":[` + hi + `,{"role":"ROLE_ASSISTANT","parts":[{"toolCall":{"id":"a","name":"f","arguments":"[1]"}}]}]}`,
		"a result of nothing":    `{"messages":[` + hi + `,{"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"a"}}]}]}`,
		"a tool's words":         `{"messages":[{"role":"ROLE_TOOL","parts":[{"text":{"text":"a"}}]}]}`,
		"a picture instructs":    `{"messages":[{"role":"ROLE_SYSTEM","parts":[{"image":{"blob":{"data":"AQI="}}}]},` + hi + `]}`,
		"broken schema":          `{"messages":[` + hi + `],"tools":[{"name":"f","parameters":"{"}]}`,
		"strict tool":            `{"messages":[` + hi + `],"tools":[{"name":"f","strict":true}]}`,
		"one call at a time":     `{"messages":[` + hi + `],"tools":[{"name":"f"}],"toolChoice":{"disableParallel":true}}`,
		"a part without content": `{"messages":[{"role":"ROLE_USER","parts":[{}]}]}`,
	} {
		_, err := EncodeConversation(&provider.Request{Conversation: canonical(t, c), Model: "gemini-2.5-pro"}, false)
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEncodeContext(t *testing.T) {
	c := canonical(t, `{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}`)
	got, err := EncodeConversation(&provider.Request{Conversation: c, Model: "m", Context: "<c>"}, false)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"contents":[{"role":"user","parts":[{"text":"<c>\n\nHi"}]}]}`)
}

func TestThinking(t *testing.T) {
	const (
		none, minimal = llmv1.Reasoning_EFFORT_NONE, llmv1.Reasoning_EFFORT_MINIMAL
		medium, xhigh = llmv1.Reasoning_EFFORT_MEDIUM, llmv1.Reasoning_EFFORT_XHIGH
	)
	budget := int64(77)
	for _, tt := range []struct {
		model string
		in    *llmv1.Reasoning
		want  string
	}{
		{"gemini-2.5-flash", &llmv1.Reasoning{Effort: none}, `{"thinkingBudget":0}`},
		{"gemini-2.5-pro", &llmv1.Reasoning{Effort: none}, `{"thinkingBudget":128}`},
		{"gemini-2.5-pro", &llmv1.Reasoning{Effort: xhigh}, `{"thinkingBudget":32768}`},
		{"gemini-2.5-flash", &llmv1.Reasoning{Effort: minimal}, `{"thinkingBudget":1024}`},
		{"gemini-3-flash-preview", &llmv1.Reasoning{Effort: none}, `{"thinkingLevel":"MINIMAL"}`},
		{"gemini-3-pro-preview", &llmv1.Reasoning{Effort: minimal}, `{"thinkingLevel":"LOW"}`},
		{"gemini-3-pro-preview", &llmv1.Reasoning{Effort: medium}, `{"thinkingLevel":"HIGH"}`},
		{"gemini-3.1-pro", &llmv1.Reasoning{Effort: medium}, `{"thinkingLevel":"MEDIUM"}`},
		{"gemini-flash-latest", &llmv1.Reasoning{Effort: xhigh}, `{"thinkingLevel":"HIGH"}`},
		{"gemini-10-flash", &llmv1.Reasoning{Effort: xhigh}, `{"thinkingLevel":"HIGH"}`},
		{"gemini-3-pro", &llmv1.Reasoning{Effort: xhigh, BudgetTokens: &budget}, `{"thinkingBudget":77}`},
		{"gemini-3-pro", &llmv1.Reasoning{IncludeThinking: true}, `{"includeThoughts":true}`},
	} {
		e := &encoder{model: tt.model, buf: []byte("{")}
		e.thinking(tt.in)
		e.raw("}")
		same(t, e.buf, `{"thinkingConfig":`+tt.want+`}`)
	}
	e := &encoder{buf: []byte("{")}
	if e.thinking(&llmv1.Reasoning{}); string(e.buf) != "{" {
		t.Errorf("got %s", e.buf)
	}
}

// Some servers give the ids of one answer again in the next.
func TestEncodeIDsThatComeAgain(t *testing.T) {
	turn := func(name string) string {
		return `{"role":"ROLE_ASSISTANT","parts":[{"toolCall":{"id":"call_0","name":"` + name + `","arguments":"{}"}}]},
		  {"role":"ROLE_TOOL","parts":[{"toolResult":{"toolCallId":"call_0","parts":[{"text":{"text":"of ` + name + `"}}]}}]}`
	}
	c := canonical(t, `{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]},`+turn("f")+`,`+turn("g")+`]}`)
	got, err := EncodeConversation(&provider.Request{Conversation: c, Model: "gemini-2.5-pro"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "g"} {
		if want := `"name":"` + name + `","response":{"output":"of ` + name + `"}`; !strings.Contains(string(got), want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}
