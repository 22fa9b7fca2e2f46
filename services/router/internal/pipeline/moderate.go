package pipeline

import (
	"context"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// ModerateCall asks what the guardrail finds in texts.
type ModerateCall struct {
	// RequestID and Principal are as in Call.
	RequestID string
	Principal *auth.Principal
	// Model is the name that the client uses. The policy is that of the route it
	// has, or the default one.
	Model string
	// Texts are what is looked at, as what a user says.
	Texts []string
}

// Moderation is what was found.
type Moderation struct {
	RequestID string
	// Scores holds for each text the checks that fired and how sure each is, from
	// 0 to 1; nil if none did.
	Scores []map[string]float64
}

// Moderate checks texts without asking a model; nothing is booked. A guardrail
// that is away is an error, whatever the configuration says of requests: no
// text may look clean that nobody has looked at. The error is an *errs.Error.
func (p *Pipeline) Moderate(ctx context.Context, call *ModerateCall) (*Moderation, error) {
	r, ctx := p.enter(ctx, &request{principal: call.Principal, model: call.Model}, call.RequestID)
	defer r.cancel()
	out := &Moderation{RequestID: r.id, Scores: make([]map[string]float64, len(call.Texts))}
	if err := r.pass(ctx, member, admitOne, func(ctx context.Context, r *request) error {
		return r.moderate(ctx, call.Texts, out)
	}); err != nil {
		return nil, err
	}
	return out, nil
}

// member admits callers that belong to an organisation.
func member(_ context.Context, r *request) error {
	switch {
	case r.principal == nil:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	case r.principal.Organization == "":
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "the caller belongs to no organisation")
	default:
		return nil
	}
}

func (r *request) moderate(ctx context.Context, texts []string, out *Moderation) error {
	checker := r.pipeline.peers.Checker
	if checker == nil {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "no guardrail service is connected")
	}
	var policy string
	if entry, ok := r.world.Routes.Match(r.model); ok {
		policy = entry.Policy
	}
	for first := 0; first < len(texts); first += maxContents {
		some := texts[first:min(first+maxContents, len(texts))]
		contents := make([]*guardrailv1.Content, len(some))
		for i, text := range some {
			contents[i] = &guardrailv1.Content{Kind: guardrailv1.ContentKind_CONTENT_KIND_TEXT, Text: text}
		}
		response, err := checker.Check(ctx, &guardrailv1.CheckRequest{
			Policy: policy, Direction: guardrailv1.Direction_DIRECTION_INPUT, Contents: contents,
		})
		if err != nil {
			return guardrailError(ctx, err)
		}
		for _, f := range response.GetFindings() {
			out.add(first+int(f.GetContentIndex()), f)
		}
	}
	return nil
}

// add takes note of a finding. A check that does not say how sure it is, is sure.
func (m *Moderation) add(text int, f *guardrailv1.Finding) {
	if text < 0 || text >= len(m.Scores) {
		return
	}
	if m.Scores[text] == nil {
		m.Scores[text] = make(map[string]float64)
	}
	score := f.GetScore()
	if score <= 0 || score > 1 {
		score = 1
	}
	m.Scores[text][f.GetCheck()] = max(m.Scores[text][f.GetCheck()], score)
}
