package bedrock

import (
	"net/http"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
)

// converse answers Converse.
func (h *Handler) converse(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	began := time.Now()
	call, err := h.conversation(w, r, caller)
	if err != nil {
		return err
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		return converse.EncodeAnswer(result.Answer, result.Report.GetCitations(), time.Since(began))
	})
}

// converseStream answers ConverseStream.
func (h *Handler) converseStream(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	call, err := h.conversation(w, r, caller)
	if err != nil {
		return err
	}
	return h.Stream(w, r, call, converse.MediaType, converse.NewChunkEncoder())
}

// conversation makes a call of a body.
func (h *Handler) conversation(w http.ResponseWriter, r *http.Request, caller *auth.Principal) (*pipeline.Call, error) {
	call, err := h.Call(r, caller)
	if err != nil {
		return nil, err
	}
	body, err := bodyOf(w, r)
	if err != nil {
		return nil, err
	}
	call.Native, call.Conversation, err = converse.ParseRequest(body, modelOf(r))
	return call, err
}
