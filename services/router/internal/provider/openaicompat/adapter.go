// Package openaicompat is the adapter for OpenAI and for every server that
// speaks its wire format: Azure OpenAI, Perplexity, vLLM, llama.cpp, Ollama,
// TGI and most hosted providers. What one of them does otherwise is data.
package openaicompat

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// Names under which a target chooses this adapter.
const (
	// OpenAI is OpenAI itself.
	OpenAI = "openai"
	// Compatible is any server that speaks its format.
	Compatible = "openai-compatible"
	// Azure is Azure OpenAI.
	Azure = "azure"
	// Perplexity answers from the web.
	Perplexity = "perplexity"
)

// Adapter asks one target.
type Adapter struct {
	*upstream.Client
	quirks provider.Quirks
	// path is where an operation stands; model is the target's name of it.
	path func(operation, model string) string
}

var (
	_ provider.Adapter = (*Adapter)(nil)
	_ provider.Prober  = (*Adapter)(nil)
)

// The operations, as OpenAI names them.
const (
	chat       = "/chat/completions"
	embeddings = "/embeddings"
	models     = "/models"
)

// NewOpenAI makes the adapter of OpenAI itself; it is a provider.Factory. It
// refuses members that it does not know, such as another provider's thinking.
func NewOpenAI(t provider.Target) (provider.Adapter, error) {
	if t.BaseURL == "" {
		t.BaseURL = OpenAIBaseURL
	}
	return New(strict(t))
}

func strict(t provider.Target) provider.Target {
	if t.Quirks.Thinking == "" {
		t.Quirks.Thinking = openai.NoThinking
	}
	return t
}

// New makes the adapter of a server that speaks OpenAI's format; it is a
// provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	return build(t, bearer(t.Key()), func(operation, _ string) string { return operation })
}

// prepare puts the credential on a request.
type prepare = func(r *http.Request, body []byte) error

func build(t provider.Target, authorise prepare, path func(operation, model string) string) (*Adapter, error) {
	client, err := upstream.New(t, upstream.Options{Refusal: openai.DecodeError, Prepare: authorise})
	if err != nil {
		return nil, err
	}
	return &Adapter{Client: client, quirks: t.Quirks, path: path}, nil
}

// bearer sends the key as most servers want it. A server without a key is
// asked without one.
func bearer(key *provider.Key) prepare {
	return func(r *http.Request, _ []byte) error {
		secret, err := key.Current()
		if err == nil && !secret.IsZero() {
			r.Header.Set("Authorization", "Bearer "+secret.Reveal())
		}
		return err
	}
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := a.render(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.Post(ctx, a.path(chat, r.Model), body)
	if err != nil {
		return nil, err
	}
	completion, err := openai.DecodeCompletion(answer)
	if err != nil {
		return nil, err
	}
	return &provider.Answer{Completion: completion, Native: answer, Dialect: openai.Dialect}, nil
}

// Stream implements provider.Adapter.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	body, err := a.render(r, true)
	if err != nil {
		return nil, err
	}
	return a.Client.Stream(ctx, a.path(chat, r.Model), body, upstream.Format{
		MediaType: "text/event-stream", Objects: true, Decoder: &openai.ChunkDecoder{},
		Frames:     func(src io.Reader) upstream.Frames { return sse.NewReader(src) },
		Candidates: int(r.Conversation.GetSampling().GetCandidateCount()),
		Whole: func(body []byte) error {
			_, err := openai.DecodeCompletion(body)
			return err
		},
	})
}

// Embed implements provider.Adapter.
func (a *Adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	answer, err := a.PostForVectors(ctx, a.path(embeddings, r.Model), openai.EncodeEmbedRequest(r))
	if err != nil {
		return nil, err
	}
	return openai.DecodeEmbeddings(answer, len(r.Inputs))
}

// Probe implements provider.Prober.
func (a *Adapter) Probe(ctx context.Context, model string) error {
	path := models
	if model != "" {
		path += "/" + url.PathEscape(model)
	}
	_, err := a.Get(ctx, a.path(path, ""))
	return err
}

// render writes the request: from the client's own bytes if they are in this format.
func (a *Adapter) render(r *provider.Request, streamed bool) ([]byte, error) {
	switch native := r.Native.(type) {
	case nil:
	case *openai.Request:
		return native.RenderFor(r, streamed, a.quirks)
	default:
		if native.Dialect() == openai.Dialect {
			return native.Render(r, streamed)
		}
	}
	return openai.EncodeFor(r, streamed, a.quirks)
}
