// Package gemini is the client dialect of Google's Gen AI SDKs: generating
// content, embeddings, counting tokens and models over HTTP.
package gemini

import (
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/gemini"
)

// Handler serves the dialect.
type Handler struct{ *dialect.Edge }

// New makes the handler.
func New(gateway dialect.Gateway, authenticator dialect.Authenticator) *Handler {
	return &Handler{dialect.NewEdge(gateway, authenticator, func(_ http.Header, _ int, e *errs.Error) []byte {
		return gemini.AppendError(nil, e)
	})}
}

// versions are those of the API whose paths there are.
var versions = []string{"v1beta", "v1"}

// Register puts the dialect's paths on mux.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, version := range versions {
		mux.HandleFunc("/gemini/"+version+"/models", h.Only(http.MethodGet, h.models))
		mux.HandleFunc("/gemini/"+version+"/models/{name...}", h.resource)
	}
	mux.HandleFunc("/gemini/", h.Unknown)
}

// verbs are what may be asked of a model.
func (h *Handler) verb(name string) func(http.ResponseWriter, *http.Request, *auth.Principal, string) error {
	switch name {
	case "generateContent":
		return h.generate
	case "streamGenerateContent":
		return h.stream
	case "countTokens":
		return h.countTokens
	case "embedContent":
		return h.embed
	case "batchEmbedContents":
		return h.embedBatch
	default:
		return nil
	}
}

// resource answers for one model: what it is, or what a verb behind its name asks.
func (h *Handler) resource(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		h.Only(http.MethodGet, h.model)(w, r)
		return
	}
	model, verb := name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		model, verb = name[:i], name[i+1:]
	}
	serve := h.verb(verb)
	if serve == nil {
		h.Unknown(w, r)
		return
	}
	h.Only(http.MethodPost, func(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
		return serve(w, r, caller, model)
	})(w, r)
}
