// Package openai is the client dialect of OpenAI's SDKs: chat completions,
// responses, embeddings, moderations and models over HTTP, by OpenAI's paths
// and by Azure's.
package openai

import (
	"log/slog"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Handler serves the dialect.
type Handler struct {
	*dialect.Edge
	moderator Moderator
	keeper    Keeper
	log       *slog.Logger
}

// Option adds what a gateway may lack.
type Option func(*Handler)

// WithModerator answers moderations.
func WithModerator(m Moderator) Option { return func(h *Handler) { h.moderator = m } }

// New makes the handler.
func New(gateway dialect.Gateway, authenticator dialect.Authenticator, options ...Option) *Handler {
	h := &Handler{Edge: dialect.NewEdge(gateway, authenticator, func(_ http.Header, _ int, e *errs.Error) []byte {
		return openai.AppendError(nil, e)
	})}
	for _, o := range options {
		o(h)
	}
	return h
}

// Register puts the dialect's paths on mux. Other dialects may put their own
// paths under /v1/; what no dialect has is answered here.
func (h *Handler) Register(mux *http.ServeMux) {
	// Azure has a path of its own for each deployment, and OpenAI's paths below /openai.
	for _, prefix := range []string{"/v1", "/openai/v1"} {
		mux.HandleFunc(prefix+"/chat/completions", h.Only(http.MethodPost, h.chat))
		mux.HandleFunc(prefix+"/embeddings", h.Only(http.MethodPost, h.embed))
		mux.HandleFunc(prefix+"/responses", h.Only(http.MethodPost, h.respond))
		mux.HandleFunc("GET "+prefix+"/responses/{id}", h.Only(http.MethodGet, h.response))
		mux.HandleFunc("DELETE "+prefix+"/responses/{id}", h.Only(http.MethodDelete, h.deleteResponse))
		mux.HandleFunc(prefix+"/moderations", h.Only(http.MethodPost, h.moderate))
		mux.HandleFunc(prefix+"/models", h.Only(http.MethodGet, h.models))
		mux.HandleFunc(prefix+"/models/{id...}", h.Only(http.MethodGet, h.model))
	}
	mux.HandleFunc("/openai/deployments/{deployment}/chat/completions", h.Only(http.MethodPost, h.chat))
	mux.HandleFunc("/openai/deployments/{deployment}/embeddings", h.Only(http.MethodPost, h.embed))
	mux.HandleFunc("/v1/", h.Unknown)
	mux.HandleFunc("/openai/", h.Unknown)
}
