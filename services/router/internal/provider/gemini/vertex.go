package gemini

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
// or an endpoint. A name that would lead elsewhere is a name like any other.
func vertexPlace(project, model string) string {
	segments := strings.Split(model, "/")
	path := ""
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return project + "/publishers/google/models/" + url.PathEscape(model)
		}
		path += "/" + url.PathEscape(s)
	}
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
	first := strings.HasSuffix(r.Model, "gemini-embedding-001")
	if !first && (strings.Contains(r.Model, "gemini") || strings.Contains(r.Model, "maas")) {
		return v.embed(ctx, r, ":embedContent", 1, func(inputs []string) []byte {
			return gemini.EncodeEmbedContent(inputs[0], r.Dimensions)
		})
	}
	most := maxInstances
	if first {
		most = 1
	}
	return v.embed(ctx, r, ":predict", most, func(inputs []string) []byte {
		return gemini.EncodePredict(inputs, r.Dimensions)
	})
}
