package pipeline

import (
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Hypothesis is a request that somebody asks about.
type Hypothesis struct {
	// Principal is who would ask.
	Principal *auth.Principal
	// Conversation and Options are what would be asked, and Streamed how.
	Conversation *llmv1.Conversation
	Options      *routerv1.RequestOptions
	Streamed     bool
	// Tokens is how long the input would be; 0 counts it.
	Tokens int64
	// Time is when it would be asked.
	Time time.Time
}

// Foresee says where a request would go in a world in which nothing has
// happened yet: no target is busy, slow or broken. If none would be asked, the
// decision says why of each, and so does the error, which is an *errs.Error.
func (w *World) Foresee(h Hypothesis) (*routerv1.RouteDecision, error) {
	r := &request{
		world: w, principal: h.Principal, model: h.Conversation.GetModel(), options: h.Options,
		conversation: h.Conversation, streamed: h.Streamed,
	}
	if err := admit(r.principal, r.model); err != nil {
		return nil, err
	}
	entry, ok := w.Routes.Match(r.model)
	if !ok {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
	}
	q := r.question()
	q.Time = h.Time
	if h.Tokens > 0 {
		q.Input, q.Assumed = h.Tokens, true
	}
	entry.Candidates(q, &r.decision)
	err := r.decision.Err()
	if err == nil {
		r.decision.Foresee()
	}
	return r.decision.Explain(), err
}
