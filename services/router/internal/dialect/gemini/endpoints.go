package gemini

import (
	"net/http"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/gemini"
)

// parse reads a request about content.
type parse func(model string, raw []byte) (*gemini.Request, *llmv1.Conversation, error)

func (h *Handler) call(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string, read parse) (*pipeline.Call, error) {
	call, err := h.Call(r, caller)
	if err != nil {
		return nil, err
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	native, conversation, err := read(model, body)
	if err != nil {
		return nil, err
	}
	call.Native, call.Conversation = native, conversation
	return call, nil
}

func (h *Handler) generate(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string) error {
	call, err := h.call(w, r, caller, model, gemini.ParseRequest)
	if err != nil {
		return err
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		return gemini.EncodeAnswer(result.Answer, result.Report.GetCitations())
	})
}

// stream answers with events where the client asks for them, else with one
// JSON array whose elements come one by one.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string) error {
	call, err := h.call(w, r, caller, model, gemini.ParseRequest)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("alt") == "sse" {
		return h.Stream(w, r, call, dialect.EventStream, gemini.NewChunkEncoder(true))
	}
	return h.Stream(w, r, call, dialect.JSON, gemini.NewChunkEncoder(false))
}

func (h *Handler) countTokens(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string) error {
	call, err := h.call(w, r, caller, model, gemini.ParseCountRequest)
	if err != nil {
		return err
	}
	count, err := h.Gateway.CountTokens(r.Context(), call)
	if err != nil {
		return err
	}
	dialect.WriteJSON(w, gemini.EncodeCount(count.Tokens))
	return nil
}

func (h *Handler) embed(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string) error {
	return h.vectors(w, r, caller, model, false)
}

func (h *Handler) embedBatch(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string) error {
	return h.vectors(w, r, caller, model, true)
}

func (h *Handler) vectors(w http.ResponseWriter, r *http.Request, caller *auth.Principal, model string, batch bool) error {
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	asked, err := gemini.ParseEmbedRequest(model, body, batch)
	if err != nil {
		return err
	}
	call, err := h.EmbedCall(r, caller, asked)
	if err != nil {
		return err
	}
	result, err := h.Gateway.Embed(r.Context(), call)
	if err != nil {
		return err
	}
	dialect.SetReport(w.Header(), result.Report)
	dialect.SetCost(w.Header(), result.Report)
	dialect.WriteJSON(w, gemini.EncodeEmbeddings(result.Embeddings, batch))
	return nil
}

func (h *Handler) models(w http.ResponseWriter, _ *http.Request, caller *auth.Principal) error {
	var ids []string
	for _, m := range h.Gateway.Models(caller) {
		ids = append(ids, m.GetId())
	}
	dialect.WriteJSON(w, gemini.EncodeModels(ids))
	return nil
}

func (h *Handler) model(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := r.PathValue("name")
	for _, m := range h.Gateway.Models(caller) {
		if m.GetId() == id {
			dialect.WriteJSON(w, gemini.EncodeModel(id))
			return nil
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
}
