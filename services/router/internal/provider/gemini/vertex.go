package gemini

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/gemini"
)

// anywhere is the location of a target without a region: Google chooses one.
const anywhere = "global"

// vertex is the adapter for Vertex AI. Its models stand in projects, and some
// of its requests differ.
type vertex struct{ *Adapter }

var (
	_ provider.Adapter      = (*vertex)(nil)
	_ provider.TokenCounter = (*vertex)(nil)
)

// NewVertex makes the adapter of a target of Vertex AI; it is a provider.Factory.
func NewVertex(t provider.Target) (provider.Adapter, error) {
	if t.Google.Project == "" {
		return nil, fmt.Errorf("target %s: google.project is required", t.Name)
	}
	location := t.Region
	if location == "" {
		location = anywhere
	}
	if t.BaseURL == "" {
		t.BaseURL = vertexURL(location)
	}
	t.BaseURL = versioned(t.BaseURL, t.APIVersion, "v1")
	tokens := newTokens(t.Google)
	client, err := upstream.New(t, upstream.Options{
		Refusal: gemini.DecodeError,
		Prepare: func(r *http.Request, _ []byte) error { return tokens.authorize(r) },
	})
	if err != nil {
		return nil, err
	}
	project := "/projects/" + url.PathEscape(t.Google.Project) + "/locations/" + url.PathEscape(location)
	return &vertex{&Adapter{Client: client, place: func(model string) string { return vertexPlace(project, model) }}}, nil
}

// vertexURL is where a location's API stands.
func vertexURL(location string) string {
	switch location {
	case anywhere:
		return "https://aiplatform.googleapis.com"
	case "us", "eu": // locations of many regions
		return "https://aiplatform." + location + ".rep.googleapis.com"
	default:
		return "https://" + location + "-aiplatform.googleapis.com"
	}
}

// vertexPlace is the resource of a model: Google's own, another publisher's,
// or an endpoint.
func vertexPlace(project, model string) string {
	segments := strings.Split(model, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	path := "/" + strings.Join(segments, "/")
	switch segments[0] {
	case "projects":
		return path
	case "publishers", "endpoints":
		return project + path
	case "models":
		return project + "/publishers/google" + path
	default:
		return project + "/publishers/google/models/" + url.PathEscape(model)
	}
}

// CountTokens implements provider.TokenCounter.
func (v *vertex) CountTokens(ctx context.Context, r *provider.Request) (int64, error) {
	body, err := render(r, false)
	if err != nil {
		return 0, err
	}
	return v.count(ctx, r.Model, gemini.EncodeVertexCount(body))
}

// maxInstances is how many texts the older embedding models take at once.
const maxInstances = 250

// Embed implements provider.Adapter. The newer models take one text at a time.
func (v *vertex) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	gemini1 := strings.HasSuffix(r.Model, "gemini-embedding-001")
	newer := !gemini1 && (strings.Contains(r.Model, "gemini") || strings.Contains(r.Model, "maas"))
	size := maxInstances
	if gemini1 || newer {
		size = 1
	}
	out := &provider.Embeddings{Model: r.Model}
	for inputs := r.Inputs; len(inputs) > 0; {
		batch := inputs[:min(size, len(inputs))]
		inputs = inputs[len(batch):]
		verb, body := ":predict", []byte(nil)
		if newer {
			verb, body = ":embedContent", gemini.EncodeEmbedContent(batch[0], r.Dimensions)
		} else {
			body = gemini.EncodePredict(batch, r.Dimensions)
		}
		answer, err := v.Post(ctx, v.place(r.Model)+verb, body)
		if err != nil {
			return nil, err
		}
		got, err := gemini.DecodeEmbeddings(answer, len(batch))
		if err != nil {
			return nil, err
		}
		out.Vectors = append(out.Vectors, got.Vectors...)
		addUsage(out, got.Usage)
	}
	return out, nil
}

func addUsage(to *provider.Embeddings, u *llmv1.Usage) {
	if u == nil {
		return
	}
	if to.Usage == nil {
		to.Usage = &llmv1.Usage{Source: u.GetSource()}
	}
	to.Usage.InputTokens += u.GetInputTokens()
}
