package openai

import (
	"context"
	"log/slog"
	"net/http"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/responses"
)

// Keeper keeps responses that later requests go on from. An owner sees its own
// only; what it has not put, or what is gone, is nil.
type Keeper interface {
	Put(ctx context.Context, owner, id string, data []byte) error
	Get(ctx context.Context, owner, id string) ([]byte, error)
	Delete(ctx context.Context, owner, id string) (bool, error)
}

// WithResponses keeps responses. Without it none are kept.
func WithResponses(k Keeper, log *slog.Logger) Option {
	return func(h *Handler) { h.keeper, h.log = k, log }
}

// ownerOf is who may come back to a response: the members of a team that are
// one user, or a key that belongs to nobody.
func ownerOf(p *auth.Principal) string {
	scope := "user/" + p.User
	if p.User == "" {
		scope = "key/" + p.Key
	}
	return p.Organization + "/" + p.Team + "/" + scope
}

func (h *Handler) respond(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	call, err := h.Call(r, caller)
	if err != nil {
		return err
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	native, conversation, err := responses.ParseRequest(body)
	if err != nil {
		return err
	}
	native.Store = native.Store && h.keeper != nil
	if err := h.goOn(r.Context(), caller, native, conversation); err != nil {
		return err
	}
	messages := conversation.GetMessages()
	if native.Instructions != "" {
		conversation.Messages = append([]*llmv1.Message{instructions(native.Instructions)}, messages...)
	}
	call.Native, call.Conversation = native, conversation
	response := responses.NewResponse(native, responses.NewID())
	keep := func(done *responses.Response) { h.keep(r.Context(), caller, native, messages, done) }
	if native.Stream() {
		return h.Stream(w, r, call, dialect.EventStream, responses.NewChunkEncoder(response, keep))
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		response.Complete(result.Answer.Completion, result.Report.GetCitations())
		keep(response)
		return response.Append(nil)
	})
}

func instructions(text string) *llmv1.Message {
	return &llmv1.Message{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}},
	}}
}

func (h *Handler) response(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	if r.URL.Query().Get("stream") == "true" {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "a kept response is not streamed again").WithField("stream")
	}
	kept, err := h.kept(r.Context(), caller, r.PathValue("id"), "")
	if err != nil {
		return err
	}
	dialect.WriteJSON(w, kept.Body)
	return nil
}

func (h *Handler) deleteResponse(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := r.PathValue("id")
	if h.keeper == nil {
		return notKept("")
	}
	there, err := h.keeper.Delete(r.Context(), ownerOf(caller), id)
	if err != nil {
		return err
	}
	if !there {
		return notKept("")
	}
	dialect.WriteJSON(w, responses.AppendDeleted(nil, id))
	return nil
}
