package gemini_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genai"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// said is what the SDK makes of an answer.
type said struct {
	text, thoughts string
	calls          []*genai.FunctionCall
	content        *genai.Content
	finish         genai.FinishReason
	usage          *genai.GenerateContentResponseUsageMetadata
}

func (s *said) add(r *genai.GenerateContentResponse) {
	if r.UsageMetadata != nil {
		s.usage = r.UsageMetadata
	}
	for _, c := range r.Candidates {
		if c.FinishReason != "" {
			s.finish = c.FinishReason
		}
		if c.Content == nil || c.Index != 0 {
			continue
		}
		if s.content == nil {
			s.content = &genai.Content{Role: "model"}
		}
		for _, p := range c.Content.Parts {
			if p.Text != "" || p.FunctionCall != nil || p.ThoughtSignature != nil {
				s.content.Parts = append(s.content.Parts, p)
			}
			switch {
			case p.FunctionCall != nil:
				s.calls = append(s.calls, p.FunctionCall)
			case p.Thought:
				s.thoughts += p.Text
			default:
				s.text += p.Text
			}
		}
	}
}

// both asks for a whole answer and for a stream.
func both(t *testing.T, w *world, model string, contents []*genai.Content, config *genai.GenerateContentConfig) [2]said {
	t.Helper()
	client := sdk(t, w)
	var out [2]said
	whole, err := client.Models.GenerateContent(t.Context(), model, contents, config)
	if err != nil {
		t.Fatal(err)
	}
	out[0].add(whole)
	for chunk, err := range client.Models.GenerateContentStream(t.Context(), model, contents, config) {
		if err != nil {
			t.Fatal(err)
		}
		out[1].add(chunk)
	}
	return out
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	for target := range targets {
		t.Run(target, func(t *testing.T) { test(t, newWorld(t, target)) })
	}
}

// The official SDK gets the same answer whether the target speaks its format
// or another one, streamed or not.
func TestSDKPlain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		config := &genai.GenerateContentConfig{
			SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser), Temperature: genai.Ptr[float32](0.5), MaxOutputTokens: 99,
		}
		const words = "one two\n\"three\" 😀"
		for i, got := range both(t, w, "m", genai.Text(words), config) {
			if got.text != "You said: "+words || got.finish != genai.FinishReasonStop || got.usage == nil || got.usage.PromptTokenCount != 6 || got.usage.CandidatesTokenCount != 6 || got.usage.TotalTokenCount != 12 {
				t.Errorf("%d: got %+v, %+v", i, got, got.usage)
			}
		}
	})
}

var cities = map[string]any{
	"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}, "n": map[string]any{"type": "integer"}}, "required": []any{"city"},
}

func functions() *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{
		{Name: "f", Description: "finds", ParametersJsonSchema: cities},
		{Name: "g", Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}}},
	}}}}
}

// A model calls, one tool or two at once, and goes on with what they gave back.
func TestSDKTools(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for model, want := range map[string]int{"m": 1, providertest.ParallelTools: 2, "gemini-3-pro-preview": 1} {
			for i, got := range both(t, w, model, genai.Text("look it up"), functions()) {
				if len(got.calls) != want || got.calls[0].Name != "f" || got.calls[0].Args["city"] != "some text" || got.finish != genai.FinishReasonStop {
					t.Fatalf("%s, %d: got %+v", model, i, got)
				}
				contents := append(genai.Text("look it up"), got.content)
				results := &genai.Content{Role: "user"}
				for _, call := range got.calls {
					if strings.HasPrefix(call.ID, "tgcall_") {
						t.Errorf("%s: a made-up id got out: %s", model, call.ID)
					}
					results.Parts = append(results.Parts, &genai.Part{FunctionResponse: &genai.FunctionResponse{ID: call.ID, Name: call.Name, Response: map[string]any{"output": "sunny"}}})
				}
				for n, after := range both(t, w, model, append(contents, results), functions()) {
					if !strings.Contains(after.text, "sunny") {
						t.Errorf("%s, %d: got %+v", model, n, after)
					}
				}
			}
		}
		for _, sent := range w.sent() {
			if strings.Contains(sent.Path, "enerateContent") && strings.Contains(string(sent.Body), "tgcall_") {
				t.Errorf("sent %s", sent.Body)
			}
		}
	})
}

func TestSDKStructured(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, config := range []*genai.GenerateContentConfig{
			{ResponseMIMEType: "application/json", ResponseJsonSchema: cities},
			{ResponseMIMEType: "application/json", ResponseSchema: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}, Required: []string{"city"}}},
		} {
			for i, got := range both(t, w, "m", genai.Text("look"), config) {
				var answer struct{ City string }
				if err := json.Unmarshal([]byte(got.text), &answer); err != nil || answer.City != "some text" {
					t.Errorf("%d: %v: %s", i, err, got.text)
				}
			}
		}
	})
}

func TestSDKImage(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		contents := []*genai.Content{{Role: "user", Parts: []*genai.Part{genai.NewPartFromBytes([]byte("\x89PNG"), "image/png"), {Text: "what is this"}}}}
		for i, got := range both(t, w, "m", contents, nil) {
			if !strings.Contains(got.text, "image/png of 4 bytes") {
				t.Errorf("%d: got %q", i, got.text)
			}
		}
	})
}

func TestSDKThinking(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		config := &genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingLevel: genai.ThinkingLevelLow}}
		for i, got := range both(t, w, providertest.Thinking, genai.Text("look"), config) {
			if got.thoughts == "" || got.text != "You said: look" || got.usage.ThoughtsTokenCount == 0 {
				t.Errorf("%d: got %+v, %+v", i, got, got.usage)
			}
		}
	})
}

func TestSDKEmbedAndCount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := sdk(t, w)
		contents := []*genai.Content{genai.NewContentFromText("a", "user"), genai.NewContentFromText("b c", "user")}
		got, err := client.Models.EmbedContent(t.Context(), "m", contents, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](4)})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Embeddings) != 2 || !slices.Equal(got.Embeddings[1].Values, providertest.Vector("b c", 4)) {
			t.Errorf("got %+v", got.Embeddings)
		}
		n, err := client.Models.CountTokens(t.Context(), "m", genai.Text("one two three"), nil)
		if err != nil || n.TotalTokens != 3 && n.TotalTokens != 42 {
			t.Errorf("counted %+v, %v", n, err)
		}
		page, err := client.Models.List(t.Context(), nil)
		if err != nil || len(page.Items) != 2 || page.Items[0].Name != "models/gpt-4o-mini" {
			t.Errorf("got %+v, %v", page, err)
		}
		one, err := client.Models.Get(t.Context(), "gpt-4o-mini", nil)
		if err != nil || one.Name != "models/gpt-4o-mini" {
			t.Errorf("got %+v, %v", one, err)
		}
	})
}

// Candidates beside each other do not mix.
func TestSDKCandidates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := sdk(t, w)
		texts := map[int32]string{}
		for chunk, err := range client.Models.GenerateContentStream(t.Context(), "m", genai.Text("one two"), &genai.GenerateContentConfig{CandidateCount: 2}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chunk.Candidates {
				if c.Content == nil { // nothing but the end
					continue
				}
				for _, p := range c.Content.Parts {
					texts[c.Index] += p.Text
				}
			}
		}
		if texts[0] != "You said: one two" || texts[1] != texts[0] {
			t.Errorf("got %q", texts)
		}
	})
}

func TestSDKErrors(t *testing.T) {
	w := newWorld(t, "native")
	client := sdk(t, w)
	for _, tt := range []struct {
		reason llmv1.ErrorReason
		code   int
		status string
	}{
		{llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, 429, "RESOURCE_EXHAUSTED"},
		{llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, 404, "NOT_FOUND"},
		{llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, 502, "UNAVAILABLE"},
	} {
		w.Err = errs.New(tt.reason, "")
		_, err := client.Models.GenerateContent(t.Context(), "m", genai.Text("x"), nil)
		var failure genai.APIError
		if !errors.As(err, &failure) || failure.Code != tt.code || failure.Status != tt.status || len(failure.Details) == 0 {
			t.Errorf("%v: got %v", tt.reason, err)
		}
		for _, err := range client.Models.GenerateContentStream(t.Context(), "m", genai.Text("x"), nil) {
			if failure = (genai.APIError{}); !errors.As(err, &failure) || failure.Code != tt.code {
				t.Errorf("%v: got %v", tt.reason, err)
			}
		}
	}
	w.Err = nil
	w.After, w.Reason = 3, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	var last error
	for _, err := range client.Models.GenerateContentStream(t.Context(), "m", genai.Text("one two three four five"), nil) {
		last = err
	}
	var failure genai.APIError
	if !errors.As(last, &failure) {
		t.Errorf("a cut stream ended with %v", last)
	}
}
