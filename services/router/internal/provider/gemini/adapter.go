// Package gemini is the adapter for Google's models: through the Gemini API
// with a key, or through Vertex AI with credentials of Google Cloud.
package gemini

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/gemini"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// Names under which a target chooses this adapter.
const (
	// Gemini is the Gemini API.
	Gemini = "gemini"
	// Vertex is Vertex AI.
	Vertex = "vertex"
)

// DefaultURL is where the Gemini API begins.
const DefaultURL = "https://generativelanguage.googleapis.com/v1beta"

// Adapter asks one target.
type Adapter struct {
	*upstream.Client
	// place is the resource of a model, with a slash before it.
	place func(model string) string
}

var (
	_ provider.Adapter      = (*Adapter)(nil)
	_ provider.TokenCounter = (*Adapter)(nil)
)

// New makes the adapter of a target of the Gemini API; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	key := t.Key()
	if t.BaseURL == "" {
		t.BaseURL = DefaultURL
	}
	t.BaseURL = versioned(t.BaseURL, t.APIVersion, "v1beta")
	client, err := upstream.New(t, upstream.Options{
		Refusal: gemini.DecodeError,
		Prepare: func(r *http.Request, _ []byte) error {
			secret, err := key.Current()
			if err == nil && !secret.IsZero() {
				r.Header.Set("X-Goog-Api-Key", secret.Reveal())
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return &api{&Adapter{Client: client, place: func(model string) string { return "/" + resource(model) }}}, nil
}

// api is the adapter for the Gemini API, which lists its models; Vertex AI does
// not list those of a location.
type api struct{ *Adapter }

var (
	_ provider.TokenCounter = (*api)(nil)
	_ provider.Prober       = (*api)(nil)
)

// Probe implements provider.Prober.
func (a *api) Probe(ctx context.Context, model string) error {
	path := "/models?pageSize=1"
	if model != "" {
		path = a.place(model)
	}
	_, err := a.Get(ctx, path)
	return err
}

// versioned adds the API's version to an address that does not end with one.
func versioned(base, version, fallback string) string {
	base = strings.TrimRight(base, "/")
	last := base[strings.LastIndexByte(base, '/')+1:]
	if len(last) > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9' && !strings.ContainsAny(last, ".:") {
		return base
	}
	if version == "" {
		version = fallback
	}
	return base + "/" + version
}

// resource is a model's name as the Gemini API has it, as a part of a path.
func resource(model string) string {
	for _, kind := range []string{"models/", "tunedModels/"} {
		if rest, ok := strings.CutPrefix(model, kind); ok {
			return kind + url.PathEscape(rest)
		}
	}
	return "models/" + url.PathEscape(model)
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := render(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.Post(ctx, a.place(r.Model)+":generateContent", body)
	if err != nil {
		return nil, err
	}
	completion, err := gemini.DecodeCompletion(answer)
	if err != nil {
		return nil, err
	}
	return &provider.Answer{Completion: completion, Native: answer, Dialect: gemini.Dialect}, nil
}

// Stream implements provider.Adapter.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	body, err := render(r, true)
	if err != nil {
		return nil, err
	}
	return a.Client.Stream(ctx, a.place(r.Model)+":streamGenerateContent?alt=sse", body, upstream.Format{
		MediaType: "text/event-stream", Objects: true, Decoder: &gemini.ChunkDecoder{},
		Frames:     func(src io.Reader) upstream.Frames { return sse.NewReader(src) },
		Candidates: int(r.Conversation.GetSampling().GetCandidateCount()),
		Whole: func(body []byte) error {
			_, err := gemini.DecodeCompletion(body)
			return err
		},
	})
}

// maxBatch is how many texts the API takes at once.
const maxBatch = 100

// Embed implements provider.Adapter.
func (a *Adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	return a.embed(ctx, r, ":batchEmbedContents", maxBatch, func(inputs []string) []byte {
		return gemini.EncodeEmbedRequest(&provider.EmbedRequest{Inputs: inputs, Dimensions: r.Dimensions}, resourceName(r.Model))
	})
}

// embed asks for vectors, for so many texts at once.
func (a *Adapter) embed(
	ctx context.Context, r *provider.EmbedRequest, verb string, most int, encode func(inputs []string) []byte,
) (*provider.Embeddings, error) {
	out := &provider.Embeddings{Model: r.Model} // the format does not say it
	for batch := range slices.Chunk(r.Inputs, most) {
		answer, err := a.PostForVectors(ctx, a.place(r.Model)+verb, encode(batch))
		if err != nil {
			return nil, err
		}
		got, err := gemini.DecodeEmbeddings(answer, len(batch))
		if err != nil {
			return nil, err
		}
		out.Vectors = append(out.Vectors, got.Vectors...)
		if got.Usage != nil {
			if out.Usage == nil {
				out.Usage = &llmv1.Usage{Source: got.Usage.GetSource()}
			}
			out.Usage.InputTokens += got.Usage.GetInputTokens()
		}
	}
	return out, nil
}

// resourceName is a model's name as bodies of the Gemini API have it.
func resourceName(model string) string {
	if strings.HasPrefix(model, "models/") || strings.HasPrefix(model, "tunedModels/") {
		return model
	}
	return "models/" + model
}

// CountTokens implements provider.TokenCounter.
func (a *Adapter) CountTokens(ctx context.Context, r *provider.Request) (int64, error) {
	body, err := render(r, false)
	if err != nil {
		return 0, err
	}
	return a.count(ctx, r.Model, gemini.EncodeCountRequest(body, resourceName(r.Model)))
}

func (a *Adapter) count(ctx context.Context, model string, body []byte) (int64, error) {
	answer, err := a.Post(ctx, a.place(model)+":countTokens", body)
	if err != nil {
		return 0, err
	}
	return gemini.DecodeCount(answer)
}

// render writes the request: from the client's own bytes if they are in this format.
func render(r *provider.Request, streamed bool) ([]byte, error) {
	if r.Native != nil && r.Native.Dialect() == gemini.Dialect {
		return r.Native.Render(r, streamed)
	}
	return gemini.EncodeConversation(r, streamed)
}
