package gemini

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// answers are whole answers, with members that nobody knows.
var answers = []string{
	`{"candidates":[{"content":{"parts":[{"text":"Hi you"}],"role":"model"},"finishReason":"STOP","index":0,"avgLogprobs":-0.1,"safetyRatings":[]}],
	  "usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":18,"thoughtsTokenCount":3,"cachedContentTokenCount":4,"trafficType":"ON_DEMAND"},"modelVersion":"m-001","responseId":"r1","x":{"y":1}}`,
	`{ "responseId":"r2", "candidates" : [ {"finishReason" : "STOP", "content":{"role":"model","parts":[{"text":"hm \"é\"","thought":true},{"functionCall":{"name":"f","args":{"a": 1.0, "b":"\u00e9"}},"thoughtSignature":"c2ln"},
	  {"functionCall":{"id":"x","name":"g"}},{"text":"","thoughtSignature":"eA=="}]}} ] }`,
	`{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"print(1)"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}},{"inlineData":{"mimeType":"image/png","data":"AQI="}},{"toolCall":{"id":"a"}}]},"finishReason":"MAX_TOKENS"},
	  {"content":{"parts":[{"text":"see"}]},"index":1,"finishReason":"SAFETY","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],"groundingSupports":[{"segment":{"text":"see"}}]},"logprobsResult":{}}],"modelVersion":"m"}`,
}

func TestDecodeCompletion(t *testing.T) {
	wants := []string{
		`{"id":"r1","model":"m-001","candidates":[{"message":{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"Hi you"}}]},"finishReason":"FINISH_REASON_STOP"}],
		  "usage":{"inputTokens":"6","cacheReadTokens":"4","outputTokens":"5","reasoningTokens":"3","source":"USAGE_SOURCE_PROVIDER"}}`,
		`{"id":"r2","candidates":[{"message":{"role":"ROLE_ASSISTANT","parts":[{"thinking":{"text":"hm \"é\""}},{"toolCall":{"id":"ID","name":"f","arguments":"{\"a\": 1.0, \"b\":\"\\u00e9\"}","signature":"c2ln"}},{"toolCall":{"id":"x","name":"g","arguments":"{}"}}]},"finishReason":"FINISH_REASON_TOOL_CALLS"}]}`,
		`{"model":"m","candidates":[{"message":{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"print(1)"}},{"text":{"text":"1\n"}},{"image":{"blob":{"data":"AQI=","mediaType":"image/png"}}},{"text":{"text":"{\"id\":\"a\"}"}}]},"finishReason":"FINISH_REASON_LENGTH"},
		  {"index":1,"message":{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"see","citations":[{"uri":"https://a","title":"A"}]}}]},"finishReason":"FINISH_REASON_CONTENT_FILTER"}]}`,
	}
	for i, raw := range answers {
		got, err := DecodeCompletion([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 { // its id was made up
			call := got.GetCandidates()[0].GetMessage().GetParts()[1].GetToolCall()
			if again, _ := DecodeCompletion([]byte(raw)); !madeUp(call.GetId()) || !proto.Equal(got, again) {
				t.Errorf("the id %q is not stable", call.GetId())
			}
			call.Id = "ID"
		}
		want := &llmv1.Completion{}
		if err := protojson.Unmarshal([]byte(wants[i]), want); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", protojson.Format(got), protojson.Format(want))
		}
	}
}

func TestDecodeCompletionFails(t *testing.T) {
	const unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	for raw, want := range map[string]llmv1.ErrorReason{
		`{"candidates":[`: unavailable,
		`[]`:              unavailable,
		`{}`:              unavailable,
		`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"secret"}}`:                                     llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED,
		`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}`:                                                   unavailable,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[]}}]},"finishReason":"STOP"}]}`: unavailable,
		`{"error":{"code":429,"message":"secret","status":"RESOURCE_EXHAUSTED"}}`:                                       llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	} {
		_, err := DecodeCompletion([]byte(raw))
		if e := errs.From(err); e == nil || e.Reason != want || strings.Contains(e.LogValue().String(), "secret") {
			t.Errorf("%s: got %v", raw, err)
		}
	}
}

func TestUsageIsDisjoint(t *testing.T) {
	for raw, want := range map[string]string{
		`{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":7,"candidatesTokenCount":0,"totalTokenCount":107,"promptTokensDetails":[{"modality":"TEXT","tokenCount":70},{"modality":"AUDIO","tokenCount":30}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":10}]}`: `{"inputTokens":"47","cacheReadTokens":"40","inputAudioTokens":"20","source":"USAGE_SOURCE_PROVIDER"}`,
		`{"promptTokenCount":1,"cachedContentTokenCount":5,"candidatesTokenCount":9,"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":4}]}`:                                                                                                                                                   `{"cacheReadTokens":"1","outputTokens":"5","outputAudioTokens":"4","source":"USAGE_SOURCE_PROVIDER"}`,
	} {
		s, got, want1 := newScanner([]byte(raw)), &llmv1.Usage{}, &llmv1.Usage{}
		if !s.readUsage(got) {
			t.Fatal("no usage")
		}
		if err := protojson.Unmarshal([]byte(want), want1); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want1) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	for _, raw := range []string{`null`, `{}`, `{"trafficType":"X"}`} {
		if s := newScanner([]byte(raw)); s.readUsage(&llmv1.Usage{}) {
			t.Errorf("%s is usage", raw)
		}
	}
}

// An answer for a client of the same format is the provider's, byte for byte.
func TestEncodeAnswerIsTheProviders(t *testing.T) {
	for _, raw := range answers {
		c, err := DecodeCompletion([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := EncodeAnswer(&provider.Answer{Completion: c, Native: []byte(raw), Dialect: Dialect}, nil); string(got) != raw {
			t.Errorf("got %s", got)
		}
	}
}

func TestEncodeAnswerRevised(t *testing.T) {
	c, _ := DecodeCompletion([]byte(answers[1]))
	texts := conversation.AnswerTexts(c.GetCandidates()[0].GetMessage())
	*texts[0].Value, *texts[1].Value = "*", `{"a":"*"}`
	got := EncodeAnswer(&provider.Answer{Completion: c, Native: []byte(answers[1]), Dialect: Dialect}, nil)
	same(t, got, strings.NewReplacer(`hm \"é\"`, `*`, `{"a": 1.0, "b":"\u00e9"}`, `{"a":"*"}`).Replace(answers[1]))

	c, _ = DecodeCompletion([]byte(answers[2]))
	*conversation.AnswerTexts(c.GetCandidates()[1].GetMessage())[0].Value = "*"
	c.GetCandidates()[1].FinishReason = llmv1.FinishReason_FINISH_REASON_STOP
	got = EncodeAnswer(&provider.Answer{Completion: c, Native: []byte(answers[2]), Dialect: Dialect}, nil)
	same(t, got, strings.NewReplacer(`[{"text":"see"}]`, `[{"text":"*"}]`, `[{"segment":{"text":"see"}}]`, `null`, `"logprobsResult":{}`, `"logprobsResult":null`, "SAFETY", "STOP").Replace(answers[2]))

	// What cannot be put in place is written anew: nothing of the old text stays.
	*conversation.AnswerTexts(c.GetCandidates()[0].GetMessage())[2].Value = "*"
	got = EncodeAnswer(&provider.Answer{Completion: c, Native: []byte(answers[2]), Dialect: Dialect}, nil)
	if !json.Valid(got) || strings.Contains(string(got), `"id":"a"`) || !strings.Contains(string(got), "print(1)") {
		t.Errorf("got %s", got)
	}
}

func TestEncodeCompletion(t *testing.T) {
	c := &llmv1.Completion{}
	if err := protojson.Unmarshal([]byte(`{"id":"r","model":"m","candidates":[
	  {"message":{"parts":[{"thinking":{"text":"hm","signature":"s-g"}},{"text":{"text":"see [1]"}},{"toolCall":{"id":"call_1","name":"f","arguments":"{\"a\": 1}"}},{"toolCall":{"id":"tgcall_9","name":"g"}}]},"finishReason":"FINISH_REASON_TOOL_CALLS"},
	  {"index":1,"message":{"parts":[{"toolCall":{"id":"x","name":"f","arguments":"{"}}]},"finishReason":"FINISH_REASON_TOOL_CALLS"}],
	  "usage":{"inputTokens":"6","cacheReadTokens":"4","outputTokens":"5","reasoningTokens":"3","inputAudioTokens":"1","source":"USAGE_SOURCE_PROVIDER"}}`), c); err != nil {
		t.Fatal(err)
	}
	sources := []*llmv1.Citation{{Marker: "1", Document: "collections/a/documents/b", Title: "B"}, {Marker: "2", Uri: "https://c"}}
	same(t, EncodeAnswer(&provider.Answer{Completion: c}, sources), `{"candidates":[
	  {"content":{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"`+signatureText("s-g", nil)+`"},{"text":"see [1]"},{"functionCall":{"id":"call_1","name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{}}}]},"finishReason":"STOP","index":0,
	   "groundingMetadata":{"groundingChunks":[{"web":{"uri":"collections/a/documents/b","title":"B"}}],"groundingSupports":[{"segment":{"partIndex":1,"startIndex":4,"endIndex":7,"text":"[1]"},"groundingChunkIndices":[0]}]}},
	  {"content":{"role":"model","parts":[]},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f","index":1}],
	  "usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":5,"totalTokenCount":19,"cachedContentTokenCount":4,"thoughtsTokenCount":3,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":1}]},
	  "modelVersion":"m","responseId":"r"}`)
}

// Sources that the gateway found stand beside those of the provider.
func TestEncodeAnswerCites(t *testing.T) {
	const raw = `{"candidates":[{"content":{"parts":[{"text":"see [1]"}]},"finishReason":"STOP"}],"x":1}`
	sources := []*llmv1.Citation{{Marker: "1", Uri: "https://s"}}
	for _, native := range []string{raw, strings.Replace(raw, `"finishReason"`, `"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a"}}]},"finishReason"`, 1)} {
		c, err := DecodeCompletion([]byte(native))
		if err != nil {
			t.Fatal(err)
		}
		got := EncodeAnswer(&provider.Answer{Completion: c, Native: []byte(native), Dialect: Dialect}, sources)
		again, err := DecodeCompletion(got)
		if err != nil {
			t.Fatal(err)
		}
		cites := again.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetCitations()
		if len(cites) == 0 || cites[len(cites)-1].GetUri() != "https://s" || len(cites) != 1+strings.Count(native, "https://a") || !strings.Contains(string(got), `"x":1`) {
			t.Errorf("got %s", got)
		}
	}
}

func FuzzCompletion(f *testing.F) {
	for _, raw := range answers {
		f.Add([]byte(raw), "masked")
	}
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		c, err := DecodeCompletion(raw)
		if err != nil {
			return
		}
		native := &provider.Answer{Completion: c, Native: raw, Dialect: Dialect}
		if got := EncodeAnswer(native, nil); string(got) != string(raw) {
			t.Fatalf("got %s", got)
		}
		for _, candidate := range c.GetCandidates() {
			for _, one := range conversation.AnswerTexts(candidate.GetMessage()) {
				*one.Value = text
			}
		}
		for _, a := range []*provider.Answer{native, {Completion: c}} {
			got := EncodeAnswer(a, []*llmv1.Citation{{Marker: "1"}})
			if !json.Valid(got) {
				t.Fatalf("not JSON: %s", got)
			}
		}
	})
}
