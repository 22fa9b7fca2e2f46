// Package provider declares what the router needs of a provider. Each adapter
// is a folder below; it speaks one wire format and knows nothing of routing,
// retries or guardrails.
package provider

import (
	"context"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Request is what a target is asked.
type Request struct {
	// Conversation is the request in canonical form, masked by the guardrail.
	Conversation *llmv1.Conversation
	// Native is the request as the client wrote it; nil over gRPC and REST.
	Native NativeRequest
	// Revisions are the texts that the guardrail masked, by their index in
	// conversation.Texts. They are in Conversation already; Native is told of them.
	Revisions map[int]string
	// Context is the block of retrieved context to put before the last user
	// message; empty for none.
	Context string
	// Passages are what Context was made of.
	Passages []*ragv1.Passage
	// Defaults are the values that the route sets where the client has set none.
	// They are in Conversation already; Native is told of them.
	Defaults *llmv1.Sampling
	// Instructions are the operator's, put before all others. They are in
	// Conversation already, as its first message; Native is told of them.
	Instructions string
	// CachePoints are the marks that the route places. Native is told of them; where
	// there is none they are in Conversation already.
	CachePoints conversation.CachePoints
	// Model is the target's own name of the model.
	Model string
}

// NativeRequest is a request in the wire format of the client's dialect.
type NativeRequest interface {
	// Dialect names the wire format, for example "openai".
	Dialect() string
	// Unexpressed lists what the canonical form cannot carry, by the paths of its
	// members, for example "logit_bias". Members that say nothing but their
	// default are not among them.
	Unexpressed() []string
	// Render writes the request for a target that speaks the same dialect: the
	// client's bytes, but for the model, the masked texts, the context, the
	// instructions, the defaults, the marks and what the dialect needs to report usage.
	Render(r *Request, stream bool) ([]byte, error)
}

// Answer is a whole answer.
type Answer struct {
	// Completion is the answer in canonical form. Usage is nil if the provider
	// reported none.
	Completion *llmv1.Completion
	// Native is the provider's own body, and Dialect its wire format; a client of
	// the same dialect gets it with unknown fields. Empty if there is none.
	Native  []byte
	Dialect string
}

// EmbedRequest holds texts to turn into vectors.
type EmbedRequest struct {
	Model      string
	Inputs     []string
	Dimensions int32
}

// Embeddings are the vectors, in the order of the inputs.
type Embeddings struct {
	Vectors [][]float32
	Model   string
	Usage   *llmv1.Usage
}

// Adapter speaks a provider's wire format to one target. Its errors are
// *errs.Error with a PROVIDER_… reason (or UNSUPPORTED, CONTEXT_EXCEEDED,
// STREAM_INTERRUPTED), with RetryAfter where the provider said so; the public
// message holds neither addresses nor keys. Cancelling ctx ends the upstream request.
type Adapter interface {
	// Generate asks for a whole answer.
	Generate(ctx context.Context, r *Request) (*Answer, error)
	// Stream asks for an answer while it is written. It returns once the
	// provider has answered with a stream, before its first content.
	Stream(ctx context.Context, r *Request) (stream.Reader, error)
	// Embed turns texts into vectors.
	Embed(ctx context.Context, r *EmbedRequest) (*Embeddings, error)
}

// TokenCounter is an Adapter whose provider counts the tokens of a request.
type TokenCounter interface {
	// CountTokens counts the input as the target's own tokenizer does.
	CountTokens(ctx context.Context, r *Request) (int64, error)
}

// Factory makes the adapter of a target.
type Factory func(Target) (Adapter, error)
