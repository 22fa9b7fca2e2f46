package gemini_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"google.golang.org/genai"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/gemini"
)

type token struct{}

func (token) Token(context.Context) (*auth.Token, error) {
	return &auth.Token{Value: "ya29.test", Type: "Bearer"}, nil
}

// The official SDK is the judge of whether the fake speaks the real format.
func client(t *testing.T, s *gemini.Server, vertex bool) *genai.Client {
	t.Helper()
	config := &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: "k-test", HTTPOptions: genai.HTTPOptions{BaseURL: s.BaseURL()}}
	if vertex {
		config.Backend, config.APIKey = genai.BackendVertexAI, ""
		config.Project, config.Location = "p", "europe-west1"
		config.Credentials = auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: token{}})
	}
	c, err := genai.NewClient(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type ask struct {
	model    string
	contents []*genai.Content
	config   *genai.GenerateContentConfig
}

func said(model string, parts ...*genai.Part) ask {
	parts = append(parts, genai.NewPartFromText("one two three four"))
	return ask{model: model, contents: []*genai.Content{genai.NewContentFromParts(parts, genai.RoleUser)}}
}

func (a ask) with(config genai.GenerateContentConfig) ask {
	a.config = &config
	return a
}

// streamed joins the chunks of a stream, as applications do.
func streamed(t *testing.T, c *genai.Client, a ask) (*genai.GenerateContentResponse, error) {
	t.Helper()
	var out *genai.GenerateContentResponse
	for chunk, err := range c.Models.GenerateContentStream(t.Context(), a.model, a.contents, a.config) {
		if err != nil {
			return out, err
		}
		if out == nil {
			out = chunk
			continue
		}
		out.UsageMetadata = chunk.UsageMetadata
		for _, candidate := range chunk.Candidates {
			for len(out.Candidates) <= int(candidate.Index) {
				out.Candidates = append(out.Candidates, &genai.Candidate{Index: candidate.Index})
			}
			into := out.Candidates[candidate.Index]
			into.FinishReason = candidate.FinishReason
			if candidate.Content != nil && into.Content != nil {
				into.Content.Parts = append(into.Content.Parts, candidate.Content.Parts...)
			} else if candidate.Content != nil {
				into.Content = candidate.Content
			}
		}
	}
	return out, nil
}

func both(t *testing.T, c *genai.Client, a ask) []*genai.GenerateContentResponse {
	t.Helper()
	whole, err := c.Models.GenerateContent(t.Context(), a.model, a.contents, a.config)
	if err != nil {
		t.Fatal(err)
	}
	live, err := streamed(t, c, a)
	if err != nil {
		t.Fatal(err)
	}
	return []*genai.GenerateContentResponse{whole, live}
}

// shape writes an answer in one line.
func shape(r *genai.GenerateContentResponse) string {
	var out strings.Builder
	for _, c := range r.Candidates {
		kind := ""
		if c.Content != nil {
			for _, p := range c.Content.Parts {
				now := "text:"
				if p.Thought {
					now = "thought:"
				}
				if p.FunctionCall != nil {
					fmt.Fprintf(&out, "|call:%s:%s%v", p.FunctionCall.ID, p.FunctionCall.Name, p.FunctionCall.Args)
				} else if now == kind {
					out.WriteString(p.Text)
				} else {
					out.WriteString("|" + now + p.Text)
				}
				if kind = now; len(p.ThoughtSignature) > 0 {
					out.WriteString(":signed")
				}
			}
		}
		out.WriteString("|" + string(c.FinishReason))
	}
	return out.String()
}

func functions(names ...string) genai.GenerateContentConfig {
	var out []*genai.FunctionDeclaration
	for _, name := range names {
		out = append(out, &genai.FunctionDeclaration{Name: name, Parameters: &genai.Schema{
			Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}},
		}})
	}
	return genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: out}}}
}

func TestAnswers(t *testing.T) {
	named := functions("f", "g")
	named.ToolConfig = &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{
		Mode: genai.FunctionCallingConfigModeAny, AllowedFunctionNames: []string{"g"},
	}}
	schema := map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"one"}}}}}
	tests := map[string]struct {
		ask  ask
		want string
	}{
		"text":     {said("m"), "|text:You said: one two three four|STOP"},
		"tool":     {said("m").with(functions("f", "g")), "|call::fmap[city:some text]|STOP"},
		"parallel": {said("m~" + providertest.ParallelTools).with(functions("f", "g")), "|call::fmap[city:some text]|call::gmap[city:some text 2]|STOP"},
		"ids":      {said("gemini-3~" + providertest.ParallelTools).with(functions("f")), "|call:fc_0:fmap[city:some text]:signed|call:fc_1:fmap[city:some text 2]|STOP"},
		"named":    {said("m").with(named), "|call::gmap[city:some text]|STOP"},
		"thinking": {
			said("m").with(genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true}}),
			"|thought:Thinking about: one two three four|text:You said: one two three four:signed|STOP",
		},
		"hidden": {
			said("m").with(genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{ThinkingBudget: genai.Ptr[int32](9)}}),
			"|text:You said: one two three four:signed|STOP",
		},
		"schema": {
			said("m").with(genai.GenerateContentConfig{ResponseMIMEType: "application/json", ResponseJsonSchema: schema}),
			`|text:{"a":["one"]}|STOP`,
		},
		"old schema": {
			said("m").with(genai.GenerateContentConfig{ResponseMIMEType: "application/json", ResponseSchema: &genai.Schema{Type: genai.TypeInteger}}),
			`|text:7|STOP`,
		},
		"length":   {said("m").with(genai.GenerateContentConfig{MaxOutputTokens: 2}), "|text:You said: |MAX_TOKENS"},
		"stop":     {said("m").with(genai.GenerateContentConfig{StopSequences: []string{"three"}}), "|text:You said: one two |STOP"},
		"refusal":  {said("m~" + providertest.Refusal), "|SAFETY"},
		"blocked":  {said("m~" + providertest.ContentFilter), ""},
		"image":    {said("m", genai.NewPartFromBytes([]byte{1, 2, 3}, "image/png")), "|text:I see image/png of 3 bytes. You said: one two three four|STOP"},
		"document": {said("m", genai.NewPartFromBytes([]byte("%PDF"), "application/pdf")), "|text:I see application/pdf of 4 bytes. You said: one two three four|STOP"},
	}
	for name, tt := range tests {
		for _, vertex := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/vertex=%t", name, vertex), func(t *testing.T) {
				for i, got := range both(t, client(t, gemini.New(t), vertex), tt.ask) {
					if shape(got) != tt.want {
						t.Errorf("answer %d:\ngot  %s\nwant %s", i, shape(got), tt.want)
					}
					u := got.UsageMetadata
					if u.PromptTokenCount == 0 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount {
						t.Errorf("answer %d: usage %+v", i, u)
					}
					if blocked := got.PromptFeedback != nil && got.PromptFeedback.BlockReason != ""; blocked != (tt.want == "") {
						t.Errorf("answer %d: feedback %+v", i, got.PromptFeedback)
					}
				}
			})
		}
	}
}

func TestCandidatesAndCache(t *testing.T) {
	c := client(t, gemini.New(t), false)
	for i, got := range both(t, c, said("m~"+providertest.Cached).with(genai.GenerateContentConfig{CandidateCount: 2})) {
		want := strings.Repeat("|text:You said: one two three four|STOP", 2)
		if shape(got) != want || got.UsageMetadata.CachedContentTokenCount != 2 || got.UsageMetadata.CandidatesTokenCount != 12 {
			t.Errorf("answer %d: %s %+v", i, shape(got), got.UsageMetadata)
		}
	}
}

func TestToolLoop(t *testing.T) {
	for _, model := range []string{"m~", "gemini-3~"} {
		c := client(t, gemini.New(t), false)
		a := said(model + providertest.ParallelTools).with(functions("f", "g"))
		live, err := streamed(t, c, a)
		if err != nil {
			t.Fatal(err)
		}
		var responses []*genai.Part
		for _, p := range live.Candidates[0].Content.Parts {
			response := genai.NewPartFromFunctionResponse(p.FunctionCall.Name, map[string]any{"output": "sunny for " + p.FunctionCall.Name})
			response.FunctionResponse.ID = p.FunctionCall.ID
			responses = append(responses, response)
		}
		a.contents = append(a.contents, live.Candidates[0].Content, genai.NewContentFromParts(responses, genai.RoleUser))
		for _, got := range both(t, c, a) {
			if !strings.Contains(shape(got), "The tools said: sunny for f | sunny for g. You said: one two three four") {
				t.Errorf("got %s", shape(got))
			}
		}
		a.contents[2].Parts = a.contents[2].Parts[:1]
		if _, err := streamed(t, c, a); err == nil {
			t.Error("one response for two calls was taken")
		}
		live.Candidates[0].Content.Parts[0].ThoughtSignature = []byte("foreign")
		if _, err := streamed(t, c, a); err == nil || !strings.Contains(err.Error(), "Thought signature is not valid") {
			t.Errorf("a foreign signature: %v", err)
		}
	}
}

func TestEmbeddingsModelsAndTokens(t *testing.T) {
	for _, vertex := range []bool{false, true} {
		c := client(t, gemini.New(t), vertex)
		texts := []*genai.Content{genai.NewContentFromText("a b", genai.RoleUser), genai.NewContentFromText("c", genai.RoleUser)}
		got, err := c.Models.EmbedContent(t.Context(), "gemini-embedding-001", texts, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](3)})
		if err != nil || len(got.Embeddings) != 2 || fmt.Sprint(got.Embeddings[1].Values) != fmt.Sprint(providertest.Vector("c", 3)) {
			t.Errorf("vertex %t: %+v, %v", vertex, got, err)
		}
		count, err := c.Models.CountTokens(t.Context(), "m", said("m").contents, nil)
		if err != nil || count.TotalTokens != 4 {
			t.Errorf("vertex %t: %+v, %v", vertex, count, err)
		}
		if _, err := c.Models.Get(t.Context(), "gemini-2.5-flash", nil); err != nil {
			t.Errorf("vertex %t: %v", vertex, err)
		}
		page, err := c.Models.List(t.Context(), &genai.ListModelsConfig{QueryBase: genai.Ptr(true)})
		if err != nil || len(page.Items) != 3 {
			t.Errorf("vertex %t: %+v, %v", vertex, page, err)
		}
	}
}

func TestErrors(t *testing.T) {
	s := gemini.New(t)
	tests := map[string]struct {
		code   int
		status string
	}{
		providertest.RateLimited: {429, "RESOURCE_EXHAUSTED"}, providertest.RateLimitedAfter: {429, "RESOURCE_EXHAUSTED"},
		providertest.ServerError: {500, "INTERNAL"}, providertest.Overloaded: {503, "UNAVAILABLE"},
		providertest.TimedOut: {504, "DEADLINE_EXCEEDED"}, providertest.Unauthorized: {401, "UNAUTHENTICATED"},
		providertest.Forbidden: {403, "PERMISSION_DENIED"}, providertest.Missing: {404, "NOT_FOUND"},
		providertest.TooLarge: {400, "INVALID_ARGUMENT"}, providertest.ContextExceeded: {400, "INVALID_ARGUMENT"},
		providertest.Rejected: {400, "INVALID_ARGUMENT"},
	}
	for model, want := range tests {
		for _, vertex := range []bool{false, true} {
			c := client(t, s, vertex)
			_, whole := c.Models.GenerateContent(t.Context(), model, said(model).contents, nil)
			_, live := streamed(t, c, said(model))
			for _, err := range []error{whole, live} {
				var e genai.APIError
				if !errors.As(err, &e) {
					t.Errorf("%s: %v", model, err)
					continue
				}
				if model == providertest.Unauthorized && !vertex {
					if e.Code != 400 || e.Details[0]["reason"] != "API_KEY_INVALID" {
						t.Errorf("%s: %v", model, err)
					}
					continue
				}
				if e.Code != want.code || e.Status != want.status || !strings.Contains(e.Message, providertest.LeakyText) {
					t.Errorf("%s: %v", model, err)
				}
				if retry := strings.Contains(fmt.Sprint(e.Details), "retryDelay:1s"); retry != (model == providertest.RateLimitedAfter) {
					t.Errorf("%s: %v", model, err)
				}
			}
		}
	}
}

func TestStreams(t *testing.T) {
	s := gemini.New(t)
	s.Delay = 20 * time.Millisecond
	c := client(t, s, false)
	// The SDK understands neither comments, nor names, nor data on several lines.
	for _, model := range []string{
		providertest.CRLF, providertest.NoSpace, providertest.Tiny, providertest.OneWrite, providertest.SlowFirstToken, providertest.UnknownFields,
	} {
		got, err := streamed(t, c, said(model))
		if err != nil || shape(got) != "|text:You said: one two three four|STOP" {
			t.Errorf("%s: %v, %v", model, got, err)
		}
	}
	for _, model := range []string{providertest.Cut, providertest.Malformed, providertest.ErrorInStream, providertest.Reset, providertest.Huge} {
		if got, err := streamed(t, c, said(model)); err == nil {
			t.Errorf("%s: %s", model, shape(got))
		}
	}
	for _, model := range []string{providertest.EndsEarly, providertest.NoDone} {
		if got, err := streamed(t, c, said(model)); err != nil || got.Candidates[0].FinishReason != "" {
			t.Errorf("%s: %v, %v", model, got, err) // the SDK takes the end of the body for the end
		}
	}
}
