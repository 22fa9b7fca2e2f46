package bedrock

import (
	"errors"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/cohere"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
	"github.com/tollgate/tollgate/services/router/internal/wire/titan"
)

var errVectors = errors.New("has not one vector for each text")

// embedTitan answers InvokeModel of a model of Titan's that makes vectors.
func (h *Handler) embedTitan(w http.ResponseWriter, r *http.Request, caller *auth.Principal, body []byte) error {
	asked, err := titan.ParseEmbedRequest(body, modelOf(r))
	if err != nil {
		return err
	}
	return h.embed(w, r, caller, &asked.EmbedRequest, nil, func(v *provider.Embeddings) []byte {
		return titan.EncodeEmbedding(v.Vectors[0], v.Usage, asked.ByType)
	})
}

// embedCohere answers InvokeModel of a model of Cohere's that makes vectors.
func (h *Handler) embedCohere(w http.ResponseWriter, r *http.Request, caller *auth.Principal, body []byte) error {
	asked, err := cohere.ParseEmbedRequest(body, modelOf(r))
	if err != nil {
		return err
	}
	return h.embed(w, r, caller, &asked.EmbedRequest, asked.Dropped, func(v *provider.Embeddings) []byte {
		return cohere.EncodeEmbeddings(v.Vectors, asked, httpserver.RequestID(r.Context()))
	})
}

func (h *Handler) embed(w http.ResponseWriter, r *http.Request, caller *auth.Principal, asked *provider.EmbedRequest, dropped []string, encode func(*provider.Embeddings) []byte) error {
	call, err := h.EmbedCall(r, caller, asked)
	if err != nil {
		return err
	}
	result, err := h.Gateway.Embed(r.Context(), call)
	if err != nil {
		return err
	}
	if len(result.Embeddings.Vectors) != len(asked.Inputs) {
		return refusal.Unreadable(errVectors)
	}
	report := proto.CloneOf(result.Report)
	report.Dropped = append(report.GetDropped(), dropped...)
	dialect.SetReport(w.Header(), report)
	dialect.SetCost(w.Header(), result.Report)
	setTokens(w.Header(), titan.InputTokens(result.Embeddings.Usage), 0)
	dialect.WriteJSON(w, encode(result.Embeddings))
	return nil
}
