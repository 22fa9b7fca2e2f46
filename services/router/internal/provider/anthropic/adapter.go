// Package anthropic is the adapter for Anthropic's Messages API, and for every
// server that speaks its wire format.
package anthropic

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

const (
	// Name is the name under which a target chooses this adapter.
	Name = "anthropic"
	// BaseURL is where Anthropic's own API begins.
	BaseURL = "https://api.anthropic.com"
	// defaultVersion is the version of the API that is asked for.
	defaultVersion = "2023-06-01"
)

// Adapter asks one target.
type Adapter struct {
	*upstream.Client
}

var (
	_ provider.Adapter      = (*Adapter)(nil)
	_ provider.TokenCounter = (*Adapter)(nil)
	_ provider.Prober       = (*Adapter)(nil)
)

// New makes the adapter of a target; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	if t.BaseURL == "" {
		t.BaseURL = BaseURL
	}
	// Many write the version into the address, as other providers want it.
	t.BaseURL = strings.TrimSuffix(strings.TrimRight(t.BaseURL, "/"), "/v1")
	version := t.APIVersion
	if version == "" {
		version = defaultVersion
	}
	key := t.Key()
	client, err := upstream.New(t, upstream.Options{
		Refusal: anthropic.DecodeError,
		Prepare: func(r *http.Request, _ []byte) error {
			r.Header.Set("Anthropic-Version", version)
			if betas := betasOf(r.Context()); len(betas) > 0 {
				r.Header.Set("Anthropic-Beta", strings.Join(betas, ","))
			}
			secret, err := key.Current()
			if err == nil && !secret.IsZero() {
				r.Header.Set("X-Api-Key", secret.Reveal())
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return &Adapter{client}, nil
}

// betasKey is under which a context holds the features that a client asked for.
type betasKey struct{}

func betasOf(ctx context.Context) []string {
	betas, _ := ctx.Value(betasKey{}).([]string)
	return betas
}

// native is the request as the client wrote it, if it is in this format. What
// it asks for in its headers goes along.
func native(ctx context.Context, r *provider.Request) (context.Context, *anthropic.Request) {
	own, ok := r.Native.(*anthropic.Request)
	if ok && len(own.Betas()) > 0 {
		ctx = context.WithValue(ctx, betasKey{}, own.Betas())
	}
	return ctx, own
}

// render writes the request: from the client's own bytes if they are in this format.
func render(ctx context.Context, r *provider.Request, streamed bool) (context.Context, []byte, error) {
	ctx, own := native(ctx, r)
	if own != nil {
		body, err := own.Render(r, streamed)
		return ctx, body, err
	}
	body, err := anthropic.EncodeConversation(r, streamed)
	return ctx, body, err
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	ctx, body, err := render(ctx, r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.Post(ctx, "/v1/messages", body)
	if err != nil {
		return nil, err
	}
	completion, err := anthropic.DecodeCompletion(answer)
	if err != nil {
		return nil, err
	}
	return &provider.Answer{Completion: completion, Native: answer, Dialect: anthropic.Dialect}, nil
}

// Stream implements provider.Adapter.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	ctx, body, err := render(ctx, r, true)
	if err != nil {
		return nil, err
	}
	return a.Client.Stream(ctx, "/v1/messages", body, upstream.Format{
		MediaType: "text/event-stream", Objects: true, Decoder: &anthropic.ChunkDecoder{},
		Frames: func(src io.Reader) upstream.Frames { return sse.NewReader(src) },
		Whole: func(body []byte) error {
			_, err := anthropic.DecodeCompletion(body)
			return err
		},
	})
}

// Embed implements provider.Adapter: the provider has no embeddings.
func (a *Adapter) Embed(context.Context, *provider.EmbedRequest) (*provider.Embeddings, error) {
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "the provider has no embeddings")
}

// Probe implements provider.Prober.
func (a *Adapter) Probe(ctx context.Context, model string) error {
	path := "/v1/models?limit=1"
	if model != "" {
		path = "/v1/models/" + url.PathEscape(model)
	}
	_, err := a.Get(ctx, path)
	return err
}

// CountTokens implements provider.TokenCounter.
func (a *Adapter) CountTokens(ctx context.Context, r *provider.Request) (int64, error) {
	ctx, own := native(ctx, r)
	var body []byte
	var err error
	if own != nil {
		body, err = own.RenderCount(r)
	} else {
		body, err = anthropic.EncodeCount(r)
	}
	if err != nil {
		return 0, err
	}
	answer, err := a.Post(ctx, "/v1/messages/count_tokens", body)
	if err != nil {
		return 0, err
	}
	return anthropic.DecodeCount(answer)
}
