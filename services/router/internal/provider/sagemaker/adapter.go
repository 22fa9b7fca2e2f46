// Package sagemaker is the adapter for endpoints of Amazon SageMaker whose
// containers speak OpenAI's format.
package sagemaker

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/encoding/httpbinding"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/awsauth"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// SageMaker is the name under which a target chooses this adapter.
const SageMaker = "sagemaker"

// DefaultURL is where the API begins, by region.
const DefaultURL = "https://runtime.sagemaker.{region}.amazonaws.com"

// service is what requests are signed for.
const service = "sagemaker"

// componentHeader chooses one of the models behind an endpoint.
const componentHeader = "X-Amzn-Sagemaker-Inference-Component"

// Adapter asks one target. What a target calls a model is the name of an
// endpoint, or of an endpoint and an inference component behind a slash.
type Adapter struct {
	*upstream.Client
	// quirks are what the target's containers do otherwise than OpenAI.
	quirks provider.Quirks
}

var _ provider.Adapter = (*Adapter)(nil)

// New makes the adapter of a target; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	signer, err := awsauth.New(context.Background(), t, service, false)
	if err != nil {
		return nil, err
	}
	t.BaseURL = awsauth.Address(t, DefaultURL)
	client, err := upstream.New(t, upstream.Options{
		Refusal: decodeError,
		Prepare: func(r *http.Request, body []byte) error {
			if component := componentOf(r.Context()); component != "" {
				r.Header.Set(componentHeader, component)
			}
			return signer.Prepare(r, body)
		},
	})
	if err != nil {
		return nil, err
	}
	return &Adapter{Client: client, quirks: t.Quirks}, nil
}

// componentKey carries the component to where the request is made.
type componentKey struct{}

func componentOf(ctx context.Context) string {
	name, _ := ctx.Value(componentKey{}).(string)
	return name
}

// place takes a model's name apart: the path of its endpoint, and a context
// that names its component.
func place(ctx context.Context, model, verb string) (context.Context, string) {
	endpoint, component, ok := strings.Cut(model, "/")
	if ok && component != "" {
		ctx = context.WithValue(ctx, componentKey{}, component)
	}
	return ctx, "/endpoints/" + httpbinding.EscapePath(endpoint, true) + "/" + verb
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := a.render(r, false)
	if err != nil {
		return nil, err
	}
	ctx, path := place(ctx, r.Model, "invocations")
	answer, err := a.Post(ctx, path, body)
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
	ctx, path := place(ctx, r.Model, "invocations-response-stream")
	return a.Client.Stream(ctx, path, body, upstream.Format{
		MediaType: converse.MediaType, Decoder: &openai.ChunkDecoder{},
		Frames:     func(src io.Reader) upstream.Frames { return sse.NewReader(newParts(src)) },
		Candidates: int(r.Conversation.GetSampling().GetCandidateCount()),
	})
}

// Embed implements provider.Adapter.
func (a *Adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	ctx, path := place(ctx, r.Model, "invocations")
	answer, err := a.PostForVectors(ctx, path, openai.EncodeEmbedRequest(r))
	if err != nil {
		return nil, err
	}
	return openai.DecodeEmbeddings(answer, len(r.Inputs))
}

// render writes the request: from the client's own bytes if they are in OpenAI's format.
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

// decodeError reads an answer that is not a success: SageMaker's own refusal,
// or, in it, the container's.
func decodeError(status int, header http.Header, body []byte) error {
	if original, message, ok := containerError(header, body); ok {
		return openai.DecodeError(original, header, message)
	}
	err := converse.DecodeError(status, header, body)
	reason := llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	switch {
	case errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED) && noEndpoint(body):
	case errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) && timedOut(body):
		reason = llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
	default:
		return err
	}
	return errs.New(reason, "").WithCause(err)
}
