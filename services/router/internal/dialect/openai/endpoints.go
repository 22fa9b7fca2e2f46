package openai

import (
	"net/http"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

func (h *Handler) chat(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	call, err := h.Call(r, caller)
	if err != nil {
		return err
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	native, conversation, err := openai.ParseDeployment(body, r.PathValue("deployment"))
	if err != nil {
		return err
	}
	call.Native, call.Conversation = native, conversation
	if native.Stream() {
		return h.Stream(w, r, call, dialect.EventStream, openai.NewChunkEncoder(native.IncludeUsage()))
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		return openai.EncodeAnswer(result.Answer, result.Report.GetCitations())
	})
}

func (h *Handler) embed(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	asked, err := openai.ParseEmbedDeployment(body, r.PathValue("deployment"))
	if err != nil {
		return err
	}
	call, err := h.EmbedCall(r, caller, &asked.EmbedRequest)
	if err != nil {
		return err
	}
	result, err := h.Gateway.Embed(r.Context(), call)
	if err != nil {
		return err
	}
	dialect.SetReport(w.Header(), result.Report)
	dialect.SetCost(w.Header(), result.Report)
	dialect.WriteJSON(w, openai.EncodeEmbeddings(result.Embeddings, asked.Base64))
	return nil
}

func (h *Handler) models(w http.ResponseWriter, _ *http.Request, caller *auth.Principal) error {
	var ids []string
	for _, m := range h.Gateway.Models(caller) {
		ids = append(ids, m.GetId())
	}
	dialect.WriteJSON(w, openai.EncodeModels(ids))
	return nil
}

func (h *Handler) model(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := r.PathValue("id")
	for _, m := range h.Gateway.Models(caller) {
		if m.GetId() == id {
			dialect.WriteJSON(w, openai.EncodeModel(id))
			return nil
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
}
