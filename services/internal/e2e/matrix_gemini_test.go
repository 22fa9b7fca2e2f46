package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"google.golang.org/genai"
)

func geminiContent(d *deployment) sdk {
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey: d.key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: d.url + "/gemini/"},
		HTTPClient: &http.Client{Transport: tap{http.DefaultTransport}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return sdk{
		name: "gemini",
		status: func(err error) int {
			var e genai.APIError
			if !errors.As(err, &e) {
				return 0
			}
			return e.Code
		},
		ask: func(ctx context.Context, model string, q question) (*outcome, error) {
			contents, config := contentParams(q)
			if !q.stream {
				got, err := client.Models.GenerateContent(ctx, model, contents, config)
				if err != nil {
					return nil, err
				}
				return contentsOutcome(got.Candidates)
			}
			sums := []*genai.Candidate{{Content: &genai.Content{Role: "model"}}, {Content: &genai.Content{Role: "model"}}}
			finished := false
			for chunk, err := range client.Models.GenerateContentStream(ctx, model, contents, config) {
				if err != nil {
					return nil, err
				}
				for _, c := range chunk.Candidates {
					finished = finished || c.FinishReason != ""
					if c.Content != nil {
						addParts(sums[c.Index].Content, c.Content.Parts)
					}
				}
			}
			if !finished {
				return nil, errors.New("the stream ended without a finish reason")
			}
			return contentsOutcome(sums)
		},
	}
}

// addParts adds the parts of a chunk, and takes pieces of one thought together:
// its signature, which comes last, is that of the whole.
func addParts(sum *genai.Content, parts []*genai.Part) {
	for _, p := range parts {
		n := len(sum.Parts)
		switch {
		case p.Text == "" && p.FunctionCall == nil && p.ThoughtSignature == nil: // ends the stream
		case n > 0 && p.Thought && sum.Parts[n-1].Thought:
			sum.Parts[n-1].Text += p.Text
			sum.Parts[n-1].ThoughtSignature = p.ThoughtSignature
		default:
			sum.Parts = append(sum.Parts, p)
		}
	}
}

func contentParams(q question) ([]*genai.Content, *genai.GenerateContentConfig) {
	user := []*genai.Part{{Text: q.text}}
	if q.image != nil {
		user = append([]*genai.Part{genai.NewPartFromBytes(q.image, "image/png")}, user...)
	}
	contents := []*genai.Content{{Role: "user", Parts: user}}
	for _, t := range q.before {
		contents = append(contents, t.raw.(*genai.Content))
		var next []*genai.Part
		for i, result := range t.results {
			next = append(next, &genai.Part{FunctionResponse: &genai.FunctionResponse{
				ID: t.Calls[i].ID, Name: t.Calls[i].Name, Response: map[string]any{"output": result},
			}})
		}
		if t.then != "" {
			next = append(next, &genai.Part{Text: t.then})
		}
		contents = append(contents, &genai.Content{Role: "user", Parts: next})
	}
	config := &genai.GenerateContentConfig{}
	if q.tools {
		tool := &genai.Tool{}
		for _, name := range []string{"f", "g"} {
			tool.FunctionDeclarations = append(tool.FunctionDeclarations, &genai.FunctionDeclaration{Name: name, ParametersJsonSchema: citySchema})
		}
		config.Tools = []*genai.Tool{tool}
	}
	if q.schema {
		config.ResponseMIMEType = "application/json"
		config.ResponseJsonSchema = answerSchema
	}
	if q.two {
		config.CandidateCount = 2
	}
	if q.thinking {
		config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](1024)}
	}
	return contents, config
}

// contentsOutcome is the outcome of the first candidate, and the text of the second.
func contentsOutcome(all []*genai.Candidate) (*outcome, error) {
	out, err := contentOutcome(all[0].Content)
	if err != nil || len(all) < 2 {
		return out, err
	}
	second, err := contentOutcome(all[1].Content)
	if err == nil {
		out.Second = second.Text
	}
	return out, err
}

func contentOutcome(c *genai.Content) (*outcome, error) {
	out := &outcome{raw: c}
	for _, p := range c.Parts {
		switch {
		case p.FunctionCall != nil:
			arguments, err := json.Marshal(p.FunctionCall.Args)
			if err != nil {
				return nil, err
			}
			out.Calls = append(out.Calls, call{p.FunctionCall.ID, p.FunctionCall.Name, string(arguments)})
		case p.Thought:
			out.Thinking += p.Text
		default:
			out.Text += p.Text
		}
	}
	return out, nil
}
