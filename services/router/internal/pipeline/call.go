// Package pipeline is the path of a request, one stage after the other.
package pipeline

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Callers are the roles that may use models; a viewer reads reports only.
var Callers = []string{auth.RoleAdmin, auth.RoleDeveloper, auth.RoleService}

// Call is one client request on its way in. A dialect fills it; the pipeline
// does not change it.
type Call struct {
	// RequestID names the request in the ledger, traces and headers; empty lets
	// the pipeline make one. It must never have been used before.
	RequestID string
	// Principal is who asks.
	Principal *auth.Principal
	// Conversation is what is asked.
	Conversation *llmv1.Conversation
	// Native is the request as the client wrote it; nil over gRPC and REST.
	Native provider.NativeRequest
	// Options are what the caller asks of the gateway itself.
	Options *routerv1.RequestOptions
}

// Result is a whole answer on its way out.
type Result struct {
	Answer *provider.Answer
	Report *routerv1.RequestReport
}

// EmbedCall is one client request for vectors.
type EmbedCall struct {
	// RequestID and Principal are as in Call.
	RequestID string
	Principal *auth.Principal
	// Request is what is asked; Model is the name that the client uses.
	Request *provider.EmbedRequest
	// Options are as in Call.
	Options *routerv1.RequestOptions
}

// EmbedResult holds the vectors on their way out.
type EmbedResult struct {
	Embeddings *provider.Embeddings
	Report     *routerv1.RequestReport
}

// Sink is the client's side of a streamed answer. A failure after Open reaches
// it as a chunk whose event is stream.Error; neither a chunk nor Finish follows.
type Sink interface {
	stream.Writer
	// Open is called once, with the first content: until then an error can
	// still be answered as such, and another target tried.
	Open(report *routerv1.RequestReport)
	// Finish ends the stream well. The report is complete.
	Finish(report *routerv1.RequestReport) error
}
