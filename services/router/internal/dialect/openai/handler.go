// Package openai is the client dialect of OpenAI's SDKs: chat completions,
// embeddings and models over HTTP.
package openai

import (
	"net/http"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Handler serves the dialect.
type Handler struct{ *dialect.Edge }

// New makes the handler.
func New(gateway dialect.Gateway, authenticator dialect.Authenticator) *Handler {
	return &Handler{dialect.NewEdge(gateway, authenticator, func(_ http.Header, _ int, e *errs.Error) []byte {
		return openai.AppendError(nil, e)
	})}
}

// Register puts the dialect's paths on mux. Other dialects may put their own
// paths under /v1/; what no dialect has is answered here.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("/v1/chat/completions", h.Only(http.MethodPost, h.chat))
	mux.HandleFunc("/v1/embeddings", h.Only(http.MethodPost, h.embed))
	mux.HandleFunc("/v1/models", h.Only(http.MethodGet, h.models))
	mux.HandleFunc("/v1/models/{id...}", h.Only(http.MethodGet, h.model))
	mux.HandleFunc("/v1/", h.Unknown)
}
