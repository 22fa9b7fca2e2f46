// Package dialect holds what all client dialects share: who may ask, what a
// client can ask of the gateway itself, how streams are written, and which
// headers say what was done. Each dialect is a folder below; it reads requests,
// hands them to the pipeline and writes what comes out of it; it decides nothing.
package dialect

import (
	"context"
	"net/http"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Gateway is the path of a request; *pipeline.Pipeline is one.
type Gateway interface {
	// Generate answers a request.
	Generate(ctx context.Context, call *pipeline.Call) (*pipeline.Result, error)
	// Stream answers a request while the answer is written.
	Stream(ctx context.Context, call *pipeline.Call, sink pipeline.Sink) error
	// Embed turns texts into vectors.
	Embed(ctx context.Context, call *pipeline.EmbedCall) (*pipeline.EmbedResult, error)
	// CountTokens counts the input of a request without asking a model.
	CountTokens(ctx context.Context, call *pipeline.Call) (*pipeline.Count, error)
	// Models lists the models that a caller may ask for.
	Models(caller *auth.Principal) []*routerv1.Model
}

var _ Gateway = (*pipeline.Pipeline)(nil)

// Authenticator finds the caller of a request; *auth.Authenticator is one.
type Authenticator interface {
	// Authenticate finds the caller by the headers.
	Authenticate(ctx context.Context, header http.Header) (*auth.Principal, error)
}

// Edge is how a dialect meets its clients.
type Edge struct {
	// Gateway answers.
	Gateway Gateway
	// Authenticate finds the caller.
	Authenticate func(w http.ResponseWriter, r *http.Request) (*auth.Principal, error)
	// Error writes the body of an error in the dialect's form; it may set headers.
	Error func(header http.Header, status int, e *errs.Error) []byte
	// Status is the status of an error where the dialect's clients expect
	// another than its reason has; nil if they do not.
	Status func(e *errs.Error) int
}

// NewEdge makes an edge whose callers are found by the headers.
func NewEdge(g Gateway, a Authenticator, write func(header http.Header, status int, e *errs.Error) []byte) *Edge {
	return &Edge{Gateway: g, Error: write, Authenticate: func(_ http.ResponseWriter, r *http.Request) (*auth.Principal, error) {
		return a.Authenticate(r.Context(), r.Header)
	}}
}

// Endpoint answers a request of a known caller. An error that it returns has
// reached nobody yet.
type Endpoint func(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error

// Only admits one method and callers that may use models.
func (e *Edge) Only(method string, serve Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			e.refuse(w, http.StatusMethodNotAllowed,
				errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "this path takes %s only", method))
			return
		}
		caller, err := e.Authenticate(w, r)
		if err == nil {
			caller, err = auth.Require(auth.NewContext(r.Context(), caller), pipeline.Callers...)
		}
		if err == nil {
			r = r.WithContext(auth.NewContext(r.Context(), caller))
			err = serve(w, r, caller)
		}
		if err != nil {
			e.Refuse(w, err)
		}
	}
}

// Unknown answers paths that no dialect has.
func (e *Edge) Unknown(w http.ResponseWriter, _ *http.Request) {
	e.Refuse(w, errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "no API has this path"))
}

// Call reads what the client asks of the gateway itself; the dialect adds what
// it asks of a model.
func (e *Edge) Call(r *http.Request, caller *auth.Principal) (*pipeline.Call, error) {
	asked, err := options(r.Header)
	if err != nil {
		return nil, err
	}
	return &pipeline.Call{RequestID: httpserver.RequestID(r.Context()), Principal: caller, Options: asked}, nil
}

// EmbedCall does the same for texts to turn into vectors.
func (e *Edge) EmbedCall(r *http.Request, caller *auth.Principal, asked *provider.EmbedRequest) (*pipeline.EmbedCall, error) {
	call, err := e.Call(r, caller)
	if err != nil {
		return nil, err
	}
	return &pipeline.EmbedCall{RequestID: call.RequestID, Principal: caller, Request: asked, Options: call.Options}, nil
}

// Generate answers with a whole body, which encode writes.
func (e *Edge) Generate(w http.ResponseWriter, r *http.Request, call *pipeline.Call, encode func(*pipeline.Result) []byte) error {
	result, err := e.Gateway.Generate(r.Context(), call)
	if err != nil {
		return err
	}
	SetReport(w.Header(), result.Report)
	SetCost(w.Header(), result.Report)
	WriteJSON(w, encode(result))
	return nil
}

// Media types of streams.
const (
	EventStream = "text/event-stream; charset=utf-8"
	JSON        = "application/json"
)

// Stream answers with a stream of a media type, which the encoder writes.
func (e *Edge) Stream(w http.ResponseWriter, r *http.Request, call *pipeline.Call, media string, encoder Encoder) error {
	s := newSink(w, media, encoder)
	defer s.release()
	err := e.Gateway.Stream(r.Context(), call, s)
	if err == nil || !s.opened {
		return err
	}
	// Too late for a status. The stream ends with an error event, if it has not
	// ended with one already, and never as if it were complete.
	s.fail(err)
	return nil
}

// WriteJSON answers with a whole body.
func WriteJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", JSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client has gone
}

// hopeless are the reasons whose status invites a retry that cannot help.
var hopeless = map[llmv1.ErrorReason]bool{
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED: true,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:   true,
	llmv1.ErrorReason_ERROR_REASON_CONFLICT:        true,
	llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS:  true,
}

// Refuse answers with an error.
func (e *Edge) Refuse(w http.ResponseWriter, err error) {
	failure := errs.From(err)
	status := failure.HTTPStatus()
	if e.Status != nil {
		status = e.Status(failure)
	}
	e.refuse(w, status, failure)
}

func (e *Edge) refuse(w http.ResponseWriter, status int, err error) {
	failure := errs.From(err)
	header := w.Header()
	header.Set("Content-Type", JSON)
	header.Set("X-Content-Type-Options", "nosniff")
	httpserver.SetRetryAfter(header, failure)
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if hopeless[failure.Reason] {
		header.Set("X-Should-Retry", "false") // the SDKs would by the status
	}
	body := e.Error(header, status, failure)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone
}
