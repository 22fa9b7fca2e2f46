// Package bedrock is the client dialect of AWS SDKs: Converse, InvokeModel with
// the bodies of Anthropic and Titan, and the list of models. Callers sign their
// requests or send their key as a bearer.
package bedrock

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Prefix is where the dialect's paths begin: the end of the SDKs' endpoint URL.
const Prefix = "/bedrock"

// Authenticator finds the caller of a request; *auth.Authenticator is one.
type Authenticator interface {
	dialect.Authenticator
	// AuthenticateSigned finds the caller of a request that may be signed.
	AuthenticateSigned(ctx context.Context, r *http.Request, body []byte) (*auth.Principal, error)
}

// Handler serves the dialect.
type Handler struct{ *dialect.Edge }

// New makes the handler.
func New(gateway dialect.Gateway, authenticator Authenticator) *Handler {
	h := &Handler{dialect.NewEdge(gateway, authenticator, writeError)}
	h.Status = statusOf
	h.Authenticate = func(w http.ResponseWriter, r *http.Request) (*auth.Principal, error) {
		return authenticate(authenticator, w, r)
	}
	return h
}

// Register puts the dialect's paths on mux.
func (h *Handler) Register(mux *http.ServeMux) {
	handle := func(path, method string, serve dialect.Endpoint) {
		mux.Handle(Prefix+path, named(h.Only(method, bounded(serve))))
	}
	handle("/model/{id}/converse", http.MethodPost, h.converse)
	handle("/model/{id}/converse-stream", http.MethodPost, h.converseStream)
	handle("/model/{id}/invoke", http.MethodPost, h.invoke)
	handle("/model/{id}/invoke-with-response-stream", http.MethodPost, h.invokeStream)
	handle("/model/{id}/count-tokens", http.MethodPost, h.countTokens)
	handle("/foundation-models", http.MethodGet, h.models)
	handle("/foundation-models/{id}", http.MethodGet, h.model)
	mux.Handle(Prefix+"/", named(http.HandlerFunc(h.Unknown)))
}

// named gives the request's id the name that AWS SDKs look for.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := httpserver.RequestID(r.Context()); id != "" {
			w.Header().Set("X-Amzn-Requestid", id)
		}
		next.ServeHTTP(w, r)
	})
}

// maxModel bounds a model's name: that of the canonical form.
const maxModel = 256

// bounded refuses names that no route can have.
func bounded(serve dialect.Endpoint) dialect.Endpoint {
	return func(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
		if len(modelOf(r)) > maxModel {
			return (&jsonscan.Path{Name: "modelId"}).Invalid("must not have more than %d characters", maxModel)
		}
		return serve(w, r, caller)
	}
}

// authenticate finds the caller. A signature covers the body, so that has to be
// read first; a request that is not signed is not read before its caller is known.
func authenticate(a Authenticator, w http.ResponseWriter, r *http.Request) (*auth.Principal, error) {
	if !auth.Signed(r.Header) {
		return a.Authenticate(r.Context(), r.Header)
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	r.Body = &readBody{bytes.NewReader(body), body}
	return a.AuthenticateSigned(r.Context(), r, body)
}

// readBody is a body that has been read already.
type readBody struct {
	*bytes.Reader
	all []byte
}

// Close implements io.Closer.
func (*readBody) Close() error { return nil }

var _ io.ReadCloser = (*readBody)(nil)

func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if read, ok := r.Body.(*readBody); ok {
		return read.all, nil
	}
	return httpserver.ReadBody(w, r)
}

// modelOf is the model in the path. Clients may name a foundation model by its
// ARN, as the list of models gives it; other ARNs are names like any other.
func modelOf(r *http.Request) string {
	id := r.PathValue("id")
	if strings.HasPrefix(id, "arn:") {
		if _, name, ok := strings.Cut(id, "::foundation-model/"); ok {
			return name
		}
	}
	return id
}
