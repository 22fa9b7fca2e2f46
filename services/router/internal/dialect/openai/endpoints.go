package openai

import (
	"net/http"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

func (h *Handler) chat(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	asked, err := options(r.Header)
	if err != nil {
		return err
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	native, conversation, err := openai.ParseRequest(body)
	if err != nil {
		return err
	}
	call := &pipeline.Call{
		RequestID: requestID(r), Principal: caller, Conversation: conversation, Native: native, Options: asked,
	}
	if native.Stream() {
		return h.stream(w, r, call, native.IncludeUsage())
	}
	result, err := h.gateway.Generate(r.Context(), call)
	if err != nil {
		return err
	}
	setReport(w.Header(), result.Report)
	setCost(w.Header(), result.Report)
	writeJSON(w, openai.EncodeAnswer(result.Answer, result.Report.GetCitations()))
	return nil
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request, call *pipeline.Call, includeUsage bool) error {
	s := newSink(w, includeUsage)
	defer s.release()
	err := h.gateway.Stream(r.Context(), call, s)
	if err == nil || !s.opened {
		return err
	}
	// Too late for a status. The stream ends with an error event, if it has not
	// ended with one already, and never as if it were complete.
	s.fail(err)
	return nil
}

func (h *Handler) embed(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	asked, err := openai.ParseEmbedRequest(body)
	if err != nil {
		return err
	}
	result, err := h.gateway.Embed(r.Context(), &pipeline.EmbedCall{
		RequestID: requestID(r), Principal: caller, Request: &asked.EmbedRequest,
	})
	if err != nil {
		return err
	}
	setReport(w.Header(), result.Report)
	setCost(w.Header(), result.Report)
	writeJSON(w, openai.EncodeEmbeddings(result.Embeddings, asked.Base64))
	return nil
}

func (h *Handler) models(w http.ResponseWriter, _ *http.Request, caller *auth.Principal) error {
	var ids []string
	for _, m := range h.gateway.Models(caller) {
		ids = append(ids, m.GetId())
	}
	writeJSON(w, openai.EncodeModels(ids))
	return nil
}

func (h *Handler) model(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := r.PathValue("id")
	for _, m := range h.gateway.Models(caller) {
		if m.GetId() == id {
			writeJSON(w, openai.EncodeModel(id))
			return nil
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client has gone
}

func writeError(w http.ResponseWriter, err error) { writeStatus(w, errs.From(err).HTTPStatus(), err) }

// hopeless are the reasons whose status invites a retry that cannot help.
var hopeless = map[llmv1.ErrorReason]bool{
	llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED: true,
	llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:   true,
	llmv1.ErrorReason_ERROR_REASON_CONFLICT:        true,
	llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS:  true,
}

// writeStatus answers with an error in the dialect's form.
func writeStatus(w http.ResponseWriter, status int, err error) {
	e := errs.From(err)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	httpserver.SetRetryAfter(header, e)
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if hopeless[e.Reason] {
		header.Set("X-Should-Retry", "false") // the SDKs would by the status
	}
	w.WriteHeader(status)
	_, _ = w.Write(openai.AppendError(nil, e)) // the client has gone
}
