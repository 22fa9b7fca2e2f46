package gemini

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// same compares JSON by its meaning.
func same(t testing.TB, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// requests are whole requests, with members that nobody knows.
var requests = []string{
	`{` + user + `}`,
	`{ "contents" : [ { "parts":[{"text":"Hi","x":1}],"role":"user","y":{} } ] , "unknownMember":[1,{"a":null}], "safetySettings":[{"category":"C","threshold":"BLOCK_NONE"}] }`,
	`{"contents":{"parts":{"text":"Hi"}},"system_instruction":{"parts":{"text":"Be brief."}},"generation_config":{"top_k":1,"z":2}}`,
	`{"systemInstruction":{"parts":[{"text":"a"},{"text":"b"}]},"contents":[{"role":"user","parts":[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":"AQI="}}]},
	  {"role":"model","parts":[{"text":"t","thought":true},{"functionCall":{"name":"f","args":{"a": 1.0, "b":"\u00e9"}},"thoughtSignature":"eA=="}]},
	  {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"sunny"}}}]}],
	  "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]},{"googleSearch":{}}],"generationConfig":{"temperature":null,"stopSequences":[]}}`,
}

// A request for a target of the same format is the client's, member for member.
func TestRenderIsTheClients(t *testing.T) {
	for _, body := range requests {
		r, c := mustParse(t, body)
		got, err := r.Render(&provider.Request{Conversation: c, Model: "m"}, true)
		if err != nil || string(got) != body {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestRenderChanges(t *testing.T) {
	zero, seed := 0.0, int64(7)
	tests := []struct {
		name, body string
		to         provider.Request
		want       string
	}{
		{
			"masked texts",
			`{"contents":[{"parts":[{"text":"my key"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"k":"key"}}}]},
			  {"parts":[{"functionResponse":{"name":"f","response":{"a":"key"}}},{"functionResponse":{"name":"f","response":{"output":"key"}}},{"functionResponse":{"name":"f","response":{"b":"key"}}}]}],
			  "systemInstruction":{"parts":[{"text":"key"}]}}`,
			provider.Request{Revisions: map[int]string{0: "*", 1: "my \"*\"", 2: `{"k":"*"}`, 3: `{"a":"*"}`, 4: "*", 5: "no object"}},
			`{"contents":[{"parts":[{"text":"my \"*\""}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"k":"*"}}}]},
			  {"parts":[{"functionResponse":{"name":"f","response":{"a":"*"}}},{"functionResponse":{"name":"f","response":{"output":"*"}}},{"functionResponse":{"name":"f","response":{"output":"no object"}}}]}],
			  "systemInstruction":{"parts":[{"text":"*"}]}}`,
		},
		{
			"masked bytes", `{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"aGVsbG8="}}]}]}`,
			provider.Request{Revisions: map[int]string{0: "a,b"}},
			`{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"YSxi"}}]}]}`,
		},
		{"model in the body", `{"model":"models/m",` + user + `}`, provider.Request{Model: "other"}, `{"model":"models/other",` + user + `}`},
		{
			"context",
			`{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]},{"role":"user","parts":[{"functionResponse":{"name":"f"}},{"text":"c"},{"text":"d"}]}]}`,
			provider.Request{Context: "<c>"},
			`{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]},{"role":"user","parts":[{"functionResponse":{"name":"f"}},{"text":"<c>"},{"text":"c"},{"text":"d"}]}]}`,
		},
		{
			"context where nothing is a list", `{"contents":{"parts":{"text":"a"}},"systemInstruction":{"parts":{"text":"s"}}}`,
			provider.Request{Context: "<c>", Instructions: "first", Revisions: map[int]string{1: "*"}},
			`{"contents":{"parts":[{"text":"<c>"},{"text":"*"}]},"systemInstruction":{"parts":[{"text":"first"},{"text":"s"}]}}`,
		},
		{
			"context where no user speaks", `{"contents":[{"role":"model","parts":[{"text":"a"}]}]}`,
			provider.Request{Context: "<c>"},
			`{"contents":[{"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"<c>"}]}]}`,
		},
		{
			"context behind the only turn", `{"contents":{"role":"model","parts":[{"text":"a"}]}}`,
			provider.Request{Context: "<c>"},
			`{"contents":[{"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"<c>"}]}]}`,
		},
		{"instructions", `{` + user + `}`, provider.Request{Instructions: "first"}, `{"systemInstruction":{"parts":[{"text":"first"}]},` + user + `}`},
		{"instructions for null", `{` + user + `,"system_instruction":null}`, provider.Request{Instructions: "first"}, `{` + user + `,"system_instruction":{"parts":[{"text":"first"}]}}`},
		{"instructions for none", `{` + user + `,"systemInstruction":{"role":"x"}}`, provider.Request{Instructions: "first"}, `{` + user + `,"systemInstruction":{"parts":[{"text":"first"}],"role":"x"}}`},
		{"instructions for an empty object", `{` + user + `,"systemInstruction":{ }}`, provider.Request{Instructions: "first"}, `{` + user + `,"systemInstruction":{"parts":[{"text":"first"}]}}`},
		{"instructions for null parts", `{` + user + `,"systemInstruction":{"parts":null}}`, provider.Request{Instructions: "first"}, `{` + user + `,"systemInstruction":{"parts":[{"text":"first"}]}}`},
		{"instructions for no parts", `{` + user + `,"systemInstruction":{"parts":[]}}`, provider.Request{Instructions: "first"}, `{` + user + `,"systemInstruction":{"parts":[{"text":"first"}]}}`},
		{"instructions before others", `{` + user + `,"systemInstruction":{"parts":[{"text":"a"}]}}`, provider.Request{Instructions: "first"}, `{` + user + `,"systemInstruction":{"parts":[{"text":"first"},{"text":"a"}]}}`},
		{"defaults", `{` + user + `}`, provider.Request{Defaults: &llmv1.Sampling{Temperature: &zero}}, `{"generationConfig":{"temperature":0},` + user + `}`},
		{"defaults for null", `{` + user + `,"generationConfig":null}`, provider.Request{Defaults: &llmv1.Sampling{Seed: &seed}}, `{` + user + `,"generationConfig":{"seed":7}}`},
		{"defaults for an empty object", `{` + user + `,"generationConfig":{}}`, provider.Request{Defaults: &llmv1.Sampling{Seed: &seed}}, `{` + user + `,"generationConfig":{"seed":7}}`},
		{
			"defaults beside others and for nulls", `{` + user + `,"generation_config":{"top_k":3,"temperature":null,"stop_sequences":[]}}`,
			provider.Request{Defaults: &llmv1.Sampling{Temperature: &zero, Seed: &seed, Stop: []string{"x", "\""}}},
			`{` + user + `,"generation_config":{"seed":7,"top_k":3,"temperature":0,"stop_sequences":["x","\""]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, c := mustParse(t, tt.body)
			tt.to.Conversation = c
			got, err := r.Render(&tt.to, false)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, tt.want)
		})
	}
	r, c := mustParse(t, `{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]}]}`)
	for _, revisions := range []map[int]string{{2: "x"}, {-1: "x"}, {1: "no object"}} {
		if _, err := r.Render(&provider.Request{Conversation: c, Revisions: revisions}, false); err == nil {
			t.Errorf("revisions %v were made", revisions)
		}
	}
}

// What a masked request says to the provider is what its canonical form says.
func TestRenderAgreesWithCanonical(t *testing.T) {
	for _, body := range requests {
		r, c := mustParse(t, body)
		to := &provider.Request{Conversation: c, Model: "m", Revisions: map[int]string{}}
		for i, text := range conversation.Texts(c) {
			if !strings.HasPrefix(*text.Value, "{") {
				to.Revisions[i] = "<" + *text.Value + ">"
			}
		}
		conversation.Revise(c, to.Revisions)
		got, err := r.Render(to, false)
		if err != nil {
			t.Fatal(err)
		}
		_, again := mustParse(t, string(got))
		for i, text := range conversation.Texts(again) {
			if want := *conversation.Texts(c)[i].Value; *text.Value != want {
				t.Errorf("text %d: %q, want %q", i, *text.Value, want)
			}
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, body := range requests {
		f.Add(body, "masked \"text\"", "context")
	}
	f.Fuzz(func(t *testing.T, body, text, context string) {
		r, c, err := ParseRequest("m", []byte(body))
		if err != nil {
			return
		}
		texts := conversation.Texts(c)
		if len(texts) != len(r.texts) {
			t.Fatalf("%d places of %d texts", len(r.texts), len(texts))
		}
		got, err := r.Render(&provider.Request{Conversation: c, Model: "m"}, false)
		if err != nil || string(got) != body {
			t.Fatalf("got %s, %v", got, err)
		}
		seed := int64(1)
		to := &provider.Request{
			Conversation: c, Model: "n", Context: context, Instructions: text, Revisions: map[int]string{},
			Defaults: &llmv1.Sampling{},
		}
		if c.GetSampling() == nil || c.GetSampling().Seed == nil {
			to.Defaults.Seed = &seed
		}
		for i := range texts {
			if r.texts[i].kind == placeText && text != "" {
				to.Revisions[i] = text
			}
		}
		got, err = r.Render(to, false)
		if err != nil || !json.Valid(got) {
			t.Fatalf("got %s, %v", got, err)
		}
		name := "m"
		if r.bodyModel.End > 0 {
			name = "n"
		}
		if _, _, err := ParseRequest(name, got); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if _, err := EncodeConversation(&provider.Request{Conversation: c, Model: "gemini-2.5-pro"}, false); err == nil {
			if body, _ := EncodeConversation(&provider.Request{Conversation: c, Model: "gemini-3-pro"}, false); !json.Valid(body) {
				t.Fatalf("not JSON: %s", body)
			}
		}
	})
}
