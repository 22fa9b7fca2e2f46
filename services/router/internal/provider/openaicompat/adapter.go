// Package openaicompat is the adapter for OpenAI and for every server that
// speaks its wire format: vLLM, Ollama, TEI, and most hosted providers.
package openaicompat

import (
	"context"
	"io"
	"net/http"

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
)

// Adapter asks one target.
type Adapter struct {
	*upstream.Client
}

var _ provider.Adapter = (*Adapter)(nil)

// New makes the adapter of a target; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	key := t.Key()
	client, err := upstream.New(t, upstream.Options{
		Refusal: openai.DecodeError,
		Prepare: func(r *http.Request, _ []byte) error {
			secret, err := key.Current()
			if err == nil && !secret.IsZero() {
				r.Header.Set("Authorization", "Bearer "+secret.Reveal())
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return &Adapter{client}, nil
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := render(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.Post(ctx, "/chat/completions", body)
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
	body, err := render(r, true)
	if err != nil {
		return nil, err
	}
	return a.Client.Stream(ctx, "/chat/completions", body, upstream.Format{
		MediaType: "text/event-stream", Decoder: &openai.ChunkDecoder{},
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
	answer, err := a.Post(ctx, "/embeddings", openai.EncodeEmbedRequest(r))
	if err != nil {
		return nil, err
	}
	return openai.DecodeEmbeddings(answer, len(r.Inputs))
}

// render writes the request: from the client's own bytes if they are in this format.
func render(r *provider.Request, streamed bool) ([]byte, error) {
	if r.Native != nil && r.Native.Dialect() == openai.Dialect {
		return r.Native.Render(r, streamed)
	}
	return openai.EncodeConversation(r, streamed)
}
