// Package anthropic is the client dialect of Anthropic's SDKs: messages, the
// counting of their tokens, and models over HTTP.
package anthropic

import (
	"net/http"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
)

// Handler serves the dialect.
type Handler struct{ *dialect.Edge }

// New makes the handler.
func New(gateway dialect.Gateway, authenticator dialect.Authenticator) *Handler {
	return &Handler{dialect.NewEdge(gateway, authenticator, func(header http.Header, _ int, e *errs.Error) []byte {
		setRequestID(header)
		return anthropic.AppendError(nil, e)
	})}
}

// Register puts the dialect's paths on mux: those of the SDKs under a prefix of
// its own, and messages where no other dialect stands in the way.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, prefix := range []string{"/v1", "/anthropic/v1"} {
		mux.HandleFunc(prefix+"/messages", h.Only(http.MethodPost, h.messages))
		mux.HandleFunc(prefix+"/messages/count_tokens", h.Only(http.MethodPost, h.countTokens))
	}
	mux.HandleFunc("/anthropic/v1/models", h.Only(http.MethodGet, h.models))
	mux.HandleFunc("/anthropic/v1/models/{id...}", h.Only(http.MethodGet, h.model))
	mux.HandleFunc("/anthropic/", h.Unknown)
}
