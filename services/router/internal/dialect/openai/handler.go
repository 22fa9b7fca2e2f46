// Package openai is the client dialect of OpenAI's SDKs: chat completions,
// embeddings and models over HTTP. It reads requests, hands them to the
// pipeline and writes what comes out of it; it decides nothing.
package openai

import (
	"context"
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// Gateway is the path of a request; *pipeline.Pipeline is one.
type Gateway interface {
	// Generate answers a request.
	Generate(ctx context.Context, call *pipeline.Call) (*pipeline.Result, error)
	// Stream answers a request while the answer is written.
	Stream(ctx context.Context, call *pipeline.Call, sink pipeline.Sink) error
	// Embed turns texts into vectors.
	Embed(ctx context.Context, call *pipeline.EmbedCall) (*pipeline.EmbedResult, error)
	// Models lists the models that a caller may ask for.
	Models(caller *auth.Principal) []*routerv1.Model
}

// Authenticator finds the caller of a request; *auth.Authenticator is one.
type Authenticator interface {
	// Authenticate finds the caller by the headers.
	Authenticate(ctx context.Context, header http.Header) (*auth.Principal, error)
}

// Handler serves the dialect.
type Handler struct {
	gateway       Gateway
	authenticator Authenticator
}

// New makes the handler.
func New(gateway Gateway, authenticator Authenticator) *Handler {
	return &Handler{gateway: gateway, authenticator: authenticator}
}

// Register puts the dialect's paths on mux. Other dialects may put their own
// paths under /v1/; what no dialect has is answered here.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("/v1/chat/completions", h.only(http.MethodPost, h.chat))
	mux.HandleFunc("/v1/embeddings", h.only(http.MethodPost, h.embed))
	mux.HandleFunc("/v1/models", h.only(http.MethodGet, h.models))
	mux.HandleFunc("/v1/models/{id...}", h.only(http.MethodGet, h.model))
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "no API has this path"))
	})
}

// endpoint answers a request of a known caller. An error has reached nobody yet.
type endpoint func(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error

// only admits one method and authenticated callers.
func (h *Handler) only(method string, serve endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			writeStatus(w, http.StatusMethodNotAllowed,
				errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "this path takes %s only", method))
			return
		}
		caller, err := h.authenticator.Authenticate(r.Context(), r.Header)
		if err == nil {
			caller, err = auth.Require(auth.NewContext(r.Context(), caller), pipeline.Callers...)
		}
		if err == nil {
			r = r.WithContext(auth.NewContext(r.Context(), caller))
			err = serve(w, r, caller)
		}
		if err != nil {
			writeError(w, err)
		}
	}
}

// Headers by which a client asks something of the gateway itself.
const (
	headerCollections = "X-Tollgate-Collections"
	headerContext     = "X-Tollgate-Context"
)

// maxCollections is the most collections that a request may name.
const maxCollections = 64

// options reads what the client asks of the gateway.
func options(h http.Header) (*routerv1.RequestOptions, error) {
	out := &routerv1.RequestOptions{}
	for _, value := range h.Values(headerCollections) {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !strings.HasPrefix(name, "collections/") {
				name = "collections/" + name
			}
			out.Collections = append(out.Collections, name)
		}
	}
	if len(out.GetCollections()) > maxCollections {
		return nil, invalidHeader(headerCollections, "must not name more than %d collections", maxCollections)
	}
	switch value := h.Get(headerContext); value {
	case "", "auto":
	case "none":
		out.NoContext = true
	default:
		return nil, invalidHeader(headerContext, "must be auto or none")
	}
	return out, nil
}

func invalidHeader(name, format string, args ...any) error {
	name = strings.ToLower(name)
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the header "+name+" "+format, args...).WithField(name)
}

// requestID is the id that the edge gave the request, if there is an edge.
func requestID(r *http.Request) string { return httpserver.RequestID(r.Context()) }
