package anthropic

import (
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
)

// The header in which the SDKs look for the request's id, and where ours is.
const (
	headerRequestID = "Request-Id"
	headerOurs      = "X-Tollgate-Request-Id"
)

// setRequestID repeats the request's id where the SDKs look for it.
func setRequestID(h http.Header) {
	if id := h.Get(headerOurs); id != "" {
		h.Set(headerRequestID, id)
	}
}

// read reads a request by one of the two parsers.
func (h *Handler) read(
	w http.ResponseWriter, r *http.Request, caller *auth.Principal,
	parse func([]byte) (*anthropic.Request, *llmv1.Conversation, error),
) (*pipeline.Call, *anthropic.Request, error) {
	if id := httpserver.RequestID(r.Context()); id != "" {
		w.Header().Set(headerRequestID, id)
	}
	call, err := h.Call(r, caller)
	if err != nil {
		return nil, nil, err
	}
	asked, err := betas(r.Header)
	if err != nil {
		return nil, nil, err
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return nil, nil, err
	}
	native, conversation, err := parse(body)
	if err != nil {
		return nil, nil, err
	}
	native.WithBetas(asked)
	call.Native, call.Conversation = native, conversation
	return call, native, nil
}

func (h *Handler) messages(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	call, native, err := h.read(w, r, caller, anthropic.ParseRequest)
	if err != nil {
		return err
	}
	if native.Stream() {
		return h.Stream(w, r, call, dialect.EventStream, anthropic.NewChunkEncoder(nil))
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		return anthropic.EncodeAnswer(result.Answer, result.Report.GetCitations())
	})
}

func (h *Handler) countTokens(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	call, _, err := h.read(w, r, caller, anthropic.ParseCount)
	if err != nil {
		return err
	}
	count, err := h.Gateway.CountTokens(r.Context(), call)
	if err != nil {
		return err
	}
	dialect.WriteJSON(w, anthropic.EncodeCountAnswer(count.Tokens))
	return nil
}

func (h *Handler) models(w http.ResponseWriter, _ *http.Request, caller *auth.Principal) error {
	var ids []string
	for _, m := range h.Gateway.Models(caller) {
		ids = append(ids, m.GetId())
	}
	dialect.WriteJSON(w, anthropic.EncodeModels(ids))
	return nil
}

func (h *Handler) model(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := r.PathValue("id")
	for _, m := range h.Gateway.Models(caller) {
		if m.GetId() == id {
			dialect.WriteJSON(w, anthropic.EncodeModel(id))
			return nil
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
}

// Bounds of the header anthropic-beta.
const (
	headerBeta = "Anthropic-Beta"
	maxBetas   = 32
	maxBeta    = 128
)

// betas reads which features the client asks for. Their names go into a header
// again, so they are held to what such names are made of.
func betas(h http.Header) ([]string, error) {
	var out []string
	for _, value := range h.Values(headerBeta) {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if len(out) == maxBetas || len(name) > maxBeta || strings.ContainsFunc(name, odd) {
				field := strings.ToLower(headerBeta)
				return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
					"the header %s must hold at most %d names of letters, digits and hyphens", field, maxBetas).WithField(field)
			}
			out = append(out, name)
		}
	}
	return out, nil
}

func odd(r rune) bool {
	return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
}
