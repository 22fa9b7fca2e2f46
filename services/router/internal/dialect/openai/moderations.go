package openai

import (
	"context"
	"net/http"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Moderator says what the guardrail finds in texts; *pipeline.Pipeline is one.
type Moderator interface {
	Moderate(ctx context.Context, call *pipeline.ModerateCall) (*pipeline.Moderation, error)
}

var _ Moderator = (*pipeline.Pipeline)(nil)

func (h *Handler) moderate(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	if h.moderator == nil {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "this gateway moderates nothing")
	}
	body, err := httpserver.ReadBody(w, r)
	if err != nil {
		return err
	}
	asked, err := openai.ParseModeration(body)
	if err != nil {
		return err
	}
	found, err := h.moderator.Moderate(r.Context(), &pipeline.ModerateCall{
		RequestID: httpserver.RequestID(r.Context()), Principal: caller, Model: asked.Model, Texts: asked.Texts,
	})
	if err != nil {
		return err
	}
	dialect.WriteJSON(w, openai.EncodeModeration(found.RequestID, perInput(found.Scores, asked.Inputs)))
	return nil
}

// perInput takes the findings in the parts of an input together.
func perInput(scores []map[string]float64, inputs []int) []map[string]float64 {
	out := make([]map[string]float64, 0, len(inputs))
	for _, n := range inputs {
		all := make(map[string]float64)
		for _, one := range scores[:n] {
			for check, score := range one {
				all[check] = max(all[check], score)
			}
		}
		scores = scores[n:]
		out = append(out, all)
	}
	return out
}
